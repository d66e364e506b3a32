"""What the gateway's own routes answer. Requests and answers of OpenAI's routes are OpenAI's."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from shared_code.dollars import Usd, usd

from .directory import Listed
from .models import Model


class Pricing(BaseModel):
    """US dollars for a million tokens, exactly."""

    input: Usd
    cached_input: Usd
    output: Usd


class ModelResponse(BaseModel):
    """OpenAI's model object, and what this gateway knows beyond it."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(default=0, description="0: providers do not say")
    owned_by: str
    provider: Literal["azure", "openai"]
    kind: Literal["chat", "embedding"]
    context_window: int = Field(description="tokens of a request and its answer together")
    max_output_tokens: int
    vision: bool
    pricing: Pricing | None
    status: Literal["available", "disabled"]

    @classmethod
    def of(cls, listed: Listed) -> "ModelResponse":
        model = listed.model
        return cls(
            id=model.name,
            owned_by=model.provider,
            provider=model.provider,
            kind=model.kind,
            context_window=model.context_window,
            max_output_tokens=model.max_output_tokens,
            vision=model.vision,
            pricing=_pricing(model),
            status="available" if listed.enabled else "disabled",
        )


class ModelListResponse(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelResponse]

    @classmethod
    def of(cls, listed: Sequence[Listed]) -> "ModelListResponse":
        return cls(data=[ModelResponse.of(each) for each in listed])


class ModelSwitch(BaseModel):
    enabled: bool = Field(description="false takes the model out of service, everywhere within ten seconds")


def _pricing(model: Model) -> Pricing | None:
    price = model.price
    return None if price is None else Pricing(input=usd(price.input), cached_input=usd(price.cached_input), output=usd(price.output))
