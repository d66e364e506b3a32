"""Errors as RFC 9457 problem details (on OpenAI's routes in its form): the one place where a domain error becomes a status."""

import http
import json
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.responses import Response
from starlette.types import Scope

from shared_code import errors

from . import openai_errors
from .context import SECURITY_HEADERS, request_id

log = structlog.get_logger("lydian")

STATUS: dict[type[errors.LydianError], int] = {
    errors.InvalidRequest: 400,
    errors.Unauthenticated: 401,
    errors.PaymentDeclined: 402,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.UnsupportedType: 415,
    errors.RangeNotSatisfiable: 416,
    errors.InvalidInput: 422,
    errors.RateLimited: 429,
    errors.UpstreamFailed: 502,
    errors.UpstreamTimeout: 504,
    errors.Unavailable: 503,
    errors.NotConfigured: 503,
    errors.LydianError: 500,
}


def status_of(error: errors.LydianError) -> int:
    """The status of the nearest class in the error's method resolution order."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem_body(scope: Scope, status: int, code: str, detail: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"urn:lydian:problem:{code}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        # Not the query: it may hold what a log or a screenshot should not.
        "instance": masked_path(scope.get("path", "")),
        "code": code,
        "request_id": request_id(scope),
    }
    return {**(extra or {}), **body}


def masked_path(path: str) -> str:
    """The path without the one secret that travels in a path: a share's token."""
    return "/share/…" if path.startswith("/share/") else path


def problem(
    scope: Scope, status: int, code: str, detail: str, *, extra: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    scope.setdefault("state", {})["problem"] = code  # for the request's log line
    if openai_errors.concerns(scope):
        body, kind = openai_errors.body(status, code, detail, extra), "application/json"
    else:
        body, kind = problem_body(scope, status, code, detail, extra), "application/problem+json"
        if openai_errors.beside(scope):
            body |= openai_errors.body(status, code, detail, extra)
    return Response(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), status, headers, media_type=kind)


def from_error(scope: Scope, error: errors.LydianError) -> Response:
    """The answer to a domain error, with the headers that its status asks for."""
    status = status_of(error)
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = error.extra.pop("challenge", None) or "Bearer"
        headers["Cache-Control"] = "no-store"  # one of them carries the token for a sign-in's second step
    if isinstance(error, errors.RateLimited | errors.Unavailable | errors.InProgress):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.RateLimited) and error.limit is not None:
        # The three fields of draft-ietf-httpapi-ratelimit-headers-00 to -06, which clients know.
        headers["RateLimit-Limit"] = str(error.limit)
        headers["RateLimit-Remaining"] = str(error.remaining)
        headers["RateLimit-Reset"] = str(error.reset)
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.size}"
    if status == 413:
        headers["Connection"] = "close"  # what was not read is not waited for
    return problem(scope, status, error.code, error.message or http.HTTPStatus(status).phrase, extra=error.extra, headers=headers)


def _traced(scope: Scope) -> dict[str, str]:
    """The request's trace, which is over when its failure is logged."""
    found = scope.get("state", {}).get("trace_id")
    return {"trace_id": found} if found else {}


def internal_error(scope: Scope, error: BaseException) -> Response:
    """The answer to a failed invocation: nothing internal leaks, the log holds the trace under the same request id."""
    log.error("unhandled_error", exc_info=error, request_id=request_id(scope), **_traced(scope), path=masked_path(scope.get("path", "")))
    response = problem(scope, 500, "internal_error", "Something went wrong on our side. The request id identifies it in our log.")
    response.raw_headers += [(b"x-request-id", request_id(scope).encode()), *SECURITY_HEADERS]
    return response
