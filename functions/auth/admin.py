"""All users over HTTP, for administrators (SPEC §5)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from functions.dependencies import ContainerDep, Cursor, Limit, client_address
from shared_code.auth.account_schemas import UserChange, UserDetails, UserList
from shared_code.auth.models import Client
from shared_code.storage import cursors
from shared_code.web.callers import Caller, CallerDependency

AdminCaller = Annotated[Caller, Depends(CallerDependency(None, admin=True))]


def add_routes(router: APIRouter) -> None:
    router.get("/api/auth/users", name="auth_list_users")(list_users)
    router.patch("/api/auth/users/{user_id}", name="auth_update_user")(update_user)


async def list_users(
    response: Response,
    caller: AdminCaller,
    container: ContainerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    email: Annotated[
        str | None, Query(min_length=1, max_length=320, description="how the address begins; the list is then by address, not newest first")
    ] = None,
) -> UserList:
    """Everyone's accounts, newest first."""
    response.headers["Cache-Control"] = "no-store"
    of = ("users", email)
    page = await container.directory.page(email=email, after=cursors.decode(cursor, *of), limit=limit)
    items = [UserDetails.of(user, container.accounts.role_of(user)) for user in page.users]
    return UserList(items=items, next_cursor=cursors.encode(page.next, *of) if page.next else None)


async def update_user(request: Request, user_id: str, body: UserChange, caller: AdminCaller, container: ContainerDep) -> UserDetails:
    """Change a user's role, or who may sign in, or remove a lost second factor. Whoever is disabled or demoted is signed out
    everywhere."""
    client = Client(request.headers.get("user-agent", ""), client_address(request))
    without_mfa = body.mfa_enabled is False
    user = await container.directory.change(
        caller.user_id, user_id, client, role=body.role, disabled=body.disabled, without_mfa=without_mfa
    )
    return UserDetails.of(user, container.accounts.role_of(user))
