"""The models as they are now: those of the catalogue, what an open server adds, and which of them an administrator has taken out."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from shared_code.clock import Clock
from shared_code.errors import InvalidInput, LydianError, NotFound
from shared_code.lookups import Lookups
from shared_code.storage.notices import Notices
from shared_code.storage.ports import Tables, Upsert, Value

from .attempts import to_domain
from .catalogue import OPENAI, Catalogue, discovered
from .models import Kind, Model
from .ports import NoAnswer, Refusal, Upstream

log = structlog.get_logger("lydian.ai")

TABLE, PARTITION = "aimodels", "models"
SWITCHES = "ai-models"
"""Of what a switch gives notice."""
KNOWN_FOR = timedelta(seconds=5)
"""A switch works everywhere within so long (SPEC §6 allows ten seconds)."""
LISTED_FOR, LISTED_AGAIN = timedelta(seconds=60), timedelta(seconds=5)
"""How long an open server's list counts, and how soon it is asked again for a name that is not on it."""
LISTED_WITHIN = 5.0
"""Seconds that its list may take."""
MOST_LISTED = 1_000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
# What else OpenAI itself lists: sound, pictures, and models for endpoints that are not ours.
_OTHER = ("audio", "realtime", "image", "transcribe", "tts", "whisper", "dall-e", "moderation", "instruct", "sora", "davinci", "babbage")


@dataclass(frozen=True, slots=True)
class Listed:
    model: Model
    enabled: bool


class Directory:
    def __init__(self, catalogue: Catalogue, tables: Tables, clock: Clock, notices: Notices, upstream: Upstream) -> None:
        self._catalogue, self._tables, self._clock, self._notices, self._upstream = catalogue, tables, clock, notices, upstream
        self._switches: Lookups[frozenset[str]] = Lookups(clock, kept=KNOWN_FOR, size=1, notices=notices)
        self._off: frozenset[str] = frozenset()
        self._found: Mapping[str, Model] = {}
        self._listed_at = self._asked_at = _LONG_AGO
        self._listing = asyncio.Lock()

    async def find(self, name: str | None, kind: Kind = "chat", *, among: Collection[str] | None = None) -> Model:
        """The model of that name, or the default of its kind: the first (of those whose names are ``among``, where an API key is limited to
        some). Raises NotFound ``model_not_found``, for one that is out of service too, as OpenAI does for a model that the caller may
        not use. No storage call unless there was notice of a switch."""
        await self._fresh()
        if name is None:
            for model in await self._models():
                if model.kind == kind and model.name not in self._off and (among is None or model.name in among):
                    return model
            raise not_found(f"There is no {kind} model here.")
        found = await self._named(name)
        if found is None or found.name in self._off:
            raise not_found(f"The model `{name}` does not exist or you do not have access to it.")
        if found.kind != kind:
            raise not_found(f"The model `{name}` is no {kind} model.")
        return found

    def candidates(self, model: Model, *, sees: bool) -> list[Model]:
        """The model and its fallbacks that are in service; where there are images (``sees``), only fallbacks that see."""
        by_name = {each.name: each for each in self._catalogue.models}
        others = (by_name[name] for name in model.fallbacks)
        return [model, *(each for each in others if each.name not in self._off and (each.vision or not sees))]

    async def all(self) -> Sequence[Listed]:
        """In the order of the configuration, the default first: those out of service are among them."""
        await self._fresh()
        return [Listed(model, model.name not in self._off) for model in await self._models()]

    async def get(self, name: str) -> Listed:
        """Raises NotFound ``model_not_found``."""
        await self._fresh()
        found = await self._named(name)
        if found is None:
            raise not_found(f"The model `{name}` does not exist or you do not have access to it.")
        return Listed(found, found.name not in self._off)

    async def switch(self, name: str, *, enabled: bool) -> Listed:
        """Take a model out of service, or back into it: here at once, everywhere within ten seconds. Raises NotFound, and InvalidInput for
        one that is only on an open server's list."""
        listed = await self.get(name)
        if listed.model not in self._catalogue.models:
            raise InvalidInput("Only models that AI_MODELS or AZURE_OPENAI_DEPLOYMENT names can be switched.", code="model_not_configured")
        values: dict[str, Value] = {"v": 1, "enabled": enabled, "changed_at": self._clock.now()}
        async with self._notices.changing(SWITCHES):
            await self._tables.apply(TABLE, PARTITION, Upsert(name, values))
        self._off = self._off - {name} if enabled else self._off | {name}
        # Read again at the next use: another may have switched another model meanwhile.
        self._switches.forget_all(SWITCHES)
        return Listed(listed.model, enabled)

    # --- the switches -----------------------------------------------------------------------------------------------------

    async def _fresh(self) -> None:
        self._off = await self._switches.get(SWITCHES, self._read) or frozenset()

    async def _read(self) -> frozenset[str]:
        rows = await self._tables.query(TABLE, PARTITION, limit=MOST_LISTED)
        return frozenset(row.key for row in rows if row.values.get("enabled") is False)

    # --- an open server's list --------------------------------------------------------------------------------------------

    async def _models(self) -> Sequence[Model]:
        if self._catalogue.open_at is None:
            return self._catalogue.models
        await self._listed(LISTED_FOR)
        return list(self._found.values())

    async def _named(self, name: str) -> Model | None:
        if self._catalogue.open_at is None:
            return next((model for model in self._catalogue.models if model.name == name), None)
        await self._listed(LISTED_FOR if name in self._found else LISTED_AGAIN)
        return self._found.get(name)

    async def _listed(self, age: timedelta) -> None:
        """See that the list is no older than ``age``, with one question at a time; without an answer the last list goes on counting."""
        async with self._listing:
            now = self._clock.now()
            if now - self._listed_at < age or (self._found and now - self._asked_at < LISTED_AGAIN):
                return
            self._asked_at = now
            url = self._catalogue.open_at
            assert url is not None
            try:
                async with asyncio.timeout(LISTED_WITHIN):
                    names = await self._upstream.names(url)
            except (TimeoutError, Refusal, NoAnswer, LydianError) as error:
                if not self._found:
                    raise to_domain(NoAnswer("no answer", timed_out=True) if isinstance(error, TimeoutError) else error) from None
                log.warning("ai_models_not_listed", reason=str(error))
                return
            if url == OPENAI:
                names = [name for name in names if not any(part in name for part in _OTHER)]
            # A name is also a header's value.
            names = [name for name in names if name.isascii() and name.isprintable()]
            self._found = {name: discovered(name, url) for name in names[:MOST_LISTED]}
            self._listed_at = now


def not_found(message: str) -> NotFound:
    return NotFound(message, code="model_not_found", extra={"param": "model"})
