"""Notices: what other instances must hear of within seconds, so that none of them has to ask for it with every request.

Table ``notices``, one partition, a row ``<milliseconds>:<subject>``: something about the subject (an account, the models' switches) is
about to change. Each instance reads what is new, in one call every few seconds for all its subjects together, and what it had
looked up about others goes on counting meanwhile. A notice says nothing but *look again*: it may come twice, or of a change that did not
come about.

It is posted before the change, so that a process that dies between the two leaves nothing unheard. Since a look in between finds what was
before, what is looked up about a subject counts for seconds only until the change must have been made (``SETTLES``). Who was held up so
long that it may have been made later (a slow storage, a process that was stopped) posts again behind it: ``changing`` sees to both.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from datetime import UTC, datetime, timedelta

import structlog

from shared_code.clock import Clock
from shared_code.errors import StorageUnavailable

from .ports import Delete, Missing, Tables, Upsert

log = structlog.get_logger("lydian.notices")

TABLE, PARTITION = "notices", "all"
FRESH = timedelta(seconds=5)
"""How long ago this process may have begun to read, for its answers to count: within so long a notice is heard everywhere."""
EVERY = 3.0
"""Seconds between two reads of an instance in use: behind its requests, and also while none come."""
IN_USE = timedelta(minutes=10)
"""An instance that was asked nothing for so long stops reading; its next request waits for one read."""
SETTLES = timedelta(minutes=2)
"""From a notice to when its change has been made or never will be, and how far a clock may be behind, together: the clocks of two
instances are at most a minute apart."""
LATE = timedelta(seconds=15)
"""A notice, or its change, that took longer is posted again. What is left of SETTLES is for a clock that was put back meanwhile."""
KEPT = timedelta(minutes=15)
"""How long a look may count, and so how far back a reader must have read."""
PAGE = 1000
TRIES = 3


class Notices:
    def __init__(self, tables: Tables, clock: Clock, *, every: float | None = EVERY) -> None:
        """``every``: None for a process that reads only when it is asked."""
        self._tables, self._clock, self._every = tables, clock, every
        # What was looked up before this object was made, nobody has: there is nothing to hear about it.
        self._read_at = self._used_at = clock.now()
        self._settled: OrderedDict[str, datetime] = OrderedDict()
        self._reading: asyncio.Task[None] | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def post(self, subject: str) -> datetime:
        """Tell that the subject is about to change, and when that was. One storage call. ``subject``: an id, or a word.
        Raises StorageUnavailable, and then the change must not be made."""
        for _ in range(TRIES):
            now = self._clock.now()
            await self._tables.apply(TABLE, PARTITION, Upsert(f"{_key(now)}:{subject}", {"v": 1}))
            self._hear(subject, now)
            if not self._is_late(now):  # else readers may be past it already
                return now
        raise StorageUnavailable("The table storage takes too long.")

    @asynccontextmanager
    async def changing(self, subject: str) -> AsyncIterator[None]:
        """Around what changes the subject: posted before, and again behind it when that took long, however it ended."""
        posted_at = await self.post(subject)
        try:
            yield
        finally:
            if self._is_late(posted_at):
                await self.post(subject)

    def _is_late(self, since: datetime) -> bool:
        return abs(self._clock.now() - since) > LATE

    async def fresh(self) -> None:
        """Have read what was posted until FRESH ago: a storage call only for the first who comes after a time without any use. Raises
        StorageUnavailable."""
        self._used_at = now = self._clock.now()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the host may change it, and then nothing goes on of what the other one began
            self._loop, self._tick, self._reading = loop, None, None
        if self._every is not None and self._tick is None:
            # Of no request: else all that is read from now on would stand in this one's trace.
            self._tick = loop.call_later(self._every, self._next, context=Context())
        for _ in range(2):  # a read that was under way may have begun long ago: then the next one
            if now - FRESH < self._read_at <= self._clock.now():  # behind it, a clock that was put back
                return
            await asyncio.shield(self._begin())

    def settled(self, subject: str) -> datetime:
        """A look that began then or later is not overtaken by any notice that was heard; an earlier one may be."""
        return self._settled.get(subject, _LONG_AGO)

    def _begin(self) -> "asyncio.Task[None]":
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read())
            self._reading.add_done_callback(_seen)
        return self._reading

    def _next(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            return
        self._tick = None
        if self._every is None or self._clock.now() - self._used_at > IN_USE:
            return
        self._tick = asyncio.get_running_loop().call_later(self._every, self._next)
        self._begin()

    async def _read(self) -> None:
        began = self._clock.now()
        after: str | None = _key(max(min(self._read_at, began), began - KEPT) - SETTLES)
        while rows := await self._tables.query(TABLE, PARTITION, after=after, limit=PAGE):
            for row in rows:
                stamp, _, subject = row.key.partition(":")
                self._hear(subject, datetime.fromtimestamp(int(stamp) / 1000, UTC))
            after = rows[-1].key
            if len(rows) < PAGE:
                break
        self._read_at = began

    def _hear(self, subject: str, posted_at: datetime) -> None:
        now = self._clock.now()
        # A stamp from a clock that is far ahead would stay for so long, and keep all behind it.
        settled = min(posted_at, now + SETTLES) + SETTLES
        if settled > self.settled(subject):
            self._settled[subject] = settled
            self._settled.move_to_end(subject)
        while self._settled and next(iter(self._settled.values())) < now - KEPT - SETTLES:  # here, since who only posts never reads
            self._settled.popitem(last=False)


async def purge(tables: Tables, now: datetime) -> int:
    """Remove what every reader has read, or need not; return how many rows. Safe to run twice."""
    removed = 0
    before = _key(now - KEPT - 2 * SETTLES)
    while rows := await tables.query(TABLE, PARTITION, before=before, limit=100):
        try:
            await tables.batch(TABLE, PARTITION, [Delete(row.key) for row in rows])
        except Missing:
            break  # another purge is at it
        removed += len(rows)
    return removed


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _key(moment: datetime) -> str:
    return f"{int(moment.timestamp() * 1000):013d}"


def _seen(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.debug("notices_not_read", error=type(task.exception()).__name__)
