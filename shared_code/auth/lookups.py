"""What is asked of storage on every request, remembered for seconds: one look for many requests."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from shared_code.clock import Clock

V = TypeVar("V")

AHEAD = 0.6
"""The part of its time after which what is known is looked up again behind whoever asks: of a key in steady use no request waits."""


class Lookups(Generic[V]):
    """Answers by key, none older than ``kept``; those who ask at the same time wait for one look, and while a key is in use the next
    look is made in time, behind them.

    An error is not remembered. ``size`` bounds what is remembered; that there is nothing (None) has a room of its own of
    a tenth, so that made-up keys push no real ones out.
    """

    def __init__(self, clock: Clock, *, kept: timedelta, size: int) -> None:
        self._clock, self._kept, self._size = clock, kept, size
        self._found: OrderedDict[str, tuple[V | None, datetime]] = OrderedDict()
        self._absent: OrderedDict[str, tuple[V | None, datetime]] = OrderedDict()
        self._looks: dict[str, asyncio.Task[V | None]] = {}
        self._overruled: dict[str, V | None] = {}

    async def get(self, key: str, look: Callable[[], Awaitable[V | None]]) -> V | None:
        known, now = self._found.get(key) or self._absent.get(key), self._clock.now()
        if known is None or known[1] <= now:
            return await asyncio.shield(self._begin(key, look))
        if known[0] is not None and known[1] - now <= self._kept * (1 - AHEAD):
            self._begin(key, look)
        return known[0]

    def set(self, key: str, value: V | None) -> None:
        """What is true from now on; a look that is under way is overruled."""
        if key in self._looks:
            self._overruled[key] = value
        self._remember(key, value)

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

    def _begin(self, key: str, look: Callable[[], Awaitable[V | None]]) -> "asyncio.Task[V | None]":
        """The look that is under way, or a new one."""
        running = self._looks.get(key)
        if running is None:
            running = asyncio.ensure_future(self._look(key, look))
            self._looks[key] = running
            running.add_done_callback(lambda done: self._looked(key, done))
        return running

    async def _look(self, key: str, look: Callable[[], Awaitable[V | None]]) -> V | None:
        value = await look()
        if self._looks.get(key) is not asyncio.current_task():
            return value  # as it was before somebody had it forgotten: for those only who asked before
        if key in self._overruled:
            return self._overruled[key]
        self._remember(key, value)
        return value

    def _looked(self, key: str, done: "asyncio.Task[V | None]") -> None:
        if self._looks.get(key) is done:
            del self._looks[key]
            self._overruled.pop(key, None)
        if not done.cancelled():
            done.exception()  # looked at, so that nobody's being there for it is no warning

    def _remember(self, key: str, value: V | None) -> None:
        self.forget(key)
        kept, size = (self._absent, max(1, self._size // 10)) if value is None else (self._found, self._size)
        kept[key] = (value, self._clock.now() + self._kept)
        if len(kept) > size:
            kept.popitem(last=False)
