"""What is looked up in storage on every request, remembered: one look for many requests, and none in vain."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from shared_code.clock import Clock
from shared_code.storage.notices import KEPT, Notices

V = TypeVar("V")

AHEAD = 0.6
"""The part of its time after which what is known is looked up again behind whoever asks: of a key in steady use no request waits."""


_NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class _Found(Generic[V]):
    value: V | None
    looked_at: datetime
    """When the look began: what changed later it may not have seen."""


@dataclass(frozen=True, slots=True)
class _Look(Generic[V]):
    task: "asyncio.Task[V | None]"
    began: datetime


class Lookups(Generic[V]):
    """Answers by key, none older than ``kept`` when it is asked for; those who ask at the same time wait for one look, and while a key is
    in use the next look is made in time, behind them.

    With ``notices`` a key is ``<subject>/<more>`` or the subject itself, and an answer counts for fifteen minutes (``notices.KEPT``)
    unless there was notice of its subject since: a change that is posted is seen within ``kept`` all the same.

    An error is not remembered. ``size`` bounds what is remembered; that there is nothing (None) has a room of its own of
    a tenth, so that made-up keys push no real ones out, and counts for ``kept`` only.
    """

    def __init__(self, clock: Clock, *, kept: timedelta, size: int, notices: Notices | None = None) -> None:
        self._clock, self._kept, self._size, self._notices = clock, kept, size, notices
        self._found: OrderedDict[str, _Found[V]] = OrderedDict()
        self._absent: OrderedDict[str, _Found[V]] = OrderedDict()
        self._looks: dict[str, _Look[V]] = {}
        self._overruled: dict[str, V | None] = {}

    async def get(self, key: str, look: Callable[[], Awaitable[V | None]]) -> V | None:
        if self._notices is not None and key in self._found:
            await self._notices.fresh()
        known = self._found.get(key) or self._absent.get(key)
        if known is None:
            return await asyncio.shield(self._begin(key, look))
        counts_for, age = self._counts_for(key, known), self._clock.now() - known.looked_at
        if age >= counts_for or age < _NONE:  # a clock that was put back says nothing of its age
            return await asyncio.shield(self._begin(key, look))
        if known.value is not None and age >= counts_for * AHEAD:
            self._begin(key, look)
        return known.value

    def set(self, key: str, value: V | None) -> None:
        """What is true from now on; a look that is under way is overruled."""
        if key in self._looks:
            self._overruled[key] = value
        self._remember(key, value, self._clock.now())

    def forget(self, key: str) -> None:
        """Ask again at the next use."""
        self._found.pop(key, None)
        self._absent.pop(key, None)

    def forget_all(self, prefix: str) -> None:
        """``forget`` for each key that begins so; what a look that is under way finds is not remembered either."""
        for kept in (self._found, self._absent):
            for key in [key for key in kept if key.startswith(prefix)]:
                del kept[key]
        for key in [key for key in self._looks if key.startswith(prefix)]:
            del self._looks[key]
            self._overruled.pop(key, None)

    def _counts_for(self, key: str, known: _Found[V]) -> timedelta:
        if self._notices is None or known.value is None or known.looked_at < self._notices.settled(key.partition("/")[0]):
            return self._kept
        return KEPT

    def _begin(self, key: str, look: Callable[[], Awaitable[V | None]]) -> "asyncio.Task[V | None]":
        """The look that is under way, or a new one; also when that one began so long ago that what it finds may be too old."""
        running, now = self._looks.get(key), self._clock.now()
        if running is None or not _NONE <= now - running.began < self._kept:
            task = asyncio.ensure_future(self._look(key, look, now))
            running = self._looks[key] = _Look(task, now)
            self._overruled.pop(key, None)
            task.add_done_callback(lambda done: self._looked(key, done))
        return running.task

    async def _look(self, key: str, look: Callable[[], Awaitable[V | None]], began: datetime) -> V | None:
        value = await look()
        running = self._looks.get(key)
        if running is None or running.task is not asyncio.current_task():
            return value  # as it was before somebody had it forgotten, or asked anew: for those only who asked before
        if key in self._overruled:
            return self._overruled[key]
        self._remember(key, value, began)
        return value

    def _looked(self, key: str, done: "asyncio.Task[V | None]") -> None:
        running = self._looks.get(key)
        if running is not None and running.task is done:
            del self._looks[key]
            self._overruled.pop(key, None)
        if not done.cancelled():
            done.exception()  # looked at, so that nobody's being there for it is no warning

    def _remember(self, key: str, value: V | None, looked_at: datetime) -> None:
        self.forget(key)
        kept, size = (self._absent, max(1, self._size // 10)) if value is None else (self._found, self._size)
        kept[key] = _Found(value, looked_at)
        if len(kept) > size:
            kept.popitem(last=False)
