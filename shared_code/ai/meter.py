"""Budgets, limits and usage of the gateway: what a request may cost is held before it, what it did cost is booked after it."""

import asyncio
import random
from collections.abc import Sequence

import structlog

from shared_code import ids
from shared_code.clock import Clock
from shared_code.errors import Forbidden, InvalidInput

from .key_limits import KeyRates
from .ledger import Ledger
from .models import Hold, Model, Spender, Usage
from .money import cost, worst_cost
from .reckoning import Ask, Settlement
from .spending import Counts, day_of
from .unpriced import OTHER_MODELS

log = structlog.get_logger("lydian.ai")

LIKELY_SHARE = 4
"""Bytes of a token in ordinary text; a worst case has one (``estimate.py``)."""
FIRST_TRY = 5.0
"""Seconds that ``settle`` waits; the booking goes on behind it."""
GIVEN_UP = 900.0
"""Seconds after which a settlement that could not be written is given up: by then its hold has expired everywhere."""
LONGEST_PAUSE = 30.0
MOST_WAITING = 20_000


class BudgetMeter:
    """The gateway's ``Meter``."""

    def __init__(self, ledger: Ledger, rates: KeyRates, clock: Clock, *, pause: float = 0.5) -> None:
        """``pause``: seconds before the first retry of a settlement, doubled each time."""
        self._ledger, self._rates, self._clock, self._pause = ledger, rates, clock, pause
        self._bookings: set[asyncio.Task[None]] = set()

    async def hold(self, spender: Spender, candidates: Sequence[Model], worst: Usage, *, unpriced: str | None = None) -> Hold:
        models = _allowed(spender, candidates, unpriced)
        likely = worst.input_tokens // LIKELY_SHARE
        tokens = await self._rates.take(spender, likely)
        now = self._clock.now()
        identifier = ids.new_id(now)
        key_budget = spender.limits.monthly_micro if spender.limits is not None else None
        costs = [worst_cost(model.price, worst) for model in models if model.price is not None]
        priced = models[0].price is not None
        micro = max(costs) if priced and unpriced is None else None
        try:
            ask = Ask(identifier, micro, spender.key_id if key_budget is not None else None, key_budget)
            limited = await self._ledger.hold(spender.user_id, ask)
        except BaseException as error:
            self._rates.end(spender, tokens, 0)
            if priced and unpriced is not None and isinstance(error, InvalidInput):
                message = f"{unpriced} has a price of its own, so that no budget can be held to it."
                raise InvalidInput(message, loc=("body", unpriced), code="unpriced_parameter") from None
            raise
        if limited:
            models = [model for model in models if model.price is not None]
        return Hold(identifier, spender, micro or 0, models, day_of(now), limited, tokens)

    async def settle(self, hold: Hold, model: Model | None, usage: Usage) -> int:
        """See the port. The booking outlives its caller: it is retried for fifteen minutes while storage is down, and then given up
        with ``ai_usage_lost`` in the log, which names what was not booked."""
        micro = cost(model.price, usage) if model is not None and model.price is not None else 0
        user_id, limits = hold.spender.user_id, hold.spender.limits
        if model is None:
            if self._ledger.release(user_id, hold.id):
                self._end(hold, 0)
            return 0
        key_id = hold.spender.key_id if limits is not None and limits.monthly_micro is not None else None
        settlement = Settlement(hold.id, hold.day, model.name, Counts.of(usage, micro), key_id)
        if not self._ledger.settle(user_id, settlement):
            return micro
        self._end(hold, usage.total_tokens)
        if hold.limited and micro > hold.micro:
            log.warning("ai_cost_above_hold", user_id=user_id, model=model.name, held_micro=hold.micro, cost_micro=micro)
        if len(self._bookings) >= MOST_WAITING:
            self._lost(user_id, settlement)
            return micro
        task = asyncio.ensure_future(self._book(user_id, settlement))
        self._bookings.add(task)
        task.add_done_callback(self._bookings.discard)
        await asyncio.wait({task}, timeout=FIRST_TRY)  # does not cancel it, whoever is cancelled
        return micro

    async def settled(self) -> None:
        """Wait until all that is under way has been booked or given up."""
        while self._bookings:
            await asyncio.wait(set(self._bookings))
        await self._ledger.drained()

    def _end(self, hold: Hold, tokens: int) -> None:
        self._rates.end(hold.spender, hold.tokens, tokens)

    async def _book(self, user_id: str, settlement: Settlement) -> None:
        began, tries = self._clock.now(), 0
        while True:
            try:
                await self._ledger.book(user_id)
            except Exception as error:
                log.warning("ai_usage_not_booked_yet", user_id=user_id, error=type(error).__name__, tries=tries + 1)
            if not self._ledger.is_waiting(user_id, settlement.id):
                return
            if (self._clock.now() - began).total_seconds() >= GIVEN_UP:
                self._lost(user_id, settlement)
                return
            await asyncio.sleep(min(self._pause * 2**tries, LONGEST_PAUSE) * random.uniform(0.5, 1))
            tries += 1

    def _lost(self, user_id: str, settlement: Settlement) -> None:
        self._ledger.give_up(user_id, settlement.id)
        log.error(
            "ai_usage_lost",
            effect="this request is in no total and in no budget",
            user_id=user_id,
            day=settlement.day,
            model=settlement.model,
            cost_micro=settlement.counts.micro,
        )


def _allowed(spender: Spender, candidates: Sequence[Model], unpriced: str | None) -> list[Model]:
    named = spender.limits.models if spender.limits is not None else None
    if named is not None and unpriced in OTHER_MODELS:
        raise Forbidden(f"This API key may use some models only: {unpriced} could name others.", code="model_not_allowed")
    models = [model for model in candidates if named is None or model.name in named]
    if not models or models[0] is not candidates[0]:
        raise Forbidden(f"This API key may not use the model {candidates[0].name}.", code="model_not_allowed")
    return models
