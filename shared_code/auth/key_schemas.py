"""API keys' requests and responses, as OpenAPI shows them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared_code.clock import rfc3339
from shared_code.dollars import MicroDollars, Usd, usd

from .api_keys import AiLimits, ApiKey

Scope = Literal["ai", "chat", "files", "payments", "monitoring"]


ModelName = Annotated[str, Field(min_length=1, max_length=128)]


class AiLimitsRequest(BaseModel):
    """What the AI gateway limits the key to, besides what limits its user. What is left out is not limited."""

    model_config = ConfigDict(extra="forbid")

    monthly_usd: MicroDollars | None = Field(None, description="US dollars in a calendar month (UTC)")
    models: list[ModelName] | None = Field(None, min_length=1, max_length=100, description="the only models it may use")
    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    tokens_per_minute: int | None = Field(None, ge=1, le=1_000_000_000)

    def stored(self) -> dict[str, int | list[str] | None]:
        values = {"monthly_micro": self.monthly_usd, **self.model_dump(exclude={"monthly_usd"})}
        return {name: value for name, value in values.items() if value is not None}


class AiLimitsResponse(BaseModel):
    monthly_usd: Usd | None = None
    models: list[str] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class ApiKeyRequest(BaseModel):
    name: str = Field(description="1 to 100 characters")
    scopes: list[Scope] = Field(description="what the key may be used for; each once, at least one")
    expires_at: str | None = Field(None, description="RFC 3339, in the future; null: never")
    ai: AiLimitsRequest | None = Field(None, description="a budget and limits of the key's own for the AI gateway")


class ApiKeyResponse(BaseModel):
    id: str
    name: str
    scopes: list[Scope]
    hint: str = Field(description="the key's last four characters, to tell it from others")
    created_at: str
    expires_at: str | None
    last_used_at: str | None = Field(description="to within about a minute")
    ai: AiLimitsResponse | None = None

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
        "ai": _ai_fields(key.ai) if key.ai else None,
    }


def _ai_fields(stored: AiLimits) -> dict[str, object]:
    micro = stored.get("monthly_micro")
    return {**AiLimitsResponse().model_dump(), **stored, "monthly_usd": usd(micro) if isinstance(micro, int) else None}
