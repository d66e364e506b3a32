"""What was used and what it cost, by day and model; the budgets that administrators set."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.errors import InvalidInput, NotFound
from shared_code.storage.ports import Tables

from .ledger import Ledger
from .models import Spender
from .ports import Users
from .spending import DAY_PREFIX, TABLE, USER, Account, ByModel, milliseconds, month_of, next_month, to_day
from .stats import AiStatistics

LONGEST = timedelta(days=400)
"""The longest period that can be asked for; rows are kept for thirteen months (``purge.py``)."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Budget:
    """``micro``: the month's budget in micro-dollars, None without one. ``held``: what is leased for requests under way or to come."""

    micro: int | None
    spent: int
    held: int
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class Usage:
    """``budget`` is None for everybody's; ``key_budget``: that of the API key which asks, if it has one."""

    first: str
    last: str
    days: Mapping[str, ByModel]
    budget: Budget | None = None
    key_budget: Budget | None = None
    as_of: datetime | None = None


class UsageReports:
    def __init__(self, *, tables: Tables, clock: Clock, ledger: Ledger, statistics: AiStatistics, users: Users, audit: Audit) -> None:
        self._tables, self._clock, self._ledger, self._statistics = tables, clock, ledger, statistics
        self._users, self._audit = users, audit

    async def of(self, user_id: str, first: str | None, last: str | None, *, key: Spender | None = None) -> Usage:
        """One user's, exact as of now. Days as ``2026-11-24``, both included; this month when left out. Raises InvalidInput. Two storage
        calls, and what the plan's lookup takes."""
        first, last = self._period(first, last)
        account = await self._ledger.read(user_id)
        days = {day: models for day, models in account.days.items() if first <= day <= last}
        # At most one row a day, and no more days than a period may have.
        before = DAY_PREFIX + _day_before(first)
        for row in await self._tables.query(TABLE, user_id, prefix=DAY_PREFIX, after=before, before=DAY_PREFIX + last + "~", limit=500):
            days.setdefault(row.key.removeprefix(DAY_PREFIX), to_day(row))
        limits = key.limits if key is not None else None
        key_budget = None
        if key is not None and key.key_id is not None and limits is not None and limits.monthly_micro is not None:
            key_budget = self._budget(account, key.key_id, limits.monthly_micro)
        return Usage(first, last, days, self._budget(account, USER, await self._ledger.budget_of(user_id, account)), key_budget)

    async def of_another(self, user_id: str, first: str | None, last: str | None) -> Usage:
        """The same of another user, for administrators. Raises NotFound too: whose id is mistyped has not used nothing."""
        await self._check(user_id)
        return await self.of(user_id, first, last)

    async def of_everybody(self, first: str | None, last: str | None) -> Usage:
        """All users', deleted ones included, as of the last roll-up. A storage call for each month."""
        first, last = self._period(first, last)
        summed = await self._statistics.totals()
        return Usage(first, last, await self._statistics.days(first, last), as_of=summed.as_of if summed else None)

    async def set_budget(self, user_id: str, micro: int | None, *, by: str) -> Budget:
        """What the user may spend in a month from now on; None: what their plan or the settings say. Raises NotFound and Busy."""
        await self._check(user_id)
        await self._ledger.set_budget(user_id, micro)
        await self._audit.record("ai_budget_set", user_id=user_id, by=by, monthly_micro=micro)
        account = await self._ledger.read(user_id)
        return self._budget(account, USER, await self._ledger.budget_of(user_id, account))

    async def _check(self, user_id: str) -> None:
        if not await self._users.exists(user_id):
            raise NotFound("There is no such user.", code="user_not_found")

    def _budget(self, account: Account, purse: str, micro: int | None) -> Budget:
        now = self._clock.now()
        month = month_of(now)
        return Budget(micro, account.spent_in(purse, month), account.held(purse, milliseconds(now), month), next_month(now))

    def _period(self, first: str | None, last: str | None) -> tuple[str, str]:
        today = self._clock.now().date()
        until = _day(last, "to") if last is not None else today
        since = _day(first, "from") if first is not None else until.replace(day=1)
        if not timedelta() <= until - since <= LONGEST:
            raise InvalidInput(f"from is a day up to {LONGEST.days} days before to.", loc=("query", "from"), code="invalid_period")
        return since.isoformat(), until.isoformat()


def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def _day(text: str, name: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # the 30th of February
    raise InvalidInput("A day such as 2026-11-24 is wanted.", loc=("query", name), code="invalid_day")
