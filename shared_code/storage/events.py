"""What services tell each other: one storage queue for each consuming service, delivered at least once."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog

from .ports import Queues

log = structlog.get_logger("lydian.events")

Event = Mapping[str, str | int | bool | None]


def queue_of(service: str) -> str:
    return f"{service}-events"


class Events(Protocol):
    async def send(self, service: str, event: Event, *, delay: int = 0) -> None:
        """Tell ``service``, after ``delay`` seconds; ``event["kind"]`` says what. The consumer must bear to be told twice."""


class QueueEvents:
    """Through the consumer's storage queue, whose trigger is in ``functions/<service>/jobs.py``."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def send(self, service: str, event: Event, *, delay: int = 0) -> None:
        await self._queues.send(queue_of(service), json.dumps(event), delay=delay)


class InProcessEvents:
    """With in-memory storage no host looks at queues: the consumer is called here, once, at once and in a task of its own."""

    def __init__(self, handle: Callable[[str, Event], Awaitable[None]]) -> None:
        self._handle = handle
        self._running: set[asyncio.Task[None]] = set()

    async def send(self, service: str, event: Event, *, delay: int = 0) -> None:
        task = asyncio.create_task(self._run(service, event))
        self._running.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._running.discard)

    async def _run(self, service: str, event: Event) -> None:
        try:
            await self._handle(service, event)
        except Exception:
            log.exception("event_failed", service=service, kind=event["kind"])

    async def drain(self) -> None:
        """Wait until every event has been handled, those that their handling sends included."""
        while self._running:
            await asyncio.gather(*self._running)


def parse(text: str) -> Event:
    """An event as it was sent; raises ValueError for anything else, so that it ends in the poison queue to be looked at."""
    event = json.loads(text)
    if not isinstance(event, dict) or not isinstance(event.get("kind"), str):
        raise ValueError("not an event: an object with a kind is wanted")
    return event


def unknown(service: str, event: Event) -> ValueError:
    """What a consumer raises for an event that it does not know: a newer sender's, which a later deployment may handle."""
    return ValueError(f"{service} knows no event {event['kind']!r}")
