"""Everyone's payments added up: by a timer from the customers' totals, read by administrators. Currencies are never added."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared_code.clock import Clock
from shared_code.storage.ports import Row, Tables, Upsert

from .objects import MIRROR, TOTALS_KEY
from .totals import Totals, add

TABLE, PARTITION, LATEST = "paymentstats", "all", "latest"
ACTIVE = frozenset({"active", "trialing", "past_due"})
"""The states in which a subscription runs (https://docs.stripe.com/billing/subscriptions/overview)."""

Sums = Mapping[tuple[str, str, str], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Figures:
    """``sums``: (kind, currency, status) → count and minor units; kinds are the mirror's ``pi``, ``re``, ``sub``, ``in``."""

    sums: Sums
    as_of: datetime

    def of(self, kind: str) -> list[tuple[str, str, int, int]]:
        """Currency, status, count, minor units."""
        return sorted((currency, status, count, amount) for (each, currency, status), (count, amount) in self.sums.items() if each == kind)

    @property
    def active_subscriptions(self) -> int:
        return sum(count for _, status, count, _ in self.of("sub") if status in ACTIVE)


class PaymentStatistics:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def roll_up(self) -> Figures:
        """Add up every customer's totals and keep the sum; a run that repeats or overlaps writes the same."""
        as_of, sums = self._clock.now(), dict[tuple[str, str, str], tuple[int, int]]()
        partition = key = None
        while rows := await self._tables.query(MIRROR, prefix=TOTALS_KEY, after_partition=partition, after=key, limit=500):
            partition, key = rows[-1].partition, rows[-1].key
            for name, (count, amount) in add(map(Totals.of, rows)).items():
                before = sums.get(name, (0, 0))
                sums[name] = (before[0] + count, before[1] + amount)
        text = json.dumps([[*name, *pair] for name, pair in sorted(sums.items()) if pair != (0, 0)])
        await self._tables.apply(TABLE, PARTITION, Upsert(LATEST, {"v": 1, "sums": text, "as_of": as_of}))
        return Figures({name: pair for name, pair in sums.items() if pair != (0, 0)}, as_of)

    async def latest(self) -> Figures:
        """The last roll-up; made now when there has been none."""
        row = await self._tables.get(TABLE, PARTITION, LATEST)
        return _figures(row) if row is not None else await self.roll_up()


def _figures(row: Row) -> Figures:
    as_of = row.values["as_of"]
    assert isinstance(as_of, datetime)
    entries = json.loads(str(row.values["sums"]))
    return Figures({(kind, currency, status): (count, amount) for kind, currency, status, count, amount in entries}, as_of)
