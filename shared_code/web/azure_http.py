"""Our web extension for the Python worker: HTTP streaming both ways ("HTTP v2"), plain ASGI on uvicorn.

The worker switches streaming on when a module that subclasses the base package's ``WebApp`` and ``WebServer`` is
imported; it then takes both classes from this module by name. Why not the ready-made FastAPI extension:
docs/decisions/0001-own-http-extension.md.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from azurefunctions.extensions import base  # type: ignore[import-untyped]  # it ships no types
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import internal_error

Endpoint = Callable[[Request], Awaitable[Response]]

_INVOCATION_ID = b"x-ms-invocation-id"


class RequestSynchronizer(base.RequestSynchronizer):  # type: ignore[misc]  # the base package ships no types
    def sync_route_params(self, request: Any, path_params: Any) -> None:
        """The host's route parameters are ignored: FastAPI's router decides again (the host matches alphabetically)."""


class RequestType(metaclass=base.RequestTrackerMeta):  # type: ignore[metaclass]  # likewise
    request_type = Request
    synchronizer = RequestSynchronizer()


class ResponseType(metaclass=base.ResponseTrackerMeta):  # type: ignore[metaclass]  # likewise
    label = base.ResponseLabels.STANDARD
    response_type = Response


class WebApp(base.WebApp):  # type: ignore[misc]  # the base package ships no types
    """Hands each request of the worker's own HTTP server to the worker, and renders what comes back."""

    def __init__(self) -> None:
        self._endpoint: Endpoint | None = None

    def route(self, func: Endpoint) -> None:
        self._endpoint = func

    def get_app(self) -> ASGIApp:
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._endpoint is not None
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            response = await self._endpoint(Request(scope, receive))
            await response(scope, receive, watched)
        except Exception as error:
            if started:
                raise  # the server cuts the connection: the client must see that the body is not whole
            await internal_error(scope, error)(scope, receive, send)
        finally:
            forget_invocation(scope)


class WebServer(base.WebServer):  # type: ignore[misc]  # the base package ships no types
    async def serve(self) -> None:
        import uvicorn  # only here: the local host's direct worker never needs this server

        config = uvicorn.Config(
            self.web_app,
            host=self.hostname,
            port=self.port,
            log_config=None,
            access_log=False,  # it would print /share/{token}
            server_header=False,
            date_header=False,
            lifespan="off",
            # Uvicorn believes X-Forwarded-For from 127.0.0.1, which the host is: any client could choose its address.
            proxy_headers=False,
        )
        await uvicorn.Server(config).serve()


def forget_invocation(scope: Scope) -> None:
    """Drop the worker's record of a finished invocation.

    The worker keeps about 2 kB for each request for ever. A worker that has mended this, or has moved the record, is
    left alone.
    """
    worker = sys.modules.get("azure_functions_runtime.http_v2") or sys.modules.get("azure_functions_worker.http_v2")
    references = getattr(getattr(worker, "http_coordinator", None), "_context_references", None)
    if isinstance(references, dict):
        for name, value in scope["headers"]:
            if name == _INVOCATION_ID:
                references.pop(value.decode("latin-1"), None)
