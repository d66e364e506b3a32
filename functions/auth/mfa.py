"""The second factor over HTTP (SPEC §5)."""

from fastapi import APIRouter, Request, Response

from functions.dependencies import ContainerDep, client_address
from shared_code.auth.models import Client
from shared_code.auth.schemas import CodeRequest, MfaLoginRequest, RecoveryCodesResponse, TokensResponse, TotpResponse
from shared_code.web.callers import AccountCaller
from shared_code.web.endpoint import idempotent

# What is shown once is kept by nobody on the way (RFC 6749, 5.1).
NO_STORE = {"Cache-Control": "no-store"}


def add_routes(router: APIRouter) -> None:
    router.post("/api/auth/login/mfa", name="auth_login_mfa")(login_mfa)
    router.post("/api/auth/mfa/totp", name="auth_enrol_totp")(enrol_totp)
    router.post("/api/auth/mfa/totp/confirm", name="auth_confirm_totp")(confirm_totp)
    router.delete("/api/auth/mfa/totp", name="auth_delete_totp", status_code=204)(delete_totp)


async def login_mfa(request: Request, response: Response, body: MfaLoginRequest, container: ContainerDep) -> TokensResponse:
    """The second step of a sign-in that was answered `mfa_required`."""
    response.headers.update(NO_STORE)
    return TokensResponse.of(await container.sign_in.login_mfa(body.mfa_token, body.code, _client(request)))


@idempotent
async def enrol_totp(response: Response, caller: AccountCaller, container: ContainerDep) -> TotpResponse:
    """A secret for an authenticator app. Nothing changes at sign-in until a code of it is confirmed."""
    response.headers.update(NO_STORE)
    secret, uri = await container.mfa.enrol(caller.user_id)
    return TotpResponse(secret=secret, otpauth_uri=uri)


@idempotent
async def confirm_totp(
    request: Request, response: Response, body: CodeRequest, caller: AccountCaller, container: ContainerDep
) -> RecoveryCodesResponse:
    """From now on sign-in asks for a code. A mail tells the account's owner."""
    response.headers.update(NO_STORE)
    codes = await container.mfa.confirm(caller.user_id, body.code, _client(request), caller.session_id)
    return RecoveryCodesResponse(recovery_codes=codes)


async def delete_totp(request: Request, caller: AccountCaller, container: ContainerDep) -> None:
    """From now on sign-in asks for no code. A mail tells the account's owner."""
    await container.mfa.disable(caller.user_id, _client(request))


def _client(request: Request) -> Client:
    return Client(request.headers.get("user-agent", ""), client_address(request))
