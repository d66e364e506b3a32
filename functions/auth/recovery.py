"""Verified addresses, forgotten passwords and changed ones, over HTTP (SPEC §5)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from functions.dependencies import BaseUrl, ContainerDep, client_address
from shared_code.auth.models import Client
from shared_code.auth.recovery_schemas import (
    AcceptedResponse,
    ChangePasswordRequest,
    ForgotPasswordRequest,
    ResetPasswordRequest,
    VerificationRequest,
    VerifyEmailRequest,
)
from shared_code.auth.schemas import UserResponse
from shared_code.web.callers import AccountCaller, CallerDependency


async def mail_links(base_url: BaseUrl, container: ContainerDep) -> str:
    """Where links in mails lead, without a slash at the end. With PUBLIC_BASE_URL, which production asks for, nothing of the
    request is in it: nobody can have a link sent that leads to a host of his own."""
    return container.settings.mail_links_url or f"{base_url}/auth"


MailLinks = Annotated[str, Depends(mail_links)]


def add_routes(router: APIRouter) -> None:
    router.post("/api/auth/verify-email", name="auth_verify_email")(verify_email)
    router.post(
        "/api/auth/verify-email/request",
        name="auth_request_verification",
        status_code=202,
        openapi_extra={"security": [{"bearer": []}, {}]},  # either will do: a token, or an address
    )(request_verification)
    router.post("/api/auth/forgot-password", name="auth_forgot_password", status_code=202)(forgot_password)
    router.post("/api/auth/reset-password", name="auth_reset_password", status_code=204)(reset_password)
    router.post("/api/auth/change-password", name="auth_change_password", status_code=204)(change_password)


async def verify_email(request: Request, response: Response, body: VerifyEmailRequest, container: ContainerDep) -> UserResponse:
    """The account whose address the link's token proves. A token works once; any other is 400 `invalid_token`."""
    response.headers["Cache-Control"] = "no-store"
    user = await container.recovery.verify(body.token, _client(request))
    return UserResponse.of(user, container.accounts.role_of(user))


async def request_verification(
    request: Request, container: ContainerDep, links: MailLinks, body: VerificationRequest | None = None
) -> AcceptedResponse:
    """Another mail with a link: with an access token to the caller, without one to `email`, for who cannot sign in yet.

    The answer is the same when there is nothing to verify, and when an address has had five mails in an hour.
    """
    email = body.email if body else None
    if email is None or "authorization" in request.headers:
        caller = await CallerDependency(None)(request)
        await container.recovery.request_verification(links, _client(request), user_id=caller.user_id)
    else:
        await container.recovery.request_verification(links, _client(request), email=email)
    return AcceptedResponse()


async def forgot_password(request: Request, body: ForgotPasswordRequest, container: ContainerDep, links: MailLinks) -> AcceptedResponse:
    """A mail with a link that sets a new password, if the address has an account; the answer is the same if not."""
    await container.recovery.request_reset(body.email, links, _client(request))
    return AcceptedResponse()


async def reset_password(request: Request, body: ResetPasswordRequest, container: ContainerDep) -> None:
    """Set the password by a link's token. Every session ends. A token works once; any other is 400 `invalid_token`."""
    await container.recovery.reset(body.token, body.password, _client(request))


async def change_password(request: Request, caller: AccountCaller, body: ChangePasswordRequest, container: ContainerDep) -> None:
    """Set a new password; every session but this one ends. A wrong current password is 403 `wrong_password`."""
    await container.recovery.change(caller.user_id, caller.session_id, body.current_password, body.new_password, _client(request))


def _client(request: Request) -> Client:
    return Client(request.headers.get("user-agent", ""), client_address(request))
