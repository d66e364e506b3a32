"""The FastAPI app that declares every endpoint: errors, CORS and the middleware around them."""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from shared_code import __version__
from shared_code.errors import LydianError
from shared_code.settings import Settings

from .context import Observe, RequestContext, Tracing
from .endpoint import Endpoint
from .problems import from_error, problem

MOST_ERRORS = 100
"""That a 422 names: a list of ten thousand wrong items would be answered with megabytes."""
OURS_ALONE: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
"""FastAPI's own spans would double ours, and hold paths and queries: a share's token is in a path."""

EXPOSED_HEADERS = [
    "X-Request-ID", "ETag", "Location", "Content-Disposition", "Content-Range", "Accept-Ranges", "Retry-After",
    "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Idempotent-Replayed", "X-Lydian-Model", "X-Lydian-Cost-Micro",
]  # fmt: skip


def build(
    settings: Settings,
    routers: Iterable[APIRouter],
    *,
    on_first_request: Callable[[], None] = lambda: None,
    observe: Observe | None = None,
    tracing: Tracing | None = None,
) -> FastAPI:
    """An app with the routers' routes. The caller sets ``state.authenticator``, ``state.container``, ``state.idempotency`` (a
    function that gives it) and ``state.client_address`` (one that gives a request's)."""
    # The OpenAPI document is served by functions/common, as a function of its own.
    app = FastAPI(title="Lydian", version=__version__, openapi_url=None, redirect_slashes=False, telemetry=OURS_ALONE)
    app.state.client_address = lambda request: request.client.host if request.client else ""
    for router in routers:
        # Not include_router: its wrapper would be matched again on every request.
        app.router.routes.extend(router.routes)
    literal_paths = frozenset(route.path for route in app.router.routes if isinstance(route, Endpoint) and not route.param_convertors)
    for route in app.router.routes:
        if isinstance(route, Endpoint):
            route.literal_paths = literal_paths
    app.add_exception_handler(LydianError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_left)
    app.add_exception_handler(Exception, _unhandled)
    if settings.cors_origins or settings.environment == "local":
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_origin_regex=r"http://(localhost|127\.0\.0\.1)(:\d+)?" if settings.environment == "local" else None,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
        )
    app.add_middleware(
        RequestContext, log_requests=settings.log_format == "json", on_first_request=on_first_request, observe=observe, tracing=tracing
    )
    return app


async def _domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LydianError)
    return from_error(request.scope, error)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    details = [{"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]} for item in error.errors()[:MOST_ERRORS]]
    first = details[0]
    sentence = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return problem(request.scope, 422, "validation_failed", sentence, extra={"errors": details})


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = sorted(allowed_methods(request))
        return problem(
            request.scope, 405, "method_not_allowed", f"This path takes {', '.join(allowed)}.", headers={"Allow": ", ".join(allowed)}
        )
    if error.status_code == 404:
        return problem(request.scope, 404, "not_found", "There is nothing here.")
    return problem(request.scope, error.status_code, "request_failed", str(error.detail), headers=error.headers)


def allowed_methods(request: Request) -> set[str]:
    """Every method that some route of this path answers."""
    methods: set[str] = set()
    for route in request.app.router.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= set(route.methods or ())
    return methods | ({"HEAD"} if "GET" in methods else set())


async def _client_left(request: Request, error: Exception) -> Response:
    return problem(request.scope, 400, "incomplete_body", "The connection ended before the body did.")


async def _unhandled(request: Request, error: Exception) -> Response:
    # The bridge drops this answer and fails the invocation with the exception that follows it.
    state: dict[str, Any] = request.scope["state"]
    state["failure"] = True
    return problem(request.scope, 500, "internal_error", "Something went wrong on our side.")
