"""Requests and responses of verification, recovery and the list of sessions, as OpenAPI shows them."""

from typing import Literal

from pydantic import BaseModel, Field

from shared_code.clock import rfc3339

from .devices import name_of
from .models import Session


class VerifyEmailRequest(BaseModel):
    token: str = Field(description="`token` of the link in the mail")


class VerificationRequest(BaseModel):
    email: str | None = Field(default=None, description="whose link to send, where there is no access token")


class ForgotPasswordRequest(BaseModel):
    email: str


class ResetPasswordRequest(BaseModel):
    token: str = Field(description="`token` of the link in the mail")
    password: str = Field(description="10 to 128 characters")


class ChangePasswordRequest(BaseModel):
    current_password: str
    new_password: str = Field(description="10 to 128 characters")


class AcceptedResponse(BaseModel):
    status: Literal["accepted"] = "accepted"


class VerificationRequired(BaseModel):
    """The answer to a registration whose account the link in a mail makes."""

    status: Literal["verification_required"] = "verification_required"


class SessionResponse(BaseModel):
    id: str
    user_agent: str
    device: str = Field(description="what the user agent tells of the device, for people")
    address: str
    created_at: str
    last_used_at: str
    current: bool

    @classmethod
    def of(cls, session: Session, current: str | None) -> "SessionResponse":
        return cls(
            id=session.id,
            user_agent=session.user_agent,
            device=name_of(session.user_agent),
            address=session.address,
            created_at=rfc3339(session.created_at),
            last_used_at=rfc3339(session.last_used_at),
            current=session.id == current,
        )


class SessionList(BaseModel):
    items: list[SessionResponse]
    next_cursor: str | None
