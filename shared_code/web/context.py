"""What is true of every request: its id, the security headers, HEAD wherever GET is, one log line."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .linger import Linger

log = structlog.get_logger("lydian")

SECURITY_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]

_VISIBLE = re.compile(rb"[\x21-\x7e]{1,128}")


def request_id(scope: Scope) -> str:
    """The request's id: the caller's when it is 1–128 visible ASCII characters, else made here, once."""
    state: dict[str, Any] = scope.setdefault("state", {})
    if "request_id" not in state:
        given = next((value for name, value in scope.get("headers", ()) if name == b"x-request-id"), b"")
        state["request_id"] = given.decode("ascii") if _VISIBLE.fullmatch(given) else f"req_{secrets.token_hex(12)}"
    return str(state["request_id"])


class RequestContext:
    """ASGI middleware around everything else.

    ``HEAD`` is answered by the ``GET`` route with the body left out; ``scope["state"]["head"]`` tells a handler that it
    need not open one.
    """

    def __init__(self, app: ASGIApp, *, log_requests: bool, on_first_request: Callable[[], None] = lambda: None) -> None:
        self.app = app
        self.log_requests = log_requests
        self._on_first_request: Callable[[], None] | None = on_first_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if (first := self._on_first_request) is not None:
            self._on_first_request = None
            first()
        if Linger.concerns(scope):
            linger = Linger(scope, receive, send)
            receive, send = linger.receive, linger.send
        identifier = request_id(scope)
        structlog.contextvars.bind_contextvars(request_id=identifier)
        began = time.perf_counter()
        state, status, head = scope["state"], 0, scope["method"] == "HEAD"
        if head:
            scope = dict(scope, method="GET")
            state["head"] = True
        finished = False

        async def answer(message: Message) -> None:
            nonlocal status, finished
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", identifier.encode()), *SECURITY_HEADERS]
            elif head:
                if finished:
                    return
                finished = True
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            await self.app(scope, receive, answer)
        except asyncio.CancelledError:
            status = status or 499  # the client left first; nginx's name for it
            raise
        except Exception:
            status = status or 500  # what the web extension will answer
            raise
        finally:
            if self.log_requests:
                caller = state.get("caller")
                log.info(
                    "request",
                    method="HEAD" if head else scope["method"],
                    function=getattr(scope.get("route"), "name", None),
                    status=status,
                    **({"code": state["problem"]} if "problem" in state else {}),
                    duration_ms=round((time.perf_counter() - began) * 1000, 2),
                    user_id=getattr(caller, "user_id", None),
                )
            structlog.contextvars.unbind_contextvars("request_id")
