"""Queues in memory: the rules of Azure Queue storage without its latency. One event loop; nothing survives the process."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from ..clock import Clock
from . import limits
from .ports import Message


@dataclass(slots=True)
class _Waiting:
    id: str
    text: str
    inserted_at: datetime
    visible_at: datetime
    receipt: str = ""
    dequeue_count: int = 0

    def seen(self, receipt: str) -> Message:
        return Message(self.id, self.text, receipt, self.dequeue_count, self.inserted_at)


class MemoryQueues:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queues: dict[str, dict[str, _Waiting]] = {}
        self._numbers = count(1)

    async def send(self, queue: str, text: str, *, delay: int = 0) -> None:
        limits.container_name(queue)
        limits.message(text, delay)
        now = self._clock.now()
        message = _Waiting(str(next(self._numbers)), text, now, now + timedelta(seconds=delay))
        self._queues.setdefault(queue, {})[message.id] = message

    async def receive(self, queue: str, *, limit: int = 1, visibility: int = 30) -> list[Message]:
        limits.container_name(queue)
        limits.page(limit, 32)
        limits.visibility(visibility)
        taken = self._visible(queue)[:limit]
        for message in taken:
            message.visible_at = self._clock.now() + timedelta(seconds=visibility)
            message.receipt = str(next(self._numbers))
            message.dequeue_count += 1
        return [message.seen(message.receipt) for message in taken]

    async def delete(self, queue: str, message: Message) -> None:
        limits.container_name(queue)
        waiting = self._queues.get(queue, {})
        found = waiting.get(message.id)
        if found is not None and found.receipt == message.receipt:
            del waiting[message.id]

    async def peek(self, queue: str, *, limit: int = 32) -> list[Message]:
        limits.container_name(queue)
        limits.page(limit, 32)
        return [message.seen("") for message in self._visible(queue)[:limit]]

    async def count(self, queue: str) -> int:
        limits.container_name(queue)
        return len(self._queues.get(queue, {}))

    def _visible(self, queue: str) -> list[_Waiting]:
        now = self._clock.now()
        return [message for message in self._queues.get(queue, {}).values() if message.visible_at <= now]
