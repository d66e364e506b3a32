"""Traffic over time, to draw: a day by slots of five minutes, a week by hours. Of rows that ``TrafficStore`` has added up."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from shared_code.clock import Clock
from shared_code.storage.daily import table_for
from shared_code.storage.ports import Row, Tables

from . import histogram
from .traffic import PREFIX
from .traffic_rows import errors, latencies, requests, unpack
from .traffic_store import HISTORY, HOURS, SLOT, SLOTS

Window = Literal["24h", "7d"]
STEPS: dict[Window, timedelta] = {"24h": SLOT, "7d": timedelta(hours=1)}
LENGTHS: dict[Window, timedelta] = {"24h": timedelta(days=1), "7d": timedelta(days=7)}
CACHED_FOR = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class TrafficPoint:
    """Of the slot that began at ``at``. Percentiles are seconds, of ordinary requests; None where there were none."""

    at: datetime
    requests: int
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None


class TrafficSeries:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock
        self._known: dict[Window, tuple[datetime, list[TrafficPoint]]] = {}
        self._looking = asyncio.Lock()

    async def read(self, window: Window) -> list[TrafficPoint]:
        """Oldest first; a slot without a row had no requests, or nobody has added them up yet. At most half a minute old. Two storage
        calls, of at most 288 rows."""
        async with self._looking:
            now = self._clock.now()
            known = self._known.get(window)
            if known is None or not timedelta(0) <= now - known[0] < CACHED_FOR:
                rows = await (self._slots(now) if window == "24h" else self._hours(now))
                known = self._known[window] = (now, await asyncio.to_thread(_points, rows))
            return known[1]

    async def _slots(self, now: datetime) -> list[tuple[datetime, Row]]:
        found: list[tuple[datetime, Row]] = []
        for day in (now - timedelta(days=1), now):
            rows = await self._tables.query(table_for(PREFIX, day), SLOTS, limit=300)
            found += [(_moment(f"{day:%Y%m%d}{row.key}", "%Y%m%d%H%M"), row) for row in rows]
        return [(at, row) for at, row in found if now - LENGTHS["24h"] < at <= now]

    async def _hours(self, now: datetime) -> list[tuple[datetime, Row]]:
        first = f"{now - LENGTHS['7d']:%Y%m%d%H}"
        rows = await self._tables.query(HISTORY, HOURS, after=first, limit=200)
        return [(_moment(row.key, "%Y%m%d%H"), row) for row in rows]


def _points(rows: Sequence[tuple[datetime, Row]]) -> list[TrafficPoint]:
    found = []
    for at, row in rows:
        traffic = unpack(row)
        plain = latencies(traffic)
        p50, p95, p99 = (histogram.percentile(plain, share) for share in (0.5, 0.95, 0.99))
        found.append(TrafficPoint(at, requests(traffic), errors(traffic), p50, p95, p99))
    return found


def _moment(text: str, form: str) -> datetime:
    return datetime.strptime(text, form).replace(tzinfo=UTC)
