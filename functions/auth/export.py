"""The export of one's own data over HTTP (SPEC §5)."""

from typing import Any

from fastapi import APIRouter, Request, Response

from functions.dependencies import ContainerDep, client_address
from shared_code.auth.models import Client
from shared_code.web.callers import AccountCaller
from shared_code.web.outgoing import Outgoing

ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
    409: {"description": "An export of this account is running"},
}


def add_routes(router: APIRouter) -> None:
    router.get("/api/auth/export", name="auth_export", response_class=Response, responses=ZIP)(export)


async def export(request: Request, caller: AccountCaller, container: ContainerDep) -> Response:
    """Everything stored about the caller, as a ZIP of JSON and files. One that fails on the way is cut off: it does not open."""
    name = f"lydian-export-{container.clock.now():%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    if request.scope["state"].get("head"):
        return Response(headers=headers, media_type="application/zip")
    client = Client(request.headers.get("user-agent", ""), client_address(request))
    running = await container.export.open(caller.user_id, caller.session_id, client)
    return Outgoing(running.chunks, headers=headers, media_type="application/zip", close=running.aclose)
