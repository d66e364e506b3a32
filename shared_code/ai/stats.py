"""Everybody's usage: added up by a timer from the accounts that have changed (``storage/sums.py``), read by administrators and monitoring.

Two kinds of sums, each with a change feed of its own: the whole time's, and one a month (table ``aimonthYYYYMM``) by day and model.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Protocol

from shared_code.clock import Clock
from shared_code.storage import sums_rows
from shared_code.storage.feeds import ChangeFeed
from shared_code.storage.ports import Row, Tables
from shared_code.storage.sums import Sums
from shared_code.storage.sums_rows import Figures, Summed

from .spending import ACCOUNT_KEY, DAY_PREFIX, GONE, TABLE, ByModel, Counts, day_of, month_of, to_account, to_day

TOTALS, MONTH_PREFIX = "aistats", "aimonth"
TOTALS_FEED = "ai"
PAGE = 500
LATE = timedelta(days=2)
"""For so long into a month the one before it is rolled up too: what ended late, and marks that came late."""
UNITS = tuple(field.name for field in fields(Counts))


class Feeds(Protocol):
    def __call__(self, name: str) -> ChangeFeed: ...


def feed_of(month: str) -> str:
    return f"{TOTALS_FEED}-{month}"


def table_of(month: str) -> str:
    return MONTH_PREFIX + month.replace("-", "")


class UsageChanges:
    """The ledger's port: told after a write whose figures have changed, of which months."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds

    def note(self, user_id: str, months: Iterable[str]) -> None:
        self._feeds(TOTALS_FEED).note(user_id)
        for month in months:
            self._feeds(feed_of(month)).note(user_id)


class AiStatistics:
    def __init__(self, tables: Tables, clock: Clock, feeds: Feeds) -> None:
        self._tables, self._clock, self._feeds = tables, clock, feeds

    async def roll_up(self) -> None:
        """Count what has changed since the last one; a run that repeats or overlaps counts nothing twice."""
        for each in self._current():
            await each.roll_up()

    async def recount(self) -> None:
        """Count every account, and say in the log what was out."""
        for each in self._current():
            await each.recount()

    async def totals(self) -> Summed | None:
        """The whole time's, by ``Counts``' names (``micro`` are micro-dollars); None before the first roll-up. One storage call."""
        return await sums_rows.read(self._tables, TOTALS)

    async def today(self) -> Mapping[str, int]:
        """Today's, by ``Counts``' names, as of the last roll-up. One storage call."""
        now = self._clock.now()
        found = Counts()
        for counts in (await self.days(day_of(now), day_of(now))).get(day_of(now), {}).values():
            found += counts
        return dict(zip(UNITS, found.packed(), strict=True))

    async def days(self, first: str, last: str) -> Mapping[str, ByModel]:
        """By day and model, both days included; a storage call for each month."""
        found: dict[str, dict[str, Counts]] = {}
        for month in months_between(first, last):
            summed = await sums_rows.read(self._tables, table_of(month))
            for name, number in summed.figures.items() if summed else ():
                day, unit, model = name.split(" ", 2)
                if first <= day <= last and unit in UNITS:
                    models = found.setdefault(day, {})
                    models[model] = models.get(model, Counts()) + Counts(**{unit: number})
        return found

    def _current(self) -> list[Sums]:
        now = self._clock.now()
        months = dict.fromkeys((month_of(now), month_of(now - LATE)))
        return [
            Sums(self._tables, self._clock, table=TOTALS, feed=self._feeds(TOTALS_FEED), source=_Lifetimes(self._tables)),
            *(
                Sums(
                    self._tables, self._clock, table=table_of(month), feed=self._feeds(feed_of(month)), source=_Months(self._tables, month)
                )
                for month in months
            ),
        ]


def months_between(first: str, last: str) -> list[str]:
    """``2026-11`` and so on, of two days."""
    year, month = int(first[:4]), int(first[5:7])
    found: list[str] = []
    while (name := f"{year:04}-{month:02}") <= last[:7]:
        found.append(name)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return found


class _Lifetimes:
    """What each account has used since it began."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def of(self, owner: str) -> Figures:
        return self._figures(await self._tables.get(TABLE, owner, ACCOUNT_KEY))

    async def page(self, after: str | None) -> Sequence[tuple[str, Figures]]:
        return [(row.partition, self._figures(row)) for row in await _accounts(self._tables, after)]

    @staticmethod
    def _figures(row: Row | None) -> Figures:
        total = Counts()
        for counts in to_account(row).lifetime.values():
            total += counts
        return dict(zip(UNITS, total.packed(), strict=True))


class _Months:
    """What each account has used in a month: ``<day> <unit> <model>``."""

    def __init__(self, tables: Tables, month: str) -> None:
        self._tables, self._month = tables, month

    async def of(self, owner: str) -> Figures:
        return await self._figures(owner, await self._tables.get(TABLE, owner, ACCOUNT_KEY))

    async def page(self, after: str | None) -> Sequence[tuple[str, Figures]]:
        return [(row.partition, await self._figures(row.partition, row)) for row in await _accounts(self._tables, after)]

    async def _figures(self, owner: str, row: Row | None) -> Figures:
        account = to_account(row)
        if (
            not owner.startswith(GONE)
            and self._month not in (account.month, account.previous_month)
            and not any(day.startswith(self._month) for day in account.days)
        ):
            return {}  # nothing was written in it
        found: dict[str, int] = {}
        # A day is in the account's row or in its own, and moves in one batch: read in this order, it may be seen twice but is
        # never missed; the row read first counts.
        days = {day: models for day, models in account.days.items() if day.startswith(self._month)}
        for each in await self._tables.query(TABLE, owner, prefix=DAY_PREFIX + self._month, limit=40):
            days.setdefault(each.key.removeprefix(DAY_PREFIX), to_day(each))
        for day, models in days.items():
            for model, counts in models.items():
                for unit, number in zip(UNITS, counts.packed(), strict=True):
                    found[f"{day} {unit} {model}"] = number
        return found


async def _accounts(tables: Tables, after: str | None) -> list[Row]:
    return await tables.query(TABLE, prefix=ACCOUNT_KEY, after_partition=after, limit=PAGE)
