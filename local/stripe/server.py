"""The server as an ASGI app: `StripeServer(...)` in process, or under uvicorn (see run.py)."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from . import catalog, pages
from .api import KEPT, Answer, Api, Request, as_json
from .control import Control
from .errors import StripeError
from .faults import Fault, Faults
from .store import Store
from .webhooks import Send as SendWebhook
from .webhooks import Webhooks, http_sender
from .world import World

_BODY_LIMIT = 1_048_576  # bytes


class StripeServer:
    """Webhooks go to `webhook_url`, or to `send` when that is given; nowhere without both.

    `secret_key`: the only key that is let in (default: any that starts with `sk_test_`). `data`: the file that keeps the state.
    `base_url`: where browsers reach the pages (default: the host that a request names). Outside of uvicorn, call `start` and `stop` for
    webhooks to be delivered by themselves; in manual mode (POST /_test/faults) neither is needed.
    """

    def __init__(
        self, *, webhook_url: str | None = None, webhook_secret: str = "", secret_key: str | None = None, data: Path | None = None,
        base_url: str | None = None, send: SendWebhook | None = None, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        if (webhook_url or send) and not webhook_secret:
            raise ValueError("webhooks are signed: give their secret")
        self._store = Store(data, clock)
        self._sender = send or (http_sender(webhook_url) if webhook_url else None)
        self._base_url = base_url
        self._task: asyncio.Task[None] | None = None
        self.world = World(self._store, base_url or "")
        self.webhooks = Webhooks(self._store, webhook_secret, self._sender)
        faults = Faults()
        self.control = Control(self.world, self.webhooks, faults)
        self._api = Api(self.world, faults, secret_key)
        if self._store.count("product") == 0:
            catalog.preload(self.world)
        self._prune()
        self._store.commit()
        self.world.on_event = self.webhooks.enqueue

    def _prune(self) -> None:
        """What a kept state no longer needs."""
        for row in list(self._store.all("_delivery")):
            if row["status"] != "pending":
                self._store.delete("_delivery", row["id"])
        for kept in list(self._store.all("_idempotency")):
            if kept["at"] < self.world.now() - KEPT:
                self._store.delete("_idempotency", kept["id"])

    async def start(self) -> None:
        self._task = asyncio.create_task(self.webhooks.run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        close: Any = getattr(self._sender, "close", None)
        if close is not None:
            await close()
        self._store.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        if scope["type"] != "http":
            return None
        method, path = scope["method"], scope["path"]
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if self._base_url is None:
            self.world.base_url = f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}"
        body = await _body(receive)
        if body is None:
            return await _send(send, Answer(413, b"", {}))
        answer = await self._answer(method, path, scope["query_string"].decode("latin-1"), headers, body)
        self.webhooks.wake()
        if answer.fault is not None and (answer.fault.kind in ("down", "cut")):
            return await _break(answer, answer.fault, receive, send)
        return await _send(send, answer)

    async def _answer(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Answer:
        if path.startswith("/_test/"):
            try:
                return Answer(200, as_json(await self.control.answer(method, path, body)), {"content-type": "application/json"})
            except (StripeError, ValueError, TypeError) as error:
                known = error if isinstance(error, StripeError) else StripeError(400, str(error))
                return Answer(known.status, as_json(known.body("")), {"content-type": "application/json"})
        if path == "/pages/style.css":
            return Answer(200, pages.STYLE.encode(), {"content-type": "text/css"})
        if path.startswith("/pages/"):
            page = pages.answer(self.world, method, path, body)
            security = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
            found = {"content-type": "text/html; charset=utf-8", "content-security-policy": security, "referrer-policy": "no-referrer"}
            return Answer(page.status, page.body.encode(), found | ({"location": page.location} if page.location else {}))
        if path == "/_test":
            return Answer(200, b"ready\n", {"content-type": "text/plain"})
        return await self._api.answer(Request(method, path, query, headers, body))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                return await send({"type": "lifespan.shutdown.complete"})


async def _body(receive: Receive) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _BODY_LIMIT:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, answer: Answer, cut: bool = False) -> None:
    headers = {"content-length": str(len(answer.body)), "cache-control": "no-store", **answer.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if cut:
        return await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
    return await send({"type": "http.response.body", "body": answer.body})


async def _break(answer: Answer, fault: Fault, receive: Receive, send: Send) -> None:
    """Close the connection, at once or in the middle of the answer. In process, where there is none, raise ConnectionResetError."""
    if fault.kind == "cut":
        await _send(send, answer, cut=True)
    cycle = getattr(receive, "__self__", None)  # uvicorn's; ASGI itself knows no way to close a connection
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise ConnectionResetError(f"the fault {fault.kind!r} was asked for")
    transport.close()
