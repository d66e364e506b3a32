"""Change feeds: whose figures have changed, so that a timer that adds everybody's up need not look at everybody.

Table ``changes``, partition = the feed's name, a row ``<window>:<owner>`` says that something of the owner changed in that window
of five minutes. A process writes an owner down at most once a window, and does so behind its answers: a few seconds later, many
owners at a time, so that no request waits for it. Who reads the feed looks at the owner itself, never at what the mark says, so that a
mark may come late, twice, or from several processes.

A mark stays until its window has been over for ``GRACE``: until then a process that has written it may count on it for further
changes. What is lost with a process that dies before it has written (at most ``DELAY`` seconds of marks) the nightly recount finds.
One partition takes 2,000 rows a second (Microsoft, "Scalability targets for Table storage"): 600,000 owners who change something within
five minutes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Protocol

import structlog

from shared_code.clock import Clock

from .ports import Delete, EtagMismatch, Missing, Tables, Upsert

log = structlog.get_logger("lydian.feeds")

TABLE = "changes"
WINDOW = timedelta(minutes=5)
GRACE = timedelta(minutes=1)
"""How far the clocks of two instances may be apart."""
DELAY = 5.0
LONGEST_DELAY = 60.0
"""Seconds between tries while storage refuses."""
MOST_WAITING = 20_000
MOST_REMEMBERED = 100_000
BATCH = 100
PAGE = 500
_FORM = "%Y%m%dT%H%M"


class Changes(Protocol):
    """What a service tells of its changes."""

    def note(self, owner: str) -> None:
        """Something of the owner has changed, or may have. Say so after the write, never before: costs no storage call here."""


@dataclass(frozen=True, slots=True)
class Mark:
    owner: str
    window: datetime
    key: str
    etag: str

    def over(self, now: datetime) -> bool:
        """Nobody counts on it any more."""
        return self.window + WINDOW + GRACE <= now


class ChangeFeed:
    def __init__(self, tables: Tables, clock: Clock, name: str, *, delay: float = DELAY) -> None:
        self._tables, self._clock, self._name, self._delay = tables, clock, name, delay
        self._window: datetime | None = None
        self._remembered: set[str] = set()
        self._waiting: dict[str, None] = {}  # keys, in order
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._failures = 0

    def note(self, owner: str) -> None:
        window = _window(self._clock.now())
        if window != self._window or len(self._remembered) >= MOST_REMEMBERED:
            self._window, self._remembered = window, set()
        if owner in self._remembered:
            return
        if len(self._waiting) >= MOST_WAITING:
            log.warning("changes_not_noted", feed=self._name, effect="the nightly recount will find them")
            return
        self._remembered.add(owner)
        self._waiting[_key(window, owner)] = None
        self._schedule()

    async def flush(self) -> None:
        """Write what waits now. Raises StorageUnavailable, and what was not written keeps waiting."""
        while keys := list(islice(self._waiting, BATCH)):
            await self._tables.batch(TABLE, self._name, [Upsert(key, {"v": 1}) for key in keys])
            for key in keys:
                self._waiting.pop(key, None)

    async def page(self, after: str | None = None) -> list[Mark]:
        """Up to 500 marks behind the key ``after``, oldest window first."""
        rows = await self._tables.query(TABLE, self._name, after=after, limit=PAGE)
        return [Mark(row.key.partition(":")[2], _moment(row.key), row.key, row.etag) for row in rows]

    async def settle(self, marks: Sequence[Mark]) -> None:
        """Remove marks that are over, once what they led to has been counted. One that was written again meanwhile stays."""
        over = [mark for mark in marks if mark.over(self._clock.now())]
        for first in range(0, len(over), BATCH):
            group = over[first : first + BATCH]
            try:
                await self._tables.batch(TABLE, self._name, [Delete(mark.key, mark.etag) for mark in group])
            except (EtagMismatch, Missing):
                for mark in group:  # another run is at it, or a process that was late
                    await self._remove(mark)

    async def _remove(self, mark: Mark) -> None:
        try:
            await self._tables.apply(TABLE, self._name, Delete(mark.key, mark.etag))
        except (EtagMismatch, Missing):
            pass

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._timer = loop, None  # a loop that has ended fires no timer
        if self._timer is None:
            self._timer = loop.call_later(min(self._delay * 2**self._failures, LONGEST_DELAY), self._start)

    def _start(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._run())  # kept, for the loop holds only a weak reference

    async def _run(self) -> None:
        try:
            await self.flush()
            self._failures = 0
        except Exception as error:
            self._failures = min(self._failures + 1, 10)
            log.warning("changes_not_written", feed=self._name, waiting=len(self._waiting), reason=type(error).__name__)
            self._schedule()


def _window(moment: datetime) -> datetime:
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(WINDOW.total_seconds()), UTC)


def _key(window: datetime, owner: str) -> str:
    return f"{window.strftime(_FORM)}:{owner}"


def _moment(key: str) -> datetime:
    return datetime.strptime(key.partition(":")[0], _FORM).replace(tzinfo=UTC)
