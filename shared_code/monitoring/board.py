"""What the probes have found, read: how everything is now, uptime over a window, incidents."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog

from shared_code.clock import Clock
from shared_code.storage.ports import Delete, EtagMismatch, Merge, Missing, Row, Tables, Where

from .checks import Outcome
from .records import CHECK, INCIDENT, LATEST, PARTITION, STALE, TABLE, Incident, Record, moment
from .rings import NOTHING, Cell, Ring

log = structlog.get_logger("lydian.monitoring")

Window = Literal["24h", "7d", "30d", "90d"]
MAX_INCIDENTS = 200
KEPT = timedelta(days=90)
FORGOTTEN = timedelta(days=1)
"""A check that nobody has probed for this long is configured no more: its open incident ends where the samples did."""


@dataclass(frozen=True, slots=True)
class Span:
    """A window's length and how it is drawn: a point stands for ``step``."""

    length: timedelta
    ring: Literal["minutes", "hours", "days"]
    step: timedelta


SPANS: Mapping[Window, Span] = {
    "24h": Span(timedelta(days=1), "minutes", timedelta(minutes=15)),
    "7d": Span(timedelta(days=7), "hours", timedelta(hours=2)),
    "30d": Span(timedelta(days=30), "hours", timedelta(hours=8)),
    "90d": Span(timedelta(days=90), "days", timedelta(days=1)),
}


@dataclass(frozen=True, slots=True)
class Point:
    at: datetime
    cell: Cell
    missed: int
    """Minutes of it for which there is no sample, though there should be one."""


@dataclass(frozen=True, slots=True)
class Uptime:
    record: Record
    total: Cell
    missed: int
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Last:
    """The last run of one app."""

    at: datetime
    outcomes: Mapping[str, Outcome]

    def known(self, now: datetime) -> bool:
        return abs(now - self.at) <= STALE


class Board:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def last(self, scope: str) -> Last | None:
        """What an app found when it last looked. One storage call."""
        row = await self._tables.get(TABLE, PARTITION, LATEST + scope)
        if row is None:
            return None
        found = json.loads(str(row.values["found"]))
        return Last(moment(row.values["at"]), {name: Outcome(*each) for name, each in found.items()})

    async def records(self) -> list[Record]:
        """Every check of every app, services first. One storage call."""
        rows = await self._tables.query(TABLE, PARTITION, prefix=CHECK, limit=1000)
        return sorted(map(Record.of, rows), key=lambda record: (record.kind == "dependency", record.check))

    async def incidents(self, since: datetime) -> list[Incident]:
        """The newest 200 that were open then or later, newest first. One storage call."""
        rows = await self._tables.query(TABLE, PARTITION, prefix=INCIDENT, limit=MAX_INCIDENTS)
        return [incident for incident in map(Incident.of, rows) if incident.ended_at is None or incident.ended_at >= since]

    def uptime(self, record: Record, window: Window) -> Uptime:
        """Up to the last whole minute. Degraded counts as up; minutes that nobody sampled count for nothing, and are told."""
        span, now = SPANS[window], self._clock.now()
        ring: Ring = getattr(record, span.ring)
        until = now.replace(second=0, microsecond=0)
        step = int(span.step.total_seconds())
        # As many whole points as the window has, the one of now the last.
        last = int(until.timestamp()) // step * step
        first = last - int(span.length.total_seconds()) + step
        points = []
        for begins in range(first, last + step, step):
            cell = sum((each for _, each in ring.between(begins, begins + step)), NOTHING)
            points.append(Point(datetime.fromtimestamp(begins, UTC), cell, _missed(record, cell, begins, step, until)))
        return Uptime(record, sum((point.cell for point in points), NOTHING), sum(point.missed for point in points), points)

    async def purge(self) -> int:
        """Remove incidents and checks that are past KEPT, and end those of checks that are probed no more. Safe to run twice."""
        now, removed = self._clock.now(), 0
        for row in await self._tables.query(TABLE, PARTITION, prefix=CHECK, limit=1000):
            record = Record.of(row)
            last = record.last_at or record.first_at
            try:
                if now - last > KEPT:
                    await self._tables.apply(TABLE, PARTITION, Delete(row.key, row.etag))
                    removed += 1
                elif now - last > FORGOTTEN and record.incident is not None:
                    await self._forget(row, record, last)
            except (EtagMismatch, Missing):
                continue  # probed again, or another's purge was faster
        while rows := await self._tables.query(TABLE, PARTITION, prefix=INCIDENT, where=[Where("ended_at", "lt", now - KEPT)], limit=100):
            await self._tables.batch(TABLE, PARTITION, [Delete(row.key) for row in rows])
            removed += len(rows)
        return removed

    async def _forget(self, row: Row, record: Record, last: datetime) -> None:
        assert record.incident is not None
        ended = Merge(record.incident.key, {"ended_at": max(last, record.incident.started_at)})
        # "" and not None: a merge leaves alone what is None.
        await self._tables.batch(TABLE, PARTITION, [ended, Merge(row.key, {"incident": "", "streak": 0}, row.etag)])
        log.info("incident_of_no_check_ended", check=record.check)


def _missed(record: Record, cell: Cell, begins: int, step: int, until: datetime) -> int:
    """How many samples a slot lacks; before the first one ever, and after now, none is missed."""
    low, high = max(begins, int(record.first_at.timestamp())), min(begins + step, int(until.timestamp()))
    return max(0, (high - low) // 60 - cell.samples)
