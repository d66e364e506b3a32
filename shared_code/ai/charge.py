"""One request's bill: settled exactly once, however the request ends."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog

from .estimate import BYTES_PER_TOKEN, estimated_usage
from .models import Hold, Model, Usage
from .ports import Meter
from .reported import likely

log = structlog.get_logger("lydian.ai")

SPEED = 50
"""Tokens that a model writes in a second, about: what it has done for somebody who asked for all at once and did not wait."""
QUEUED = 3.0
"""Seconds that an answer may be in coming without anything having been thought."""

_settling: set[asyncio.Task[int]] = set()


class Charge:
    """Between a hold and its settlement."""

    def __init__(self, meter: Meter, hold: Hold, body: Mapping[str, Any], worst: Usage) -> None:
        self._meter, self._hold, self._worst = meter, hold, worst
        self._body: Mapping[str, Any] | None = body
        self._before = Usage(estimated=True)
        self._task: asyncio.Task[int] | None = None
        self._asked_at = 0.0
        self.model: Model | None = None
        """Who is being asked, or has answered."""

    def trying(self, model: Model) -> None:
        self.model, self._asked_at = model, time.monotonic()

    def answering(self, model: Model) -> None:
        """``model`` has begun. The body is let go: a stream may live long after it."""
        self.model = model
        if self._body is not None:
            self._before = estimated_usage(self._body, model, 0)
            self._body = None

    def likely(self, size: int = 0, pieces: int = 0) -> Usage:
        """An estimate, for what the provider has not said."""
        if self._body is not None and self.model is not None:
            return estimated_usage(self._body, self.model, size, pieces=pieces)
        return likely(self._before, self._worst, size, pieces)

    def unseen(self) -> Usage | None:
        """An estimate for a request whose answer nobody has waited for, by the whole seconds that the provider has had: it bills what it
        made. None: nobody had been asked."""
        if self.model is None:
            return None
        return self.likely(int(time.monotonic() - self._asked_at) * SPEED * BYTES_PER_TOKEN)

    @property
    def settling(self) -> bool:
        return self._task is not None

    def thought(self, spoke_at: float | None) -> int:
        """Bytes that a model has likely thought before it spoke at ``spoke_at`` (monotonic), or until now: they are billed, and only the
        usage at a stream's end tells of them, which who leaves before it never sees."""
        until = time.monotonic() if spoke_at is None else spoke_at
        return max(0, int(until - self._asked_at - QUEUED)) * SPEED * BYTES_PER_TOKEN

    async def settle(self, usage: Usage | None) -> int:
        """What the request cost, in micro-dollars. None: nobody answered, and it cost nothing. The first call counts, and goes on when
        its caller is cancelled."""
        return await asyncio.shield(self.begin(usage))

    def begin(self, usage: Usage | None) -> "asyncio.Task[int]":
        """The same, without waiting for it."""
        if self._task is None:
            settled = self._meter.settle(self._hold, self.model if usage is not None else None, usage or Usage())
            self._task = asyncio.ensure_future(settled)
            _settling.add(self._task)  # the loop itself keeps only a weak reference
            self._task.add_done_callback(_done)
        return self._task


def _done(task: "asyncio.Task[int]") -> None:
    _settling.discard(task)
    if not task.cancelled() and task.exception() is not None:
        log.error("ai_settlement_failed", exc_info=task.exception())
