"""What the gateway needs of its own parts and of others."""

from collections.abc import Sequence
from typing import Protocol

from .models import Hold, Model, Spender, Usage


class Meter(Protocol):
    """Budgets and usage. Spent plus held never exceeds a budget."""

    async def hold(self, spender: Spender, candidates: Sequence[Model], worst: Usage) -> Hold:
        """Reserve what the dearest of ``candidates`` (the model asked for, then its fallbacks) costs at worst. One storage call
        at most, none from a warm slice. Raises BudgetExceeded (429 ``insufficient_quota``), InvalidInput for a model without
        prices where there is a budget, Forbidden for a model that the key may not use, RateLimited by the key's own limits."""

    async def settle(self, hold: Hold, model: Model | None, usage: Usage) -> int:
        """The request is over: what it cost in micro-dollars, recorded for its day, user and model; the rest of the hold is free
        again. ``model`` is the one that answered; None: none did, and nothing is recorded. Settling again changes nothing."""
