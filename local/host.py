"""The front of the host: takes each request, finds its function as Azure would, logs one line."""

import asyncio
import json
import time
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import log
from .routes import Route, RouteTable, request_path
from .triggers.blob import blob_data
from .triggers.queue import queue_data
from .triggers.run import Runner
from .triggers.timer import timer_data
from .worker import Function, TriggerData, Worker

_ADMIN = "/admin/functions/"
_ADMIN_LIMIT = 1_048_576  # bytes of an admin request's body


class Host:
    """An ASGI app. `body_limit` is FUNCTIONS_REQUEST_BODY_SIZE_LIMIT, in bytes; `quiet` leaves out the request lines."""

    def __init__(
        self, worker: Worker, runner: Runner, routes: Sequence[Route], others: Sequence[Function], body_limit: int, quiet: bool = False
    ) -> None:
        self._runner = runner
        self._others = {function.name.lower(): function for function in others}
        self._routes: RouteTable[ASGIApp] = RouteTable(routes, lambda route, params: worker.http_app(route.function, params))
        self._body_limit = body_limit
        self._quiet = quiet
        self._fired: set[asyncio.Task[bool]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # neither lifespan nor websockets exist in Functions
        exchange = _Exchange(receive, send)
        try:
            await self._answer(scope, exchange)
        finally:
            if not self._quiet:
                log.request_line(
                    scope["method"],
                    scope["raw_path"],
                    exchange.status,
                    exchange.whole,
                    exchange.started,
                    exchange.size,
                    exchange.request_id,
                )

    async def _answer(self, scope: Scope, exchange: "_Exchange") -> None:
        path = request_path(scope["path"], scope["raw_path"])
        if path.startswith(("/admin/", "/runtime/")):  # the host's own, whatever the app's routes say
            await self._administer(scope, path, exchange)
            return
        length = -1
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                exchange.limit = self._body_limit
        if length > self._body_limit:
            await exchange.end(413)
            return
        app = self._routes.find(scope["method"], path)
        if app is None:
            await exchange.end(404)
            return
        if exchange.limit is None:
            # Quiet: nobody asks what the exchange would note.
            await app(scope, exchange.receive, exchange.plain_send if self._quiet else exchange.send)
            return
        try:
            await app(scope, exchange.receive_limited, exchange.send)
        except Exception:
            if not exchange.unanswered_refusal:
                raise  # else it is what becomes of an app whose client seems to leave in the middle of its body
        if exchange.unanswered_refusal:
            await exchange.end(413)

    async def _administer(self, scope: Scope, path: str, exchange: "_Exchange") -> None:
        """POST /admin/functions/NAME {"input": …}: fire a function by hand. Answers 202 whatever becomes of the run, as Azure does."""
        function = self._others.get(path.removeprefix(_ADMIN).lower())
        if not path.startswith(_ADMIN) or function is None:
            await exchange.end(404)
            return
        if scope["method"] != "POST":
            await exchange.end(405)
            return
        body = await _read(exchange.receive)
        data = None if body is None else manual_data(function, body)
        if data is None:
            await exchange.end(400)
            return
        # The real host answers before the run; here it is waited for, so that a script knows when it is over.
        run = asyncio.create_task(self._runner.fire(function, data, "by hand"))
        self._fired.add(run)
        run.add_done_callback(self._fired.discard)
        await asyncio.shield(run)
        await exchange.end(202)


def manual_data(function: Function, body: bytes) -> TriggerData | None:
    """What `{"input": …}` means to a function's trigger; None if it means nothing to it."""
    try:
        given = json.loads(body or b"{}").get("input")
    except (ValueError, AttributeError):
        return None
    match function.kind:
        case "timertrigger":
            return timer_data(past_due=False)
        case "blobtrigger":
            container, _, name = given.partition("/") if isinstance(given, str) else ("", "", "")
            return blob_data(function, container, name) if container and name else None
        case _:
            return queue_data(given if isinstance(given, str) else "" if given is None else json.dumps(given))


async def _read(receive: Receive) -> bytes | None:
    body = b""
    while len(body) <= _ADMIN_LIMIT:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += bytes(message.get("body", b""))
        if not message.get("more_body", False):
            return body
    return None


class _Exchange:
    """One request's channels, and what the log wants to know of them."""

    __slots__ = ("_read", "limit", "plain_send", "receive", "refused", "request_id", "size", "started", "status", "whole")

    def __init__(self, receive: Receive, send: Send) -> None:
        self.started = time.perf_counter()
        self.receive = receive
        self.plain_send = send
        self._read = 0
        self.limit: int | None = None
        self.refused = False
        self.status = 0
        self.size = 0
        self.whole = False
        self.request_id = b""

    @property
    def unanswered_refusal(self) -> bool:
        return self.refused and self.status == 0

    async def send(self, message: Message) -> None:
        if self.unanswered_refusal:
            return  # whatever the app says of its lost client: 413 goes out instead
        if message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
        elif message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message.get("headers", ()):
                if name == b"x-request-id":
                    self.request_id = value
        await self.plain_send(message)

    async def receive_limited(self) -> Message:
        """For a body of unknown length: once it is over the limit, the app sees that the client left, as on Azure."""
        if self.refused:
            return {"type": "http.disconnect"}
        message = await self.receive()
        self._read += len(message.get("body", b""))
        if self.limit is not None and self._read > self.limit:
            self.refused = True
            return {"type": "http.disconnect"}
        return message

    async def end(self, status: int) -> None:
        """An answer of the host's own: no body."""
        self.status, self.whole = status, True
        headers = [(b"content-length", b"0")]
        if status == 413:
            headers.append((b"connection", b"close"))  # the rest of the body is not wanted
        await self.plain_send({"type": "http.response.start", "status": status, "headers": headers})
        await self.plain_send({"type": "http.response.body", "body": b""})
