"""Requests and responses of what administrators do with accounts, and of leaving, as OpenAPI shows them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared_code.clock import rfc3339

from .models import Role, User
from .schemas import UserResponse


class UserDetails(UserResponse):
    disabled: bool
    last_sign_in_at: str | None
    provider: str | None = Field(description="null: signs in here, with a password; else who vouches for them, e.g. `supabase`")

    @classmethod
    def of(cls, user: User, role: Role) -> "UserDetails":
        return cls(
            **UserResponse.of(user, role).model_dump(),
            disabled=user.disabled,
            last_sign_in_at=rfc3339(user.last_sign_in_at) if user.last_sign_in_at else None,
            provider=user.provider or None,
        )


class UserList(BaseModel):
    items: list[UserDetails]
    next_cursor: str | None = Field(description="a page may be short before the end: only null is the end")


class UserChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    disabled: bool | None = Field(None, strict=True)
    mfa_enabled: Literal[False] | None = Field(None, description="`false` removes a second factor that its owner has lost")


class DeletionRequest(BaseModel):
    password: str | None = Field(None, description="asked for where the account has one")
