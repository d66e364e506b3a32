"""The OpenAPI 3.1 document of the registered services, made once from their routes."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared_code import __version__
from shared_code.web.endpoint import Endpoint

_MAKING = threading.Lock()

PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "a stable slug, such as `file_too_large`"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"loc": {"type": "array", "items": {}}, "msg": {"type": "string"}, "type": {"type": "string"}},
            },
        },
    },
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document: operation ids are the functions' names, errors are problem details, callers bring a bearer token."""
    made = get_openapi(
        title="Lydian",
        version=__version__,
        summary="Sign-in, files and images, AI, chat, payments and monitoring on Azure Functions",
        routes=app.routes,
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    made["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "description": "an access token or an API key"}}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    closed = {route.operation_id for route in app.routes if isinstance(route, Endpoint) and route.needs_caller}
    for operations in made["paths"].values():
        for operation in operations.values():
            _complete(operation, is_open=operation["operationId"] not in closed)
    return made


def _complete(operation: dict[str, Any], *, is_open: bool) -> None:
    problem = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {"description": "A problem", **problem}
    if not is_open:
        operation["security"] = [{"bearer": []}]


def as_json(found: Mapping[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


async def rendered(app: FastAPI, kind: str, render: Callable[[Mapping[str, Any]], str]) -> str:
    """What ``render`` makes of the document, kept under ``kind`` for as long as the process lives: its routes never change. Making it takes
    a third of a second, so that it is done in a thread, and once however many strangers ask at the same time."""
    kept: str | None = getattr(app.state, f"openapi_{kind}", None)
    return kept if kept is not None else await asyncio.to_thread(_render, app, f"openapi_{kind}", render)


def _render(app: FastAPI, name: str, render: Callable[[Mapping[str, Any]], str]) -> str:
    with _MAKING:
        kept: str | None = getattr(app.state, name, None)
        if kept is None:
            kept = render(document(app))
            setattr(app.state, name, kept)
        return kept
