"""Leaving, over HTTP (SPEC §5)."""

from fastapi import APIRouter, Request

from functions.dependencies import ContainerDep, client_address
from shared_code.auth.account_schemas import DeletionRequest
from shared_code.auth.models import Client
from shared_code.web.callers import AccountCaller


def add_routes(router: APIRouter) -> None:
    router.delete("/api/auth/me", name="auth_delete_me", status_code=204)(delete_me)


async def delete_me(request: Request, caller: AccountCaller, container: ContainerDep, body: DeletionRequest | None = None) -> None:
    """Delete the caller's account, for good. It is closed at once; everything that it owns is removed within about 20 minutes.

    An account that has a password asks for it: a wrong one is 403 `wrong_password`.
    """
    client = Client(request.headers.get("user-agent", ""), client_address(request))
    await container.deletion.request(caller.user_id, body.password if body else None, client)
