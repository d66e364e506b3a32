"""API keys' requests and responses, as OpenAPI shows them."""

from typing import Literal

from pydantic import BaseModel, Field

from shared_code.clock import rfc3339

from .api_keys import ApiKey

Scope = Literal["ai", "chat", "files", "payments", "monitoring"]


class ApiKeyRequest(BaseModel):
    name: str = Field(description="1 to 100 characters")
    scopes: list[Scope] = Field(description="what the key may be used for; each once, at least one")
    expires_at: str | None = Field(None, description="RFC 3339, in the future; null: never")


class ApiKeyResponse(BaseModel):
    id: str
    name: str
    scopes: list[Scope]
    hint: str = Field(description="the key's last four characters, to tell it from others")
    created_at: str
    expires_at: str | None
    last_used_at: str | None = Field(description="to within about a minute")

    @classmethod
    def of(cls, key: ApiKey) -> "ApiKeyResponse":
        return cls.model_validate(key_fields(key))


class NewApiKeyResponse(ApiKeyResponse):
    key: str = Field(description="the key itself, shown here only")


class ApiKeyList(BaseModel):
    items: list[ApiKeyResponse]
    next_cursor: str | None


def key_fields(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "hint": key.hint,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at) if key.expires_at else None,
        "last_used_at": rfc3339(key.last_used_at) if key.last_used_at else None,
    }
