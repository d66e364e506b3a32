"""Everyone's payments added up: by a timer from the totals of customers whose mirror has changed, read by administrators. Currencies
are never added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared_code.clock import Clock
from shared_code.storage.feeds import ChangeFeed
from shared_code.storage.ports import Tables
from shared_code.storage.sums import Sums
from shared_code.storage.sums_rows import Figures as Numbers
from shared_code.storage.sums_rows import Summed

from .objects import MIRROR, TOTALS_KEY
from .totals import Totals

TABLE, FEED = "paymentstats", "payments"
PAGE = 500
ACTIVE = frozenset({"active", "trialing", "past_due"})
"""The states in which a subscription runs (https://docs.stripe.com/billing/subscriptions/overview)."""
COUNT, MINOR = "n", "minor"

Pairs = Mapping[tuple[str, str, str], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Figures:
    """``sums``: (kind, currency, status) → count and minor units; kinds are the mirror's ``pi``, ``re``, ``sub``, ``in``."""

    sums: Pairs
    as_of: datetime

    def of(self, kind: str) -> list[tuple[str, str, int, int]]:
        """Currency, status, count, minor units."""
        return sorted((currency, status, count, amount) for (each, currency, status), (count, amount) in self.sums.items() if each == kind)

    @property
    def active_subscriptions(self) -> int:
        return sum(count for _, status, count, _ in self.of("sub") if status in ACTIVE)


class PaymentStatistics:
    def __init__(self, tables: Tables, clock: Clock, changes: ChangeFeed) -> None:
        self._sums = Sums(tables, clock, table=TABLE, feed=changes, source=_Customers(tables))

    async def roll_up(self) -> Figures:
        """Count what has changed since the last one; a run that repeats or overlaps counts nothing twice."""
        return to_figures(await self._sums.roll_up())

    async def recount(self) -> Figures:
        """Count every customer, and say in the log what was out."""
        return to_figures(await self._sums.recount())

    async def latest(self) -> Figures:
        """The last roll-up; made now when there has been none."""
        return to_figures(await self._sums.latest())


class _Customers:
    """Every partition of the mirror (nobody's included), as ``mirror.py`` counts it."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def of(self, owner: str) -> Numbers:
        return _numbers(Totals.of(await self._tables.get(MIRROR, owner, TOTALS_KEY)))

    async def page(self, after: str | None) -> Sequence[tuple[str, Numbers]]:
        rows = await self._tables.query(MIRROR, prefix=TOTALS_KEY, after_partition=after, limit=PAGE)
        return [(row.partition, _numbers(Totals.of(row))) for row in rows]


def _numbers(totals: Totals) -> Numbers:
    found: dict[str, int] = {}
    for name, (count, minor) in totals.sums.items():
        found[f"{name} {COUNT}"], found[f"{name} {MINOR}"] = count, minor
    return found


def to_figures(summed: Summed) -> Figures:
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for name, number in summed.figures.items():
        kind, currency, status, unit = name.split(" ")
        count, minor = sums.get((kind, currency, status), (0, 0))
        sums[kind, currency, status] = (number, minor) if unit == COUNT else (count, number)
    return Figures(sums, summed.as_of)
