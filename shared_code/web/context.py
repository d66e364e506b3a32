"""What is true of every request: its id, the security headers, HEAD wherever GET is, one log line."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .linger import Linger

log = structlog.get_logger("lydian")

SECURITY_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]

_VISIBLE = re.compile(rb"[\x21-\x7e]{1,128}")


class Tracing(Protocol):
    def request(self, headers: list[tuple[bytes, bytes]], state: dict[str, Any]) -> AbstractContextManager[None]:
        """Around a request. ``state``: the scope's; ``trace_id`` is left there."""

    def answered(
        self, *, function: str | None, route: str | None, method: str, status: int, seconds: float, request_id: str, user_id: str | None
    ) -> None:
        """Told within ``request``, at its end. ``route``: the template, never the path."""


_LARGE_BODY = 256 * 1024


class Observe(Protocol):
    def __call__(self, function: str | None, method: str, status: int, first: float, whole: float, *, streamed: bool, cold: bool) -> None:
        """Told of each request when it is over. ``function``: None where no route matched. ``first`` and ``whole``: seconds until the
        answer began and until its end. ``streamed``: an answer in several pieces, or a large body: it lasted as long as it was long.
        ``cold``: the process had not answered anything before."""


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

    def __init__(
        self,
        app: ASGIApp,
        *,
        log_requests: bool,
        on_first_request: Callable[[], None] = lambda: None,
        observe: Observe | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.app = app
        self.log_requests = log_requests
        self._observe, self._warm, self._tracing = observe, False, tracing
        self._on_first_request: Callable[[], None] | None = on_first_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif self._tracing is None:
            await self._handle(scope, receive, send)
        else:
            with self._tracing.request(scope["headers"], scope.setdefault("state", {})):
                await self._handle(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (prepare := self._on_first_request) is not None:
            self._on_first_request = None
            prepare()
        streamed, cold = False, not self._warm
        if Linger.concerns(scope):
            streamed = _is_large(scope)
            linger = Linger(scope, receive, send)
            receive, send = linger.receive, linger.send
        identifier = request_id(scope)
        structlog.contextvars.bind_contextvars(request_id=identifier)
        began = time.perf_counter()
        first = 0.0
        state, status, head = scope["state"], 0, scope["method"] == "HEAD"
        if head:
            scope = dict(scope, method="GET")
            state["head"] = True
        finished = False

        async def answer(message: Message) -> None:
            nonlocal status, finished, first, streamed
            if message["type"] == "http.response.start":
                status = message["status"]
                first = time.perf_counter() - began
                message["headers"] = [*message["headers"], (b"x-request-id", identifier.encode()), *SECURITY_HEADERS]
            elif head:
                if finished:
                    return
                finished = True
                message = {"type": "http.response.body", "body": b""}
            elif message.get("more_body", False):
                streamed = True
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
            whole, self._warm = time.perf_counter() - began, True
            function, method = getattr(scope.get("route"), "name", None), "HEAD" if head else scope["method"]
            if self._observe is not None:
                self._observe(function, method, status, first or whole, whole, streamed=streamed, cold=cold)
            user_id = getattr(state.get("caller"), "user_id", None)
            if self._tracing is not None:
                self._tracing.answered(
                    function=function,
                    route=getattr(scope.get("route"), "path", None),
                    method=method,
                    status=status or 500,
                    seconds=whole,
                    request_id=identifier,
                    user_id=user_id,
                )
            if self.log_requests:
                log.info(
                    "request",
                    method=method,
                    function=function,
                    status=status,
                    **({"code": state["problem"]} if "problem" in state else {}),
                    duration_ms=round(whole * 1000, 2),
                    user_id=user_id,
                )
            structlog.contextvars.unbind_contextvars("request_id")


def _is_large(scope: Scope) -> bool:
    """Whether a body takes as long as the client takes to send it: large, or of unknown length."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return not length.isdigit() or len(length) > 12 or int(length) > _LARGE_BODY
