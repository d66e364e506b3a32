"""Auth's requests and responses, as OpenAPI shows them."""

from typing import Literal

from pydantic import BaseModel, Field

from shared_code.clock import rfc3339

from .models import Role, Tokens, User


class RegisterRequest(BaseModel):
    email: str = Field(max_length=320)
    password: str = Field(description="10 to 128 characters")
    name: str | None = None


class LoginRequest(BaseModel):
    email: str
    password: str


class RefreshRequest(BaseModel):
    refresh_token: str


class ProfileChange(BaseModel):
    name: str | None = None


class UserResponse(BaseModel):
    id: str
    email: str
    name: str | None
    role: Role
    email_verified: bool
    mfa_enabled: bool
    created_at: str

    @classmethod
    def of(cls, user: User, role: Role) -> "UserResponse":
        return cls(
            id=user.id,
            email=user.email,
            name=user.name,
            role=role,
            email_verified=user.email_verified,
            mfa_enabled=user.mfa_enabled,
            created_at=rfc3339(user.created_at),
        )


class TokensResponse(BaseModel):
    user: UserResponse
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # the scheme's name, not a secret
    expires_in: int = Field(description="seconds until the access token expires")

    @classmethod
    def of(cls, tokens: Tokens) -> "TokensResponse":
        return cls(
            user=UserResponse.of(tokens.user, tokens.role),
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_in=tokens.expires_in,
        )


class TotpResponse(BaseModel):
    secret: str = Field(description="base32, for typing it in")
    otpauth_uri: str = Field(description="for a QR code")


class CodeRequest(BaseModel):
    code: str = Field(max_length=100)


class RecoveryCodesResponse(BaseModel):
    recovery_codes: list[str] = Field(description="each works once, in place of a code; shown here only")


class MfaLoginRequest(BaseModel):
    mfa_token: str = Field(max_length=200)
    code: str = Field(max_length=100, description="the app's code, or a recovery code")
