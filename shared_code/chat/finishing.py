"""How an answer ends, whoever ends it: one of them wins, by the row's ETag, and what it stored is what everybody sees.

Its writer ends it in the end. If that has not been heard of for a while, its instance has died: whoever reads the message, or
the sweep, ends it as ``failed`` with the text so far.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import structlog

from shared_code.clock import Clock
from shared_code.errors import StorageUnavailable
from shared_code.storage.events import Events
from shared_code.storage.ports import Delete, EtagMismatch, Missing, Operation, Replace, Tables

from .contents import Contents
from .failures import INTERRUPTED
from .models import Message
from .tables import CHATS, SHARDS, WORK, key_of, message_key, message_values, pending, running_partition, to_message
from .tree import place_of

log = structlog.get_logger("lydian.chat")

BEAT = timedelta(seconds=5)
"""How often the writer of an answer is heard of at least."""
LEASE = timedelta(seconds=25)
"""After this long without being heard of it is dead. With the sweep every 30 seconds that is 55 at most: SPEC §7 says 60."""
TRIES = 8


class Finishing:
    def __init__(self, tables: Tables, clock: Clock, contents: Contents, events: Events) -> None:
        self._tables, self._clock, self._contents, self._events = tables, clock, contents, events

    async def finish(self, owner_id: str, message: Message) -> Message:
        """Store how it ended; return how it ended, which is otherwise when somebody else was faster. Missing when its
        conversation has been deleted; StorageUnavailable when storage stays away."""
        stored = await self._contents.put(owner_id, replace(message, beat_at=None, stop=False))
        etag, unavailable = message.etag, None
        for attempt in range(TRIES):
            try:
                operations: list[Operation] = [Replace(key_of(stored), message_values(stored), etag), pending(stored)]
                etags = await self._tables.batch(CHATS, owner_id, operations)
                await self._done(owner_id, message)
                return replace(stored, content=message.content, etag=etags[0])
            except StorageUnavailable as error:
                unavailable = error
                await asyncio.sleep(min(2.0, 0.1 * 2**attempt))
            except EtagMismatch:
                pass
            except Missing:
                await self._contents.discard(stored)
                raise
            current = await self.current(owner_id, message)
            if current.status != "streaming":
                if current.blob != stored.blob:
                    await self._contents.discard(stored)
                [current] = await self._contents.filled([current])
                return current
            etag = current.etag
            if len(current.content) > len(message.content):  # its writer was alive, and has stored more meanwhile
                await self._contents.discard(stored)
                message = replace(message, content=current.content)
                stored = await self._contents.put(owner_id, replace(stored, content=current.content, blob=""))
        raise unavailable or StorageUnavailable("The answer could not be stored.")

    async def current(self, owner_id: str, message: Message) -> Message:
        """The message as it is stored now, without a content that is in a blob; Missing."""
        row = await self._tables.get(CHATS, owner_id, key_of(message))
        if row is None or row.values["id"] != message.id:
            raise Missing
        return to_message(row)

    async def settle(self, owner_id: str, message: Message) -> Message:
        """The message, ended as failed if its writer has died."""
        if message.status != "streaming" or not self._dead(message):
            return message
        log.warning("answer_interrupted", message_id=message.id, characters=len(message.content))
        failed = replace(message, status="failed", error=INTERRUPTED)
        try:
            return await self.finish(owner_id, failed)
        except Missing:
            return failed  # it is being deleted: nobody will see it again

    def _dead(self, message: Message) -> bool:
        return message.beat_at is None or self._clock.now() - message.beat_at > LEASE

    async def _done(self, owner_id: str, message: Message) -> None:
        """It runs no more. What of this is lost, the sweep and the next message make good."""
        try:
            await self._tables.apply(WORK, running_partition(owner_id), Delete(message.run))
        except (Missing, StorageUnavailable):
            pass
        event = {"user_id": owner_id, "conversation_id": message.conversation_id, "message_id": message.id}
        try:
            await self._events.send("chat", {"kind": "answered", **event})
        except StorageUnavailable:
            pass

    async def sweep(self) -> int:
        """End every answer whose writer has died; return how many. Safe to repeat, and in parallel."""
        counts = await asyncio.gather(*(self._sweep_shard(f"running:{shard}") for shard in range(SHARDS)))
        return sum(counts)

    async def _sweep_shard(self, partition: str) -> int:
        ended, after = 0, None
        while rows := await self._tables.query(WORK, partition, after=after, limit=100):
            after = rows[-1].key
            for row in rows:
                at = row.values["at"]
                if self._clock.now() - at > LEASE:  # type: ignore[operator]  # our own column
                    ended += await self._sweep_one(partition, row.key, row.values)
        return ended

    async def _sweep_one(self, partition: str, key: str, values: Mapping[str, object]) -> int:
        owner_id, conversation_id, message_id = (str(values[name]) for name in ("owner_id", "conversation_id", "message_id"))
        place = place_of(message_id)
        row = await self._tables.get(CHATS, owner_id, message_key(conversation_id, place)) if place else None
        ended = 0
        if row is not None and row.values["id"] == message_id:
            message = to_message(row)
            if message.status == "streaming":
                if not self._dead(message):
                    return 0
                await self.settle(owner_id, message)
                ended = 1
        try:
            await self._tables.apply(WORK, partition, Delete(key))
        except Missing:
            pass
        return ended
