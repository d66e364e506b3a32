"""What people are told: current state, 90 days of it, incidents and announcements, in words that give nothing internal away."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal

import structlog

from shared_code.clock import Clock
from shared_code.errors import Unavailable

from .announcements import MAX_OPEN, Announcement, Announcements
from .board import Board
from .records import Incident, Record
from .rings import Cell

log = structlog.get_logger("lydian.monitoring")

LABELS: Mapping[str, str] = {
    "auth": "Accounts and sign-in",
    "files": "Files and images",
    "ai": "AI models",
    "chat": "Chat",
    "payments": "Payments",
    "mail": "E-mail",
}
"""The services that people know, in order. What is not on it (monitoring itself, every dependency) is nobody else's business."""
CACHED_FOR = 10.0
PAST = timedelta(days=30)
SHOWN = 50
UNSEEN = timedelta(days=7)
"""A service that was not probed for this long is not shown: it does not run any more."""
OUTAGE = 30
"""Minutes of failure from which on a day counts as one of an outage; less is a disturbance."""

State = Literal["ok", "degraded", "down", "no_data"]


@dataclass(frozen=True, slots=True)
class Day:
    date: date
    state: State
    down_minutes: int
    samples: int


@dataclass(frozen=True, slots=True)
class Component:
    """``uptime`` is per cent of 90 days, None without samples."""

    label: str
    state: State
    uptime: float | None
    days: Sequence[Day]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Incidents of several services that began and ended together are one."""

    id: str
    labels: Sequence[str]
    started_at: datetime
    ended_at: datetime | None

    @property
    def updated_at(self) -> datetime:
        return self.ended_at or self.started_at


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``readable``: False when storage did not answer, and nothing is known of anything."""

    at: datetime
    components: Sequence[Component] = ()
    disturbances: Sequence[Disturbance] = ()
    announcements: Sequence[Announcement] = ()
    readable: bool = True

    @property
    def state(self) -> State:
        """Of the whole: down only when everything is."""
        states = {component.state for component in self.components}
        if states == {"down"} or not self.readable:
            return "down"
        if states & {"down", "degraded"}:
            return "degraded"
        return "ok" if states == {"ok"} else "no_data"

    @property
    def current(self) -> Sequence[Disturbance]:
        return [each for each in self.disturbances if each.ended_at is None]

    @property
    def past(self) -> Sequence[Disturbance]:
        return [each for each in self.disturbances if each.ended_at is not None]

    @property
    def open(self) -> Sequence[Announcement]:
        return [each for each in self.announcements if each.closed_at is None]

    @property
    def closed(self) -> Sequence[Announcement]:
        return [each for each in self.announcements if each.closed_at is not None]


@dataclass(slots=True)
class StatusPage:
    board: Board
    announcements: Announcements
    clock: Clock
    _known: tuple[float, Snapshot] | None = field(default=None)

    async def snapshot(self) -> Snapshot:
        """At most ten seconds old: anyone may ask. Three storage calls when it is made; none of its failures is raised."""
        now, known = time.monotonic(), self._known
        if known is not None and now - known[0] < CACHED_FOR:
            return known[1]
        if known is not None:  # whoever comes while it is made anew gets the last one
            self._known = (now, known[1])
        try:
            found = await self._make()
        except Unavailable:
            log.warning("status_unreadable")
            found = Snapshot(self.clock.now(), readable=False)
        self._known = (now, found)
        return found

    async def _make(self) -> Snapshot:
        now = self.clock.now()
        records = {record.check: record for record in await self.board.records() if record.kind == "service"}
        seen = {name: record for name, record in records.items() if record.last_at and now - record.last_at < UNSEEN}
        components = [self._component(label, seen[name], now) for name, label in LABELS.items() if name in seen]
        incidents = [each for each in await self.board.incidents(now - PAST) if each.kind == "service" and each.check in LABELS]
        written = await self.announcements.page(limit=MAX_OPEN)
        shown = [each for each in written if each.closed_at is None or each.closed_at > now - PAST]
        return Snapshot(now, components, grouped(incidents)[:SHOWN], shown)

    def _component(self, label: str, record: Record, now: datetime) -> Component:
        uptime = self.board.uptime(record, "90d")
        days = [Day(point.at.date(), day_state(point.cell), point.cell.down, point.cell.samples) for point in uptime.points]
        return Component(label, current_state(record, now), uptime.total.uptime, days)


def current_state(record: Record, now: datetime) -> State:
    """Down while an incident is open; one failed look is none yet, and says nothing to people."""
    if not record.known(now):
        return "no_data"
    if record.incident is not None:
        return "down"
    return "degraded" if record.status == "degraded" else "ok"


def day_state(cell: Cell) -> State:
    if not cell.samples:
        return "no_data"
    return "ok" if not cell.down else "degraded" if cell.down < OUTAGE else "down"


def grouped(incidents: Sequence[Incident]) -> list[Disturbance]:
    """Those that people see, newest first, services in the page's order."""
    found: dict[tuple[datetime, datetime | None], Disturbance] = {}
    order = list(LABELS)
    for incident in sorted(incidents, key=lambda each: order.index(each.check)):
        span, label = (incident.started_at, incident.ended_at), LABELS[incident.check]
        known = found.get(span)
        found[span] = replace(known, labels=[*known.labels, label]) if known else Disturbance(incident.id, [label], *span)
    return sorted(found.values(), key=lambda each: each.started_at, reverse=True)
