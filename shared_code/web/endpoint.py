"""The route class of every endpoint: the caller first, then a bounded JSON body, then idempotency, then FastAPI."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from . import json_body
from .callers import CallerDependency, authenticated
from .idempotency import HEADER, Idempotency

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def idempotent(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Mark an endpoint that creates or charges: it then takes ``Idempotency-Key`` (SPEC §1)."""
    endpoint.__idempotent__ = True  # type: ignore[attr-defined]  # a mark on the function, read by Endpoint
    return endpoint


def takes_bytes(limit: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark an endpoint whose JSON body may have up to ``limit`` bytes, where SPEC says otherwise than 1 MiB."""

    def mark(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        endpoint.__max_bytes__ = limit  # type: ignore[attr-defined]  # a mark on the function, read by Endpoint
        return endpoint

    return mark


class Endpoint(APIRoute):
    """A route whose ``name`` is its function's name, and its operation id."""

    literal_paths: frozenset[str] = frozenset()
    """The app's paths without parameters; set by ``app.build``."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **{**options, "operation_id": options.get("operation_id") or options.get("name")})

    @property
    def needs_caller(self) -> bool:
        """False for what SPEC marks *open*."""
        return _caller_dependency(self.dependant) is not None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As FastAPI does, but a parameter never takes a literal path: ``DELETE /api/files/upload`` is 405, not a file."""
        if self.param_convertors and scope["path"] in self.literal_paths:
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        caller = _caller_dependency(self.dependant)
        takes_json = self.body_field is not None
        takes_key = getattr(self.endpoint, "__idempotent__", False)
        max_bytes: int = getattr(self.endpoint, "__max_bytes__", json_body.MAX_BYTES)
        name = self.operation_id or self.name

        async def endpoint(request: Request) -> Response:
            if caller is not None:  # before the body: a stranger's bytes are not read
                await caller(request)
            body = b""
            if takes_json or takes_key:
                body = await json_body.read_bytes(request, max_bytes)
                await _preload(request, body)
            key = request.headers.get(HEADER) if takes_key else None
            if key is None:
                return await handle(request)
            # Strangers are told apart by where they come from: one's keys are nobody else's.
            owner = (
                (await authenticated(request)).user_id if caller is not None else f"anonymous {request.app.state.client_address(request)}"
            )
            idempotency: Idempotency = request.app.state.idempotency()
            return await idempotency.run(key, f"{owner}:{name}:{request.url.path}", body, lambda: handle(request))

        return endpoint


def _caller_dependency(dependant: Dependant) -> CallerDependency | None:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, CallerDependency):
            return dependency.call
    return None


async def _preload(request: Request, body: bytes) -> None:
    """Parse the body now, under our limits, and leave it where Starlette and FastAPI look for it.

    The content type does not matter: a caller is authenticated by a header that no cross-site form can send.
    """
    request._body = body
    if body:
        request._json = await json_body.parsed(body)
        if request.headers.get("content-type") != "application/json":
            headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
            request.scope["headers"] = [*headers, (b"content-type", b"application/json")]
            del request._headers
