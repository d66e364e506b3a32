"""What chat needs of others: models that answer, files that are attached, and who is told what."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .models import Role, Usage


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose budget an answer is charged to, by which of their API keys it was asked for, and what that one is limited to."""

    user_id: str
    key_id: str | None = None
    key_limits: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Limits are in tokens. ``vision``: it takes images."""

    name: str
    context_window: int
    max_output_tokens: int
    vision: bool


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Turn:
    """One message as the model gets it."""

    role: Role
    parts: tuple[Text | Image, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked. ``max_output_tokens`` is a wish: None leaves it to the model's own limit."""

    payer: Payer
    model: str
    system: str | None
    turns: Sequence[Turn]
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How an answer ended. ``model`` is the one that answered, which may be a fallback."""

    finish_reason: str | None
    model: str | None
    usage: Usage | None


class Answer(Protocol):
    """An answer under way."""

    def texts(self) -> AsyncIterator[str]:
        """Its text, in pieces, until its end. Raises the domain error of whatever cut it off."""

    async def close(self) -> End:
        """End it, also before its end, and say what it used; what was used is paid for. Safe to call twice."""


class Answers(Protocol):
    """The models."""

    async def model(self, name: str | None, payer: Payer | None = None) -> ModelFacts:
        """A model's facts; None: the default one's, among those that the payer's API key may use. NotFound for one that is not there,
        not for chat, or out of service; Forbidden for one that the key may not use; NotConfigured where there is none at all."""

    async def ask(self, prompt: Prompt) -> Answer:
        """Have it answered. Returns when the answer has begun, or raises: RateLimited ``insufficient_quota`` over budget, and
        whatever the model's server has to say after retries and fallbacks."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file that its owner attaches. ``size`` is in bytes, of the original."""

    id: str
    filename: str
    content_type: str
    size: int


class Files(Protocol):
    """The owner's files."""

    async def look(self, owner_id: str, file_id: str) -> FileFacts:
        """NotFound for a missing one, a deleted one, and another owner's."""

    async def read(self, owner_id: str, file_id: str, *, limit: int) -> tuple[str, bytes]:
        """Content type and bytes: an image's optimized variant when there is one. NotFound as above; TooLarge above ``limit`` bytes."""
