"""Processing an event: what it concerns is fetched from Stripe and mirrored, then what follows from it is done.

Nothing of the event's own copy of the object is used, so that duplicates, a wrong order and two events of one second end in
the same, true state. An event may be processed any number of times, by several instances at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

import structlog

from shared_code.clock import Clock
from shared_code.errors import LydianError

from .event_targets import Kind
from .inbox import MAX_TRIES, Inbox, InboxEvent

log = structlog.get_logger("lydian.payments")

FETCHES_PER_SECOND = 20
"""Stripe allows 25 requests a second of one endpoint (https://docs.stripe.com/rate-limits): what a process takes of them."""

RETRIED_FOR = timedelta(minutes=4)
"""How long one run of the timer works: ``functionTimeout`` is ten minutes, and a silent Stripe takes half a minute for each object."""


class Mirror(Protocol):
    async def sync(self, kind: Kind, object_id: str) -> Mapping[str, Any] | None:
        """Fetch the object and mirror it; what Stripe holds, or None when Stripe knows it no more."""


Notify = Callable[[InboxEvent, Mapping[Kind, Mapping[str, Any]]], Awaitable[None]]
"""Told of each processed event with what was fetched; must bear to be told twice."""


class Processor:
    def __init__(self, inbox: Inbox, mirror: Mirror, notify: Notify, clock: Clock) -> None:
        self._inbox, self._mirror, self._notify, self._clock = inbox, mirror, notify, clock
        self._pace = Pace(FETCHES_PER_SECOND)

    async def process(self, table: str, key: str) -> InboxEvent | None:
        """Process one event unless it is done. It does not raise for what a later try may mend: the inbox notes it."""
        event = await self._inbox.get(table, key)
        if event is None or event.status in ("processed", "ignored"):
            return event
        return await self._attempt(event)

    async def replay(self, event_id: str) -> InboxEvent:
        """Process an event again now, whatever became of it before; raises NotFound."""
        event = await self._inbox.find(event_id)
        return event if event.status == "ignored" else await self._attempt(event)

    async def retry_due(self) -> int:
        """Take up every event whose next try is due, for RETRIED_FOR at most; how many were tried."""
        until, tried = self._clock.now() + RETRIED_FOR, 0
        for event in await self._inbox.due():
            if self._clock.now() >= until:
                break  # a Stripe that is slow: the next run goes on
            await self._attempt(event)
            tried += 1
        return tried

    async def _attempt(self, event: InboxEvent) -> InboxEvent:
        try:
            fetched: dict[Kind, Mapping[str, Any]] = {}
            for kind, object_id in event.targets:
                await self._pace.wait()
                found = await self._mirror.sync(kind, object_id)
                if found is not None:
                    fetched[kind] = found
            await self._notify(event, fetched)
        except LydianError as error:
            tried = await self._inbox.failed(event, f"{error.code}: {error.message}")
        except Exception as error:
            log.exception("stripe_event_failed", event_id=event.id, type=event.type)
            tried = await self._inbox.failed(event, f"internal error: {type(error).__name__}")
        else:
            return await self._inbox.succeeded(event)
        given_up = tried.attempts >= MAX_TRIES
        log.log(40 if given_up else 30, "stripe_event_not_processed", event_id=event.id, attempts=tried.attempts, error=tried.error)
        return tried


class Pace:
    """At most so many starts a second in this process, evenly spaced."""

    def __init__(self, per_second: float) -> None:
        self._gap, self._next = 1 / per_second, 0.0

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        mine = max(self._next, loop.time())
        self._next = mine + self._gap
        await asyncio.sleep(mine - loop.time())
