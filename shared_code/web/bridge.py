"""FastAPI declares, Azure Functions hosts: each route becomes its own HTTP-triggered function.

A function's body runs the whole FastAPI app for its request and hands the response back as it is made, so that what
FastAPI's router decides counts, whichever function the host chose (it matches in alphabetical order of names).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import azure.functions as func
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FALLBACK = "zz_fallback"
WATCH_AFTER = 0.05
"""Seconds without a first byte after which we look whether the client is still there; short requests pay nothing."""

Handler = Callable[[Request], Awaitable[Response]]


class Relay(Response):
    """An answer under way: passes on the start, then lets the app send the rest itself, with its back-pressure.

    ``whole`` is filled by an app that sent all of its body before anybody could take it.
    """

    def __init__(self, start: Message, whole: list[Message], gate: asyncio.Future[Send], task: asyncio.Task[None]) -> None:
        self.status_code = start["status"]
        self.background = None
        self._start, self._whole, self._gate, self._task = start, whole, gate, task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(self._start)
            self._gate.set_result(send)
            if self._whole:
                await send(self._whole.pop())
            await self._task
        finally:
            self._task.cancel()


class Inbox:
    """The request's ``receive``, which can also be watched for a disconnect without taking a message from the app."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ahead: deque[Message] = deque()  # read by the watcher, not yet taken by the app
        self._reading = asyncio.Lock()  # two receives at once is more than ASGI promises
        self._taken = asyncio.Event()
        self._told = False

    async def __call__(self) -> Message:
        if not self._ahead:
            async with self._reading:
                if not self._ahead:
                    message = await self._receive()
                    self._told = message["type"] == "http.disconnect"
                    return message
        message = self._ahead[0]
        if message["type"] != "http.disconnect":
            self._ahead.popleft()
            self._taken.set()
        return message

    async def gone(self) -> None:
        """Return when the client has left and the app does not know yet; one that has been told cleans up by itself.

        One piece of the body is read ahead of the app at most: behind a piece that it does not take nobody can look.
        """
        while not self._told:
            async with self._reading:
                if self._told:
                    break
                if not self._ahead or not self._ahead[-1].get("more_body", False):
                    self._ahead.append(await self._receive())
                    if self._ahead[-1]["type"] == "http.disconnect":
                        return
                    continue
                self._taken.clear()
            await self._taken.wait()
        await asyncio.Event().wait()


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


def with_host_trace(handle: Handler) -> Callable[[Request, func.Context], Awaitable[Response]]:
    """A handler that also takes what the host says of the invocation: its id, and the trace that it belongs to."""

    async def traced(req: Request, context: func.Context) -> Response:
        state = req.scope.setdefault("state", {})
        state["invocation_id"] = context.invocation_id
        of_host = context.trace_context
        if getattr(of_host, "trace_parent", None):
            state["host_trace"] = (of_host.trace_parent, of_host.trace_state)
        return await handle(req)

    return traced


def make_handler(app: ASGIApp) -> Handler:
    """The body of an HTTP-triggered function that runs ``app`` for its request.

    An exception of the app fails the invocation (the host counts it) and is answered by the web extension; a client
    that leaves before the first byte cancels the app.
    """

    async def handle(req: Request) -> Response:
        loop = asyncio.get_running_loop()
        started: asyncio.Future[Message | None] = loop.create_future()
        gate: asyncio.Future[Send] = loop.create_future()
        state = req.scope.setdefault("state", {})
        inbox = Inbox(req.receive)
        whole: list[Message] = []
        out: Send | None = None

        async def send(message: Message) -> None:
            nonlocal out
            if out is None:
                if "failure" in state and not started.done():
                    return  # the error middleware's own 500: the exception follows, and is what counts
                if message["type"] == "http.response.start":
                    started.set_result(message)
                    return
                if not message.get("more_body", False) and not gate.done():
                    # All of the answer in one message: waiting for its reader would only cost turns of the event loop.
                    whole.append(message)
                    return
                out = await gate
            await out(message)

        task = asyncio.ensure_future(_run(app, req.scope, inbox, send))

        def finished(done: asyncio.Task[None]) -> None:
            if not started.done():
                started.set_result(None)

        task.add_done_callback(finished)
        watcher: asyncio.Task[None] | None = None

        def watch() -> None:
            nonlocal watcher
            watcher = loop.create_task(inbox.gone())
            watcher.add_done_callback(lambda done: task.cancel() if not done.cancelled() and not started.done() else None)

        # Looking would have the server ask for a body that the client holds back until we want it (RFC 9110, 10.1.1).
        expects = any(name == b"expect" for name, _ in req.scope["headers"])
        timer = loop.call_later(WATCH_AFTER, watch) if not expects else None
        try:
            start = await started
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if watcher is not None:
                watcher.cancel()
        if start is not None:
            return Relay(start, whole, gate, task)
        if task.cancelled():
            return Response(status_code=499)  # nobody is there to read it; not a failed invocation
        raise task.exception() or RuntimeError("the app gave no answer")

    return handle


def register(functions: func.FunctionApp, app: ASGIApp, routes: Iterable[Any], *, with_context: bool = False) -> None:
    """Make one HTTP-triggered function of each FastAPI route, and the fallback that answers everything else.

    ``with_context``: take the host's trace too; without a use for it, nothing stands between the host and the handler.
    """
    for route in routes:
        path = route.path.lstrip("/")
        if path:  # the host takes an empty route for "use the function's name": `/` is the fallback's
            methods = sorted(route.methods | ({"HEAD"} if "GET" in route.methods else set()))
            _register(functions, app, route.operation_id or route.name, path, methods, with_context)
    _register(functions, app, FALLBACK, "{*path}", None, with_context)  # None: every method there is


def _register(functions: func.FunctionApp, app: ASGIApp, name: str, path: str, methods: list[str] | None, with_context: bool) -> None:
    handler = with_host_trace(make_handler(app)) if with_context else make_handler(app)
    handler.__name__ = name
    functions.function_name(name)(functions.route(route=path, methods=methods, auth_level=func.AuthLevel.ANONYMOUS)(handler))
