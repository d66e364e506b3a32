"""Accounts and sign-in over HTTP (SPEC §5)."""

from typing import Any

from fastapi import APIRouter, Request, Response

from functions.dependencies import BaseUrl, ContainerDep, client_address
from shared_code.auth.models import Client
from shared_code.auth.schemas import LoginRequest, ProfileChange, RefreshRequest, RegisterRequest, TokensResponse, UserResponse
from shared_code.web.callers import AccountCaller
from shared_code.web.endpoint import Endpoint, idempotent

from . import audit, keys

router = APIRouter(tags=["auth"], route_class=Endpoint)

# What a stored answer must never be: tokens in a proxy's cache (RFC 6749, 5.1).
NO_STORE = {"Cache-Control": "no-store"}


def client(request: Request) -> Client:
    return Client(request.headers.get("user-agent", ""), client_address(request))


@router.post("/api/auth/register", name="auth_register", status_code=201)
@idempotent
async def register(request: Request, response: Response, body: RegisterRequest, container: ContainerDep) -> TokensResponse:
    response.headers.update(NO_STORE)
    return TokensResponse.of(await container.registration.register(body.email, body.password, body.name, client(request)))


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
async def logout(caller: AccountCaller, container: ContainerDep) -> None:
    assert caller.session_id is not None  # an API key has no session, and AccountCaller refuses it
    await container.sign_in.logout(caller.user_id, caller.session_id)


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


@router.get("/.well-known/jwks.json", name="auth_jwks")
async def jwks(response: Response, container: ContainerDep) -> dict[str, Any]:
    """The public keys (RFC 7517); one that is being rotated in or out is listed too."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return await container.key_store.jwks()


@router.get("/.well-known/openid-configuration", name="auth_discovery")
async def discovery(response: Response, base_url: BaseUrl, container: ContainerDep) -> dict[str, Any]:
    """Enough of OpenID Connect Discovery 1.0 for a gateway to verify our access tokens."""
    response.headers["Cache-Control"] = "public, max-age=300"
    signing = await container.key_store.signing()
    return {
        "issuer": container.settings.issuer,
        "jwks_uri": f"{base_url}/.well-known/jwks.json",
        "token_endpoint": f"{base_url}/api/auth/login",
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.algorithm for key in signing}),
        "claims_supported": ["iss", "aud", "sub", "sid", "role", "iat", "exp", "jti"],
    }


keys.add_routes(router)
audit.add_routes(router)
