"""Real traffic, gathered in memory and written by time: a row for each instance and minute (table ``trafficYYYYMMDD``).

There is no shutdown hook, so nothing waits for one: a minute is written seconds after its end. A process that dies loses what it has
counted since, a minute and a few seconds at most. While storage does not answer, ``KEPT`` minutes wait, and older ones are lost.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import UTC, datetime

import structlog

from shared_code.clock import Clock
from shared_code.errors import LydianError
from shared_code.storage.daily import table_for
from shared_code.storage.ports import AlreadyExists, Insert, Tables

from .histogram import bucket_of
from .traffic_rows import FALLBACK, Key, Kind, Series, Traffic, pack

log = structlog.get_logger("lydian.monitoring")

PREFIX, MINUTES = "traffic", "minutes"
KEPT = 15
"""Minutes that wait for a storage that does not answer."""
SETTLE = (1.0, 4.0)
"""Seconds after a minute's end at which it is written: not all instances at the same moment."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Recorder:
    """One for a process. ``observe`` is called by the event loop alone.

    ``and_then`` is done each minute too: the instance says that it lives. ``writes=False`` counts and never writes (tests).
    """

    def __init__(
        self,
        tables: Callable[[], Tables],
        clock: Clock,
        instance: str,
        *,
        and_then: Callable[[], Awaitable[None]] | None = None,
        writes: bool = True,
    ) -> None:
        self._tables, self._clock, self._instance, self._and_then, self._writes = tables, clock, instance, and_then, writes
        self._minute = 0
        self._current: Traffic = {}
        self._pending: deque[tuple[int, int, Traffic]] = deque()
        self._number = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writing: asyncio.Task[None] | None = None
        self.lost = 0
        """Minutes that were given up."""

    def observe(self, function: str | None, method: str, status: int, first: float, whole: float, *, streamed: bool, cold: bool) -> None:
        """Count a request. ``first`` and ``whole``: seconds to the first byte and to the last."""
        minute = int(self._clock.now().timestamp()) // 60
        if minute != self._minute:
            self._turn(minute)
        kind: Kind = "cold" if cold else "stream" if streamed else "plain"
        key = Key(function or FALLBACK, method if method in METHODS else "OTHER", status // 100 or 5, kind)
        series = self._current.get(key)
        if series is None:
            series = self._current[key] = Series()
        taken = first if streamed else whole
        series.count += 1
        series.micros += int(taken * 1e6)
        bucket = bucket_of(taken)
        series.latency[bucket] = series.latency.get(bucket, 0) + 1
        if streamed:
            bucket = bucket_of(whole)
            series.whole[bucket] = series.whole.get(bucket, 0) + 1

    def _turn(self, minute: int) -> None:
        """Begin another minute, also an earlier one: a clock may be put back. What was counted of the last one is to be written."""
        self._close()
        self._minute = minute
        if not self._writes:
            return
        if self._pending:
            self._write_soon()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            self._arm(loop)

    def _close(self) -> None:
        if not self._current:
            return
        self._number += 1
        self._pending.append((self._minute, self._number, self._current))
        self._current = {}
        while len(self._pending) > KEPT:
            minute, _, _ = self._pending.popleft()
            self.lost += 1
            log.warning("traffic_lost", minute=datetime.fromtimestamp(minute * 60, UTC).isoformat())

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        left = 60 - self._clock.now().timestamp() % 60
        loop.call_later(left + random.uniform(*SETTLE), self._due, loop, context=Context())  # of no request

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        minute = int(self._clock.now().timestamp()) // 60
        if minute != self._minute:
            self._close()
        self._write_soon()
        self._arm(loop)

    def _write_soon(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        try:
            await self.flush()
            if self._and_then is not None:
                await self._and_then()
        except LydianError as error:
            log.warning("traffic_not_written", waiting=len(self._pending), error=error.message)
        except Exception:  # nobody waits for this task; the next minute tries again
            log.exception("traffic_not_written", waiting=len(self._pending))

    async def flush(self) -> None:
        """Write every minute that is over. One storage call each; raises StorageUnavailable, and then keeps what it has not written."""
        if int(self._clock.now().timestamp()) // 60 != self._minute:
            self._close()
        while self._pending:
            minute, number, traffic = self._pending[0]
            moment = datetime.fromtimestamp(minute * 60, UTC)
            # The number: after a clock was put back, a minute has two parts.
            key = f"{moment:%H%M}:{self._instance}:{number}"
            values = await asyncio.to_thread(pack, traffic)
            try:
                await self._tables().apply(table_for(PREFIX, moment), MINUTES, Insert(key, values))
            except AlreadyExists:
                pass  # written by a try whose answer was lost
            if self._pending and self._pending[0][1] == number:  # not one that was given up meanwhile
                self._pending.popleft()
