"""Which models there are: AI_MODELS, or what the other settings imply. Format: docs/guides/ai.md.

Raises ValueError with a message that names the entry, so that a mistake is found when the app starts and not by a user.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .models import MILLION, Kind, Model, Price

OPENAI = "https://api.openai.com/v1"
API_VERSION = "2024-10-21"
"""Azure's newest general release of its data plane by dates; what came later has its ``/openai/v1`` paths, without a version
(https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle)."""
MOST_MODELS = 200
# No slash: a route has the name in one segment. What the provider calls it is ``deployment``, which takes any text.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}", re.ASCII)
_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
_FIELDS = {
    "name", "provider", "deployment", "endpoint", "base_url", "prices", "context_window", "max_output_tokens", "vision", "kind",
    "fallbacks", "key", "api_version",
}  # fmt: skip
_PRICES = ("input", "cached_input", "output")
_MOST_TOKENS = 100_000_000


@dataclass(frozen=True, slots=True)
class Providers:
    """What the settings say of the two providers. An OpenAI without key whose address is its own counts as not configured."""

    azure_endpoint: str = ""
    azure_deployment: str = ""
    openai_base_url: str = OPENAI
    openai_key: bool = False
    keys: frozenset[str] = frozenset()
    """Names of AI_API_KEYS."""

    @property
    def openai(self) -> bool:
        return self.openai_key or self.openai_base_url != OPENAI


@dataclass(frozen=True, slots=True)
class Catalogue:
    """``models`` in the order of the configuration. ``open_at``: an OpenAI-compatible server whose own list is the rest of the
    catalogue (OPENAI_BASE_URL or OPENAI_API_KEY, and no AI_MODELS)."""

    models: Sequence[Model] = ()
    open_at: str | None = None

    def __bool__(self) -> bool:
        return bool(self.models or self.open_at)


def read(text: str, providers: Providers) -> Catalogue:
    """``text``: the JSON of AI_MODELS, or nothing. Raises ValueError."""
    if text.strip():
        return Catalogue(_models(text, providers))
    if providers.azure_endpoint and providers.azure_deployment:
        name = providers.azure_deployment
        if not _NAME.fullmatch(name):
            raise ValueError(f"the deployment {name!r} is no name for a model: list it in AI_MODELS under another name")
        return Catalogue([discovered(name, providers.azure_endpoint, "azure")])
    return Catalogue(open_at=providers.openai_base_url if providers.openai else None)


def discovered(name: str, base_url: str, provider: Any = "openai") -> Model:
    """A model of which no more is known than its name: without prices, with limits that refuse nothing, and taken to
    see: the provider knows better."""
    kind: Kind = "embedding" if "embed" in name.lower() else "chat"
    version = API_VERSION if provider == "azure" else ""
    return Model(name, provider, name, base_url, kind, max_output_tokens=128_000, vision=kind == "chat", api_version=version)


def _models(text: str, providers: Providers) -> list[Model]:
    try:
        entries = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_MODELS:
        raise ValueError(f"must be a list of 1 to {MOST_MODELS} models")
    models: list[Model] = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        where = f"entry {number}" + (f" ({name})" if isinstance(name, str) else "")
        try:
            model = _model(entry, providers)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if any(other.name == model.name for other in models):
            raise ValueError(f"{where}: that name is taken")
        models.append(model)
    by_name = {model.name: model for model in models}
    for model in models:
        for fallback in model.fallbacks:
            if fallback == model.name or fallback not in by_name or by_name[fallback].kind != model.kind:
                raise ValueError(
                    f"entry {models.index(model) + 1} ({model.name}): the fallback {fallback!r} is no other {model.kind} model"
                )
    return models


def _model(entry: Any, providers: Providers) -> Model:
    if not isinstance(entry, dict):
        raise ValueError("must be an object")
    if unknown := sorted(entry.keys() - _FIELDS):
        raise ValueError(f"knows no {', '.join(unknown)}")
    name = _text(entry, "name")
    if not _NAME.fullmatch(name):
        raise ValueError("name must be letters, digits and . _ : @ - (put the provider's own name into deployment)")
    provider = _text(entry, "provider")
    if provider not in ("azure", "openai"):
        raise ValueError("provider must be azure or openai")
    kind = _text(entry, "kind", "chat")
    if kind not in ("chat", "embedding"):
        raise ValueError("kind must be chat or embedding")
    key = _text(entry, "key", "")
    if key and key not in providers.keys:
        raise ValueError(f"AI_API_KEYS has no {key}")
    fallbacks = entry.get("fallbacks", [])
    if not isinstance(fallbacks, list) or not all(isinstance(each, str) for each in fallbacks) or len(set(fallbacks)) != len(fallbacks):
        raise ValueError("fallbacks must be a list of different names")
    vision = entry.get("vision", False)
    if not isinstance(vision, bool):
        raise ValueError("vision must be true or false")
    version = _text(entry, "api_version", API_VERSION if provider == "azure" else "")
    return Model(
        name,
        provider,  # type: ignore[arg-type]  # as it was just checked
        _text(entry, "deployment", name),
        _base_url(entry, provider, providers),
        kind,  # type: ignore[arg-type]  # likewise
        _price(entry.get("prices"), kind),
        _tokens(entry, "context_window", 128_000),
        _tokens(entry, "max_output_tokens", 16_384),
        vision,
        tuple(fallbacks),
        key,
        version,
    )


def _base_url(entry: Mapping[str, Any], provider: str, providers: Providers) -> str:
    given = _text(entry, "endpoint", "") or _text(entry, "base_url", "")
    found = given or (providers.azure_endpoint if provider == "azure" else providers.openai_base_url)
    if not found:
        raise ValueError("has no endpoint, and AZURE_OPENAI_ENDPOINT is not set")
    if not _URL.fullmatch(found):
        raise ValueError("endpoint must be an http(s) URL without query")
    return found.rstrip("/")


def _price(prices: Any, kind: str) -> Price | None:
    """Micro-dollars a million tokens, exactly; ``cached_input`` is by default what ``input`` is."""
    if prices is None:
        return None
    if not isinstance(prices, dict) or prices.keys() - set(_PRICES) or "input" not in prices:
        raise ValueError("prices must have input, output and perhaps cached_input: US dollars per million tokens")
    amounts = {"output": 0, **prices} if kind == "embedding" else dict(prices)
    if "output" not in amounts:
        raise ValueError("prices have no output")
    amounts.setdefault("cached_input", amounts["input"])
    return Price(*(_micro(amounts[field], field) for field in _PRICES))


def _micro(amount: Any, field: str) -> int:
    text = str(amount) if isinstance(amount, str | int | Decimal) and not isinstance(amount, bool) else ""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text, re.ASCII):
        raise ValueError(f"prices: {field} must be US dollars per million tokens with at most six decimals, such as 2.50")
    return int(Decimal(text) * MILLION)


def _text(entry: Mapping[str, Any], field: str, default: str | None = None) -> str:
    value = entry.get(field, default)
    if not isinstance(value, str) or (default is None and not value):
        raise ValueError(f"{field} must be a text" if field in entry else f"{field} is missing")
    return value


def _tokens(entry: Mapping[str, Any], field: str, default: int) -> int:
    value = entry.get(field, default)
    if type(value) is not int or not 0 < value <= _MOST_TOKENS:
        raise ValueError(f"{field} must be a number of tokens")
    return value
