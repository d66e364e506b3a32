"""What the gateway needs of its own parts and of others."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from .models import Hold, Model, Operation, Spender, Usage
from .redaction import redacted


class Meter(Protocol):
    """Budgets and usage. Spent plus held never exceeds a budget."""

    async def hold(self, spender: Spender, candidates: Sequence[Model], worst: Usage, *, unpriced: str | None = None) -> Hold:
        """Reserve what the dearest of ``candidates`` (the model asked for, then its fallbacks) costs at worst. No storage call from
        a warm slice or a warm account without a budget; one where the slice has run out; two (a read before the write) where this
        instance meets an account with a budget for the first time.

        The answer's ``candidates`` are those that may be asked: fallbacks that the key may not use, or that have no price where
        there is a budget, are left out. Raises BudgetExceeded (429 ``insufficient_quota``), InvalidInput ``model_without_price``
        and ``unpriced_parameter`` (for ``unpriced``, a member of the body that prices do not cover) where there is a budget,
        Forbidden ``model_not_allowed`` for a model that the key may not use, RateLimited by the key's own limits, Busy and
        StorageUnavailable."""

    async def settle(self, hold: Hold, model: Model | None, usage: Usage) -> int:
        """The request is over: what it cost in micro-dollars, recorded for its day, user and model; the rest of the hold is free
        again. ``model`` is the one that answered; None: none did, and nothing is recorded. Settling again changes nothing."""


class PlanBudgets(Protocol):
    """What plans give."""

    async def budget_of(self, user_id: str) -> int | None:
        """Micro-dollars a month by the user's plan; None: it says nothing. May cost storage calls; remembered for a minute."""


class Users(Protocol):
    async def exists(self, user_id: str) -> bool: ...


class UsageNotes(Protocol):
    """Who adds everybody's usage up."""

    def note(self, user_id: str, months: Iterable[str]) -> None:
        """The user's usage of these months has changed, or may have. After the write; costs no storage call here."""


class Refusal(Exception):
    """The provider answered with an error. ``error``: its own, in OpenAI's form where it is one; ``retry_after`` in seconds;
    ``names_usage``: it speaks of the option that asks for a stream's usage."""

    def __init__(self, status: int, error: Mapping[str, Any], retry_after: float | None = None, *, names_usage: bool = False) -> None:
        super().__init__(f"status {status}")
        self.status, self.error, self.retry_after, self.names_usage = status, redacted(error), retry_after, names_usage

    @property
    def code(self) -> str:
        return str(self.error.get("code") or "")


class NoAnswer(Exception):
    """No answer, or one that broke off. ``timed_out``: the provider may have worked for it all the same."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


class Answer(Protocol):
    """A provider's successful answer, of which nothing but the head has been read."""

    @property
    def content_type(self) -> str: ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, and no faster than it is taken. Raises NoAnswer when it breaks off, or is silent for too long."""

    async def read(self, limit: int, growing: Callable[[int], None] | None = None) -> bytes:
        """All of the body. ``growing`` is told its size so far, with each piece before it is kept, and may refuse by raising. Raises
        NoAnswer, also for one of more than ``limit`` bytes."""

    async def aclose(self) -> None:
        """Also cancels what has not been read. May be called twice."""


class Upstream(Protocol):
    """The providers of models."""

    async def send(self, model: Model, operation: Operation, body: bytes, *, within: float) -> Answer:
        """One attempt. ``within``: seconds until its head must be there. Raises Refusal and NoAnswer."""

    async def names(self, base_url: str) -> Sequence[str]:
        """What an OpenAI-compatible server says it has. Raises Refusal and NoAnswer."""

    async def check(self, model: Model) -> None:
        """Whether the model's endpoint answers. Raises UpstreamFailed."""
