"""Accounts and sign-in over HTTP (SPEC §5)."""

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from functions.dependencies import ContainerDep, client_address
from shared_code.auth.models import Client
from shared_code.auth.recovery_schemas import VerificationRequired
from shared_code.auth.schemas import LoginRequest, ProfileChange, RefreshRequest, RegisterRequest, TokensResponse, UserResponse
from shared_code.errors import Conflict
from shared_code.web.callers import AccountCaller
from shared_code.web.endpoint import Endpoint, idempotent

from . import admin, audit, deletion, export, keys, mfa, pages, recovery, sessions, well_known
from .recovery import MailLinks

router = APIRouter(tags=["auth"], route_class=Endpoint)

# What a stored answer must never be: tokens in a proxy's cache (RFC 6749, 5.1).
NO_STORE = {"Cache-Control": "no-store"}


def client(request: Request) -> Client:
    return Client(request.headers.get("user-agent", ""), client_address(request))


@router.post(
    "/api/auth/register",
    name="auth_register",
    status_code=201,
    response_model=TokensResponse,
    responses={202: {"model": VerificationRequired, "description": "AUTH_REQUIRE_VERIFIED_EMAIL is set: a mail's link makes the account"}},
)
@idempotent
async def register(request: Request, response: Response, body: RegisterRequest, container: ContainerDep, links: MailLinks) -> Any:
    """A new account. Its address gets a mail with a link that verifies it."""
    response.headers.update(NO_STORE)
    if container.settings.auth_require_verified_email:
        await container.registration.request(body.email, body.password, body.name, client(request), links)
        return JSONResponse(VerificationRequired().model_dump(), 202, NO_STORE)
    return TokensResponse.of(await container.registration.register(body.email, body.password, body.name, client(request), links))


@router.post("/api/auth/login", name="auth_login")
async def login(request: Request, response: Response, body: LoginRequest, container: ContainerDep) -> TokensResponse:
    response.headers.update(NO_STORE)
    return TokensResponse.of(await container.sign_in.login(body.email, body.password, client(request)))


@router.post("/api/auth/refresh", name="auth_refresh")
async def refresh(request: Request, response: Response, body: RefreshRequest, container: ContainerDep) -> TokensResponse:
    """Rotate the refresh token. A token that was used before ends the session, unless it is the same client's quick retry."""
    response.headers.update(NO_STORE)
    return TokensResponse.of(await container.sign_in.refresh(body.refresh_token, client(request)))


@router.post("/api/auth/logout", name="auth_logout", status_code=204)
async def logout(request: Request, caller: AccountCaller, container: ContainerDep) -> None:
    if caller.session_id is None:
        raise Conflict("This token was not issued here: sign out where you signed in.", code="no_session")
    await container.sign_in.logout(caller.user_id, caller.session_id, client(request))


@router.get("/api/auth/me", name="auth_get_me")
async def get_me(caller: AccountCaller, container: ContainerDep) -> UserResponse:
    user = await container.accounts.profile(caller.user_id)
    return UserResponse.of(user, container.accounts.role_of(user))


@router.patch("/api/auth/me", name="auth_update_me")
async def update_me(caller: AccountCaller, body: ProfileChange, container: ContainerDep) -> UserResponse:
    """Change what is given, and only that."""
    if "name" in body.model_fields_set:
        user = await container.accounts.rename(caller.user_id, body.name)
    else:
        user = await container.accounts.profile(caller.user_id)
    return UserResponse.of(user, container.accounts.role_of(user))


keys.add_routes(router)
well_known.add_routes(router)
audit.add_routes(router)
recovery.add_routes(router)
sessions.add_routes(router)
pages.add_routes(router)
mfa.add_routes(router)
admin.add_routes(router)
deletion.add_routes(router)
export.add_routes(router)
