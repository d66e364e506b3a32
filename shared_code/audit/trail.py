"""Reading the trail, newest first: a user's own events, or everyone's. Every page does a bounded amount of work, and an event is
listed as soon as it is recorded, whether or not anything is sealed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared_code import ids
from shared_code.clock import Clock
from shared_code.errors import InvalidCursor
from shared_code.storage.ports import Row, Tables, Where

from . import tables as rows
from .heads import Heads
from .models import Event
from .sealer import LATE, UNSEALED

DAYS = 7
"""Days of which one page reads."""
SCAN = 1000
SCANS = 3
"""Rows, and queries of so many, that one page reads of one list when it filters."""
KNOWN_FOR = timedelta(seconds=30)
"""How long a process remembers what has been sealed. Older knowledge costs reading, never an event."""


@dataclass(frozen=True, slots=True)
class Filter:
    """``since`` is inclusive, ``until`` exclusive."""

    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    user_id: str | None = None

    def matches(self, event: Event) -> bool:
        return self.kind in (None, event.kind) and self.user_id in (None, event.user_id)

    @property
    def selects(self) -> bool:
        return self.kind is not None or self.user_id is not None


@dataclass(frozen=True, slots=True)
class Page:
    """``next`` is where the following page begins; None at the end. A page may be short, or empty, before the end."""

    events: list[Event]
    next: str | None


@dataclass(slots=True)
class _Part:
    """Of one list: what was found, newest first, and the position up to which it is complete; None: to its end."""

    found: list[Event]
    horizon: str | None = None


class Trail:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock, self._heads = tables, clock, Heads(tables)
        self._unsealed_since: dict[str, tuple[datetime, str | None]] = {}
        self._swept: tuple[datetime, str | None] | None = None

    async def own(self, user_id: str, wanted: Filter, *, after: str | None, limit: int) -> Page:
        """The user's events behind ``after``. Two or three storage calls for most."""
        begin, end = _bounds(wanted, after)
        # First what is not sealed: what becomes sealed meanwhile has its copy by then.
        parts, floor = await self._tails(user_id, wanted, begin, end, limit)
        parts.append(await self._read(rows.COPIES, user_id, "", wanted, begin, end, limit))
        horizon = min((each for each in (floor, *(part.horizon for part in parts)) if each is not None), default=None)
        found = {event.id: event for part in parts for event in part.found}
        return _page(list(found.values()), horizon, limit)

    async def everyone(self, wanted: Filter, *, after: str | None, limit: int) -> Page:
        """All events behind ``after``, straight from the days' logs."""
        begin, end = _bounds(wanted, after)
        newest = rows.day_at(begin) if begin else None
        oldest = rows.day_of(max(wanted.since, rows.EPOCH)) if wanted.since else ""
        # A writer's clock may be ahead: tomorrow may have begun.
        listed = [day for day in reversed(await rows.days(self._tables)) if day >= oldest and (newest is None or day <= newest)]
        found: list[Event] = []
        for number, day in enumerate(listed):
            if number == DAYS:
                return _page(found, _end_of(listed[number - 1]), limit)
            part = await self._read(rows.table_of(day), rows.LOG, rows.EVENT, wanted, begin, end, limit - len(found))
            found += part.found
            if part.horizon is not None:
                return _page(found, part.horizon, limit)
            if len(found) > limit:
                break
        return _page(found, None, limit)

    async def _tails(self, user_id: str, wanted: Filter, begin: str | None, end: str | None, limit: int) -> tuple[list[_Part], str | None]:
        """The user's unsealed events of each day that may have any, and how far back was looked when there are too many days."""
        newest = rows.day_at(begin) if begin else None
        days = [day for day in await self._unsealed_days() if newest is None or day <= newest]
        parts = []
        for day in days[:DAYS]:
            sealed = await self._sealed_until(day)
            stop = sealed if end is None else min(end, sealed or end)
            if begin is None or stop is None or begin < stop:
                where = [Where("user_id", "eq", user_id), UNSEALED]
                parts.append(await self._read(rows.table_of(day), rows.LOG, rows.EVENT, wanted, begin, stop, limit, where))
        return parts, _end_of(days[DAYS - 1]) if len(days) > DAYS else None

    async def _read(
        self,
        table: str,
        partition: str,
        prefix: str,
        wanted: Filter,
        begin: str | None,
        end: str | None,
        limit: int,
        where: Sequence[Where] = (),
    ) -> _Part:
        """More than ``limit`` matching events of one partition, or as many as SCANS queries find."""
        part = _Part([])
        size = SCAN if wanted.selects else limit + 1
        after = begin and prefix + begin
        before = end and prefix + end
        for _ in range(SCANS):
            page: list[Row] = await self._tables.query(table, partition, prefix=prefix, after=after, before=before, where=where, limit=size)
            part.found += [event for event in map(rows.to_event, filter(rows.is_event, page)) if wanted.matches(event)]
            if len(page) < size:
                return part
            after = page[-1].key
            if len(part.found) > limit:
                break
        part.horizon = after.removeprefix(prefix) if after else None
        return part

    async def _unsealed_days(self) -> list[str]:
        """The days that may have unsealed rows, newest first: today, and those of which no night has sealed the rest."""
        now = self._clock.now()
        if self._swept is None or now - self._swept[0] > KNOWN_FOR:
            self._swept = (now, await self._heads.swept())
        swept, today, yesterday = self._swept[1], rows.day_of(now), rows.day_of(now - timedelta(days=1))
        if swept is not None and swept >= rows.day_before(yesterday):
            return [today, yesterday] if swept < yesterday else [today]
        return [day for day in reversed(await rows.days(self._tables)) if day <= today and (swept is None or day > swept)]

    async def _sealed_until(self, day: str) -> str | None:
        """The position behind which the day has no unsealed rows, but for the latest comers; None when nothing is sealed."""
        now = self._clock.now()
        known = self._unsealed_since.get(day)
        if known is None or now - known[0] > KNOWN_FOR:
            try:
                head = await self._heads.of(day)
            except ValueError:
                head = None
            known = (now, rows.position(head.sealed_through - LATE) if head else None)
            self._unsealed_since = {
                **{each: value for each, value in self._unsealed_since.items() if each > rows.day_before(day)},
                day: known,
            }
        return known[1]


def _bounds(wanted: Filter, after: str | None) -> tuple[str | None, str | None]:
    """Positions between which the page lies, both exclusive."""
    if after is not None:
        try:
            rows.day_at(after)
        except ValueError:
            raise InvalidCursor("This cursor does not belong to this list.") from None
    begin = rows.position(wanted.until) if wanted.until else None
    begin = max((each for each in (begin, after) if each is not None), default=None)
    return begin, rows.position(wanted.since) if wanted.since else None


def _end_of(day: str) -> str:
    """The position behind a day's last event."""
    return rows.position(rows.moment_of(day))


def _page(found: list[Event], horizon: str | None, limit: int) -> Page:
    listed = sorted(((ids.inverted(event.id), event) for event in found), key=lambda each: each[0])
    within = [each for each in listed if horizon is None or each[0] <= horizon]
    if len(within) > limit:
        return Page([event for _, event in within[:limit]], within[limit - 1][0])
    return Page([event for _, event in within], horizon)
