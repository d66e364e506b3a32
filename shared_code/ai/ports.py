"""What the gateway needs of its own parts and of others."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from .models import Hold, Model, Spender, Usage


class Meter(Protocol):
    """Budgets and usage. Spent plus held never exceeds a budget."""

    async def hold(self, spender: Spender, candidates: Sequence[Model], worst: Usage) -> Hold:
        """Reserve what the dearest of ``candidates`` (the model asked for, then its fallbacks) costs at worst. No storage call from
        a warm slice or a warm account without a budget; one where the slice has run out; two (a read before the write) where this
        instance meets an account with a budget for the first time.

        The answer's ``candidates`` are those that may be asked: fallbacks that the key may not use, or that have no price where
        there is a budget, are left out. Raises BudgetExceeded (429 ``insufficient_quota``), InvalidInput ``model_without_price``
        where there is a budget, Forbidden ``model_not_allowed`` for a model that the key may not use, RateLimited by the key's
        own limits, Busy and StorageUnavailable."""

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
