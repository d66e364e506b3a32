"""A provider's stream on its way to the client: every one ends in one terminal event, and is settled before it."""

import asyncio
import time
from collections.abc import AsyncGenerator

import structlog

from shared_code.errors import LydianError, UpstreamFailed, UpstreamTimeout

from .attempts import to_domain
from .charge import Charge
from .frames import TooLong
from .models import Model, Usage
from .ports import Answer, NoAnswer
from .watching import Watcher

log = structlog.get_logger("lydian.ai")

DRAINED_FOR = 0.2
"""Seconds that the end of the provider's body is waited for behind its last event, so that the connection can serve again."""


class Stream:
    """``frames()`` is iterated once, and closed by whoever stops early: that cancels the provider's work and settles."""

    def __init__(self, model: Model, answer: Answer, watcher: Watcher, charge: Charge, *, until: float) -> None:
        """``until``: the event loop's time when it must have ended."""
        self.model, self.watcher = model, watcher
        self._answer, self._charge = answer, charge
        self._until = until
        self._spoke_at: float | None = None
        self._left: Usage | None = None
        self.failure: LydianError | None = None
        """Why it ended as it should not."""
        self.cost = 0
        """In micro-dollars, when it has ended."""

    @property
    def usage(self) -> Usage:
        watcher = self.watcher
        return watcher.usage or self._left or self._charge.likely(watcher.size, watcher.pieces)

    def _leave(self) -> "asyncio.Task[int]":
        """Settle what has not been: nobody waits for its end."""
        watcher = self.watcher
        if not self._charge.settling and watcher.usage is None:
            self._left = self._charge.likely(watcher.size + self._charge.thought(self._spoke_at), watcher.pieces)
        return self._charge.begin(self.usage)

    async def aclose(self) -> None:
        """For a stream whose frames nobody has asked for yet; after them it changes nothing."""
        settled = self._leave()
        await self._answer.aclose()
        await asyncio.wait({settled})  # an invocation may be stopped when it has ended
        if not settled.cancelled() and settled.exception() is None:
            self.cost = settled.result()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        last: bytes | None = None
        chunks = self._answer.chunks()
        try:
            try:
                while True:
                    # Also in silence: of an invocation that lasts too long the host restarts the worker.
                    async with asyncio.timeout_at(self._until):
                        chunk = await anext(chunks, None)
                    if chunk is None:
                        last = self.watcher.end()
                        if last is None:
                            raise NoAnswer("its stream ended before the answer did")
                        break
                    passed = self.watcher.feed(chunk)
                    if self._spoke_at is None and self.watcher.size:
                        self._spoke_at = time.monotonic()
                    if passed.now:
                        yield passed.now
                    if passed.last is not None:
                        last = passed.last
                        break
                    if asyncio.get_running_loop().time() > self._until:  # what is there at once never waits
                        raise TimeoutError
            except TimeoutError:
                self.failure = UpstreamTimeout("The answer took longer than a request may last.")
            except TooLong:
                self.failure = UpstreamFailed("The model's provider sends events that are too large.")
            except NoAnswer as error:
                self.failure = to_domain(error)
            except Exception:
                log.exception("ai_stream_error", model=self.model.name)
                self.failure = LydianError("Something went wrong on our side.", code="internal_error")
            if self.watcher.failed is not None:
                message = str(self.watcher.failed.get("message") or "The model's provider ended its stream with an error.")
                self.failure = UpstreamFailed(message)
                self.failure.extra["error"] = dict(self.watcher.failed)
            if self.failure is not None:
                log.warning("ai_stream_failed", model=self.model.name, reason=self.failure.message)
                last = last or self.watcher.error(self.failure)
                await self._answer.aclose()
            self.cost = await self._charge.settle(self.usage)
            if last is not None:
                yield last
            if self.failure is None:
                await _drain(chunks)
        finally:
            # Also when the client has gone: what was generated is paid for, and no more is wanted.
            self._leave()
            await chunks.aclose()
            await self.aclose()


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    try:
        async with asyncio.timeout(DRAINED_FOR):
            async for _ in chunks:
                pass
    except (TimeoutError, NoAnswer):
        pass  # the connection is closed then; nobody misses it
