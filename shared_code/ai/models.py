"""What the gateway talks about: models and their prices, who spends, what was used. Money is in micro-dollars, as integers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

MILLION = 1_000_000

Kind = Literal["chat", "embedding"]
Operation = Literal["chat", "responses", "embeddings"]


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars for a million tokens: 2.50 US dollars are 2,500,000."""

    input: int
    cached_input: int
    output: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. ``input_tokens`` includes ``cached_tokens``. ``estimated``: the upstream did not say."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the catalogue. ``fallbacks`` are names, in order."""

    name: str
    provider: Literal["azure", "openai"]
    deployment: str
    """The deployment (Azure), or the model's name at the provider."""
    base_url: str
    kind: Kind = "chat"
    price: Price | None = None
    context_window: int = 128_000
    max_output_tokens: int = 16_384
    vision: bool = False
    fallbacks: tuple[str, ...] = ()
    key: str = ""
    """Which key is sent: a name of AI_API_KEYS; empty: the provider's own, to the provider's own address only."""
    api_version: str = ""
    """Azure only."""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What an API key may be limited to; None is no limit of its own."""

    monthly_micro: int | None = None
    models: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "KeyLimits":
        """From what an API key's row says (``auth/api_keys.py``)."""
        models = stored.get("models")
        return cls(
            stored.get("monthly_micro"),
            None if models is None else tuple(models),
            stored.get("requests_per_minute"),
            stored.get("tokens_per_minute"),
        )


@dataclass(frozen=True, slots=True)
class Spender:
    """Who pays for a request: a user, perhaps by one of their API keys."""

    user_id: str
    key_id: str | None = None
    limits: KeyLimits | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """What was reserved for one request, until it is settled. Opaque to all but the meter, except for ``candidates``: the models
    that may answer, which are those that were asked for, less the fallbacks that the budget or the key excludes."""

    id: str
    spender: Spender
    micro: int
    candidates: Sequence[Model] = ()
    day: str = ""
    """The day (UTC) that the request belongs to, whenever it ends: its month's budget pays."""
    limited: bool = False
    """Whether a budget stands behind it."""
    tokens: int = 0
    """What it counts for against the key's tokens per minute while it runs."""
