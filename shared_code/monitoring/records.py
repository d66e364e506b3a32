"""One check's row: how it is, how it was, and whether an incident is open. Two failures open one, two successes close it.

Table ``probes``, partition ``checks``: ``c:<check>`` this row, ``i:<inverted id>`` an incident, newest first, ``l:<scope>`` the last
run of one app, ``r:<scope>`` who probes for it. All in one partition, so that a run is one read and one write.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared_code import ids
from shared_code.storage.ports import Insert, Operation, Replace, Row, Upsert, Value

from .checks import Kind, Outcome, Status
from .rings import DAYS, HOURS, MINUTES, Cell, Ring

TABLE, PARTITION = "probes", "checks"
CHECK, INCIDENT, LATEST, RUN = "c:", "i:", "l:", "r:"
TURNS = 2
"""So many samples in a row open an incident, or close it."""
GAP = timedelta(minutes=5)
"""Samples further apart than this are not in a row: nobody knows what was between them."""
STALE = timedelta(minutes=3)
"""Nothing is known of a check that was not looked at for this long."""


@dataclass(frozen=True, slots=True)
class Incident:
    """``ended_at`` is None while it is open. ``detail`` is for operators."""

    id: str
    check: str
    kind: Kind
    started_at: datetime
    ended_at: datetime | None = None
    detail: str = ""

    def values(self) -> dict[str, Value]:
        return {
            "v": 1,
            "check": self.check,
            "kind": self.kind,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "detail": self.detail,
        }

    @property
    def key(self) -> str:
        return INCIDENT + ids.inverted(self.id)

    @classmethod
    def of(cls, row: Row) -> "Incident":
        values = row.values
        return cls(
            ids.inverted(row.key.removeprefix(INCIDENT)),
            str(values["check"]),
            _kind(values["kind"]),
            moment(values["started_at"]),
            optional_moment(values.get("ended_at")),
            str(values.get("detail") or ""),
        )


@dataclass(frozen=True, slots=True)
class Record:
    """``streak`` counts the last samples in a row that say the contrary of what holds: a failure while up, a success while down."""

    check: str
    kind: Kind
    first_at: datetime
    last_at: datetime | None = None
    status: Status = "ok"
    latency_ms: float = 0.0
    detail: str | None = None
    streak: int = 0
    streak_at: datetime | None = None
    incident: Incident | None = None
    minutes: Ring = MINUTES
    hours: Ring = HOURS
    days: Ring = DAYS

    def sampled(self, outcome: Outcome, at: datetime, now: datetime) -> tuple["Record", list[Incident]]:
        """With what was found at ``at``, and the incidents that this opens or closes. A minute has one sample: a second one
        changes nothing. One that comes late (storage did not answer) is counted, but only the newest moves the state."""
        minute, present = int(at.timestamp()), int(now.timestamp())
        too_far = not timedelta(minutes=-1) <= now - at < timedelta(days=1)
        if too_far or self.minutes.kept(present).at(minute).samples:
            return self, []
        cell = Cell.of(outcome)
        record = replace(
            self,
            first_at=min(self.first_at, at),
            minutes=self.minutes.add(minute, cell, present),
            hours=self.hours.add(minute, cell, present),
            days=self.days.add(minute, cell, present),
        )
        # A moment that lies ahead of us was a wrong clock's.
        last = self.last_at if self.last_at is not None and self.last_at <= now + timedelta(minutes=1) else None
        if last is not None and at <= last:
            return record, []
        return record._moved(outcome, at, last)

    def _moved(self, outcome: Outcome, at: datetime, last: datetime | None) -> tuple["Record", list[Incident]]:
        contrary = (outcome.status == "down") != (self.incident is not None)
        in_a_row = self.streak > 0 and last is not None and at - last <= GAP
        streak = (self.streak + 1 if in_a_row else 1) if contrary else 0
        began = self.streak_at if in_a_row and self.streak_at is not None else at
        record = replace(
            self,
            last_at=at,
            status=outcome.status,
            latency_ms=outcome.latency_ms,
            detail=outcome.detail,
            streak=streak,
            streak_at=began if streak else None,
        )
        if streak < TURNS:
            return record, []
        if self.incident is None:
            opened = Incident(ids.new_id(began), self.check, self.kind, began, None, outcome.detail or "down")
            return replace(record, incident=opened, streak=0, streak_at=None), [opened]
        closed = replace(self.incident, ended_at=max(began, self.incident.started_at))
        return replace(record, incident=None, streak=0, streak_at=None), [closed]

    def known(self, now: datetime) -> bool:
        """Whether somebody has looked of late; what was found before is no news."""
        return self.last_at is not None and abs(now - self.last_at) <= STALE

    def values(self) -> dict[str, Value]:
        incident = self.incident
        return {
            "v": 1,
            "kind": self.kind,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "status": self.status,
            "latency_ms": self.latency_ms,
            "detail": self.detail,
            "streak": self.streak,
            "streak_at": self.streak_at,
            "incident": incident.id if incident else None,
            "incident_at": incident.started_at if incident else None,
            "incident_detail": incident.detail if incident else None,
            "minutes": self.minutes.pack(),
            "hours": self.hours.pack(),
            "days": self.days.pack(),
        }

    @classmethod
    def of(cls, row: Row) -> "Record":
        values, check = row.values, row.key.removeprefix(CHECK)
        kind, incident = _kind(values["kind"]), None
        if values.get("incident"):
            began = moment(values["incident_at"])
            incident = Incident(str(values["incident"]), check, kind, began, None, str(values.get("incident_detail") or ""))
        streak, latency = values.get("streak"), values.get("latency_ms")
        return cls(
            check=check,
            kind=kind,
            first_at=moment(values["first_at"]),
            last_at=optional_moment(values.get("last_at")),
            status=_status(values["status"]),
            latency_ms=float(latency) if isinstance(latency, int | float) else 0.0,
            detail=str(values["detail"]) if values.get("detail") else None,
            streak=streak if isinstance(streak, int) else 0,
            streak_at=optional_moment(values.get("streak_at")),
            incident=incident,
            minutes=MINUTES.unpack(values.get("minutes")),
            hours=HOURS.unpack(values.get("hours")),
            days=DAYS.unpack(values.get("days")),
        )


def operations(record: Record, etag: str | None, incidents: Mapping[str, Incident]) -> list[Operation]:
    """What writes a record and its incidents, all or none."""
    key, values = CHECK + record.check, record.values()
    written: Operation = Insert(key, values) if etag is None else Replace(key, values, etag)
    return [written, *(Upsert(incident.key, incident.values()) for incident in incidents.values())]


def moment(value: Value) -> datetime:
    assert isinstance(value, datetime)
    return value.astimezone(UTC)


def optional_moment(value: Value) -> datetime | None:
    return moment(value) if isinstance(value, datetime) else None


def _kind(value: Value) -> Kind:
    return "service" if value == "service" else "dependency"


def _status(value: Value) -> Status:
    return "ok" if value == "ok" else "degraded" if value == "degraded" else "down"
