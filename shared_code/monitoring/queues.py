"""Queues between services, and what the host gave up on: the poison queues, from which an operator moves messages back."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from shared_code.clock import Clock
from shared_code.errors import NotFound
from shared_code.storage.ports import Message, Queues

log = structlog.get_logger("lydian.monitoring")

TURN = timedelta(seconds=20)
"""After this long a replay answers with what it has moved; the next one goes on."""
TAKEN_FOR = 120
"""Seconds for which a message that is being moved is nobody else's; one that was not moved by then shows again."""
GROUP = 32


@dataclass(frozen=True, slots=True)
class QueueState:
    """``kinds``: what the first 32 poison messages ask for, and how many times. Lengths are storage's own estimates."""

    name: str
    length: int
    poison_length: int
    oldest_poison_at: datetime | None = None
    kinds: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    queue: str
    moved: int
    left: int


class QueueRoom:
    def __init__(self, queues: Queues, clock: Clock, names: Sequence[str]) -> None:
        self._queues, self._clock, self._names = queues, clock, names

    async def states(self) -> list[QueueState]:
        """Every queue. Two storage calls each, and one more for each poison queue that is not empty."""
        return list(await asyncio.gather(*map(self._state, self._names)))

    async def replay(self, name: str) -> Replayed:
        """Move the queue's poison messages back as they are. Raises NotFound for a queue that is none of ours.

        A message is sent before it is removed: whoever dies in between leaves it in both, and every consumer bears to be told twice.
        """
        if name not in self._names:
            raise NotFound("There is no such queue.", code="queue_not_found")
        poison, until, moved = poison_of(name), self._clock.now() + TURN, 0
        # No more than there were: what fails again meanwhile would go round for ever.
        wanted = max(await self._queues.count(poison), GROUP)
        while moved < wanted and self._clock.now() < until:
            messages = await self._queues.receive(poison, limit=min(GROUP, wanted - moved), visibility=TAKEN_FOR)
            if not messages:
                break
            await asyncio.gather(*(self._move(name, message) for message in messages))
            moved += len(messages)
        left = await self._queues.count(poison)
        log.info("poison_replayed", queue=name, moved=moved, left=left)
        return Replayed(name, moved, left)

    async def _move(self, name: str, message: Message) -> None:
        await self._queues.send(name, message.text)
        await self._queues.delete(poison_of(name), message)

    async def _state(self, name: str) -> QueueState:
        poison = poison_of(name)
        length, poison_length = await asyncio.gather(self._queues.count(name), self._queues.count(poison))
        if not poison_length:
            return QueueState(name, length, poison_length)
        seen = await self._queues.peek(poison, limit=GROUP)
        kinds = Counter(_kind(message.text) for message in seen)
        return QueueState(name, length, poison_length, min((message.inserted_at for message in seen), default=None), kinds)


def poison_of(name: str) -> str:
    """Where the host moves what failed five times
    (https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#poison-messages)."""
    return f"{name}-poison"


def _kind(text: str) -> str:
    """What a message asks for. Nothing else of it is shown: it may hold what is personal."""
    try:
        event = json.loads(text)
    except ValueError:
        return "unreadable"
    kind = event.get("kind") if isinstance(event, dict) else None
    return kind[:64] if isinstance(kind, str) else "unreadable"
