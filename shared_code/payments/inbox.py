"""The inbox of Stripe's events: stored once, then acknowledged, then processed as often as it takes.

A day's events (by Stripe's own ``created``, which every delivery of an event repeats) share a table of the day, which is
dropped whole; one batch of three rows makes an event's storing atomic: ``e:<inverted time>:<id>`` the event, newest first;
``i:<id>`` where it is, whose insert decides that it is new; ``p:<id>`` while it is not done, with the time of the next try.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from shared_code.clock import Clock
from shared_code.errors import InvalidRequest, NotFound
from shared_code.storage.daily import drop_expired, table_for
from shared_code.storage.events import Events
from shared_code.storage.ports import AlreadyExists, Delete, Insert, Merge, Missing, Operation, Row, Tables, Upsert, Value, Where

from .event_targets import Target, targets_of

PREFIX = "stripeevents"
PARTITION = "events"
KEPT_DAYS = 35
"""Stripe itself shows an event for 30 days."""
RETRIED_DAYS = 5
"""Days back that the timer looks for what is due: longer than all tries take."""
FIRST_TRY = timedelta(minutes=1)
"""An event whose queue message was lost is taken up by the timer after this long."""
MAX_TRIES = 14
"""With ``backoff`` some three days, as long as Stripe itself tries to deliver."""

Status = Literal["received", "processed", "failed", "ignored"]

_ID = re.compile(r"[A-Za-z0-9_]{1,128}")


@dataclass(frozen=True, slots=True)
class InboxEvent:
    id: str
    type: str
    created_at: datetime
    status: Status
    received_at: datetime
    targets: tuple[Target, ...] = ()
    """What to fetch again from Stripe when it is processed."""
    object_id: str = ""
    api_version: str = ""
    attempts: int = 0
    error: str = ""
    processed_at: datetime | None = None

    @property
    def table(self) -> str:
        return table_for(PREFIX, self.created_at)

    @property
    def key(self) -> str:
        return f"e:{9_999_999_999 - int(self.created_at.timestamp()):010}:{self.id}"


def backoff(attempts: int) -> timedelta:
    """How long after the ``attempts``-th failure the next try is due: 1, 2, 4 … minutes, at most 8 hours."""
    return min(timedelta(minutes=2 ** max(0, attempts - 1)), timedelta(hours=8))


class Inbox:
    def __init__(self, tables: Tables, clock: Clock, events: Events) -> None:
        self._tables, self._clock, self._events = tables, clock, events

    async def receive(self, body: bytes) -> bool:
        """Store a verified event and have it processed; False when it was here before. Raises InvalidRequest.

        One that is here but not done (its sender died before it asked for the processing) is asked for again.
        """
        event = self._parse(body)
        operations: list[Operation] = [Insert(event.key, event_values(event)), Insert(f"i:{event.id}", {"v": 1, "key": event.key})]
        if event.status == "received":
            operations.append(Insert(f"p:{event.id}", {"key": event.key, "due_at": event.received_at + FIRST_TRY}))
        try:
            await self._tables.batch(event.table, PARTITION, operations)
        except AlreadyExists:
            present = await self._tables.get(event.table, PARTITION, event.key)
            if present is not None and present.values["status"] == "received":
                await self._ask(event)
            return False
        if event.status == "received":
            await self._ask(event)
        return True

    async def _ask(self, event: InboxEvent) -> None:
        await self._events.send("payments", {"kind": "stripe_event", "table": event.table, "key": event.key})

    async def get(self, table: str, key: str) -> InboxEvent | None:
        row = await self._tables.get(table, PARTITION, key)
        return to_event(row) if row else None

    async def find(self, event_id: str) -> InboxEvent:
        """By Stripe's id, among all that are kept; raises NotFound."""
        if _ID.fullmatch(event_id):
            tables = [table_for(PREFIX, day) for day in self._days(KEPT_DAYS)]
            rows = await asyncio.gather(*(self._tables.get(table, PARTITION, f"i:{event_id}") for table in tables))
            for table, row in zip(tables, rows, strict=True):
                found = await self.get(table, str(row.values["key"])) if row else None
                if found is not None:
                    return found
        raise NotFound("There is no such event.", code="event_not_found")

    async def page(self, *, after: str | None, limit: int, status: Status | None = None) -> list[tuple[str, InboxEvent]]:
        """Up to ``limit`` events with their positions, newest first, behind the position ``after``."""
        day, _, key = (after or "").partition("/")
        where = [Where("status", "eq", status)] if status else []
        found: list[tuple[str, InboxEvent]] = []
        for each in self._days(KEPT_DAYS):
            table = table_for(PREFIX, each)
            if day and table > day:
                continue
            behind = key if table == day else None
            rows = await self._tables.query(table, PARTITION, prefix="e:", after=behind, where=where, limit=limit - len(found))
            found += [(f"{table}/{row.key}", to_event(row)) for row in rows]
            if len(found) >= limit:
                break
        return found

    async def due(self, *, limit: int = 500) -> list[InboxEvent]:
        """Events whose next try is due, of the last RETRIED_DAYS days."""
        now, found = self._clock.now(), []
        for day in self._days(RETRIED_DAYS):
            table = table_for(PREFIX, day)
            for row in await self._tables.query(table, PARTITION, prefix="p:", where=[Where("due_at", "le", now)], limit=limit):
                event = await self.get(table, str(row.values["key"]))
                if event is not None:
                    found.append(event)
            if len(found) >= limit:
                break
        return found

    async def succeeded(self, event: InboxEvent) -> InboxEvent:
        """It is done. Safe to say twice."""
        done = replace(event, status="processed", attempts=event.attempts + 1, error="", processed_at=self._clock.now())
        try:
            await self._tables.batch(event.table, PARTITION, [Merge(event.key, _outcome(done)), Delete(f"p:{event.id}")])
        except Missing:
            await self._tables.apply(event.table, PARTITION, Merge(event.key, _outcome(done)))  # another was faster
        return done

    async def failed(self, event: InboxEvent, error: str) -> InboxEvent:
        """This try failed: the timer takes it up again, until it has failed MAX_TRIES times and waits for a replay."""
        present = await self.get(event.table, event.key)
        if present is not None and present.status == "processed" and event.status != "processed":
            return present  # another's try, made at the same time, did not fail
        attempts = event.attempts + 1
        given_up = attempts >= MAX_TRIES
        tried = replace(event, status="failed", attempts=attempts, error=error[:500], processed_at=None)
        marker: Operation = Upsert(f"p:{event.id}", {"key": event.key, "due_at": self._clock.now() + backoff(attempts)})
        operations: list[Operation] = [Merge(event.key, _outcome(tried))]
        if not given_up:
            operations.append(marker)
        await self._tables.batch(event.table, PARTITION, operations)
        if given_up:
            try:
                await self._tables.apply(event.table, PARTITION, Delete(f"p:{event.id}"))
            except Missing:
                pass
        return tried

    async def drop_expired(self) -> int:
        return await drop_expired(self._tables, PREFIX, self._clock.now(), keep_days=KEPT_DAYS)

    def _days(self, count: int) -> list[datetime]:
        """Tomorrow (Stripe's clock may be ahead of ours), today, and ``count`` days back."""
        now = self._clock.now()
        return [now + timedelta(days=1) - timedelta(days=n) for n in range(count + 2)]

    def _parse(self, body: bytes) -> InboxEvent:
        try:
            event = json.loads(body)
            created = datetime.fromtimestamp(event["created"], UTC)
            identifier, kind, subject = event["id"], event["type"], event["data"]["object"]
            usable = isinstance(identifier, str) and _ID.fullmatch(identifier) and isinstance(kind, str) and isinstance(subject, dict)
        except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
            usable = None
        if not usable:
            raise InvalidRequest("This is not a Stripe event.", code="invalid_event")
        targets = targets_of(kind, subject)
        return InboxEvent(
            id=identifier,
            type=kind[:100],
            created_at=created,
            status="ignored" if targets is None else "received",
            received_at=self._clock.now(),
            targets=targets or (),
            object_id=_text(subject, "id"),
            api_version=_text(event, "api_version"),
        )


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value[:128] if isinstance(value, str) else ""


def event_values(event: InboxEvent) -> dict[str, Value]:
    return {
        "v": 1,
        "event_id": event.id,
        "type": event.type,
        "created_at": event.created_at,
        "received_at": event.received_at,
        "targets": json.dumps(event.targets),
        "object_id": event.object_id,
        "api_version": event.api_version,
        **_outcome(event),
    }


def _outcome(event: InboxEvent) -> dict[str, Value]:
    return {"status": event.status, "attempts": event.attempts, "error": event.error, "processed_at": event.processed_at}


def to_event(row: Row) -> InboxEvent:
    values = row.values
    created_at, received_at, processed_at = (values.get(name) for name in ("created_at", "received_at", "processed_at"))
    assert isinstance(created_at, datetime)
    assert isinstance(received_at, datetime)
    status = str(values["status"])
    assert status in ("received", "processed", "failed", "ignored")
    targets: Sequence[Sequence[str]] = json.loads(str(values["targets"]))
    return InboxEvent(
        id=str(values["event_id"]),
        type=str(values["type"]),
        created_at=created_at,
        status=status,  # type: ignore[arg-type]  # one of them, as the line above says
        received_at=received_at,
        targets=tuple((kind, identifier) for kind, identifier in targets),  # type: ignore[misc]  # as they were written
        object_id=str(values["object_id"]),
        api_version=str(values["api_version"]),
        attempts=int(str(values["attempts"])),
        error=str(values["error"]),
        processed_at=processed_at if isinstance(processed_at, datetime) else None,
    )
