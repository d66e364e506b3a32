"""What follows when a conversation, or its owner, is deleted: messages, blobs, and what search knows of them. Safe to run twice."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from shared_code.clock import Clock
from shared_code.storage.events import Events
from shared_code.storage.ports import Blobs, Delete, Missing, Tables

from .conversations import Conversations
from .search_index import SearchIndex
from .tables import CHATS, CONTAINER, INDEX_KEY, REMAINS, WORK, blob_prefix, messages_prefix

log = structlog.get_logger("lydian.chat")

PAGE = 100
TURN = timedelta(minutes=4)
"""After this long a run stops, to be told again: a function may run for ten minutes."""
ABANDONED = timedelta(minutes=15)
"""An import that has not ended after this long has died: ``functionTimeout`` is ten minutes."""


class Removal:
    def __init__(
        self, *, tables: Tables, blobs: Blobs, clock: Clock, conversations: Conversations, index: SearchIndex, events: Events
    ) -> None:
        self._tables, self._blobs, self._clock, self._events = tables, blobs, clock, events
        self._conversations, self._index = conversations, index

    async def conversation(self, owner_id: str, conversation_id: str) -> bool:
        """Remove what is left of a conversation that is in no list any more; False when there is more than one run may take."""
        if await self._conversations.find(owner_id, conversation_id) is None:
            over = self._timer()
            await self._index.forget(owner_id, conversation_id)
            for prefix in (messages_prefix(conversation_id), f"s:{conversation_id}:", f"k:{conversation_id}:"):
                if not await self._rows(owner_id, prefix, over):
                    return False
            await self._remove_blobs(blob_prefix(owner_id, conversation_id))
            await self._index.update(owner_id)  # what waits to be taken in is there no more
            await self._index.forget(owner_id, conversation_id)  # what was taken in while we were at it
        await self._delete(WORK, REMAINS, [f"{owner_id}:{conversation_id}"])
        return True

    async def owner(self, owner_id: str) -> bool:
        """Remove everything of a user; False when there is more than one run may take."""
        over = self._timer()
        if not await self._rows(owner_id, "", over, spare=INDEX_KEY):
            return False
        await self._remove_blobs(f"{owner_id}/")
        await self._delete(CHATS, owner_id, [INDEX_KEY])
        for row in await self._tables.query(WORK, REMAINS, prefix=f"{owner_id}:", limit=1000):
            await self._delete(WORK, REMAINS, [row.key])
        log.info("owner_removed", owner_id=owner_id)
        return True

    async def sweep(self) -> int:
        """Have done what was lost: deletions, and imports that died. Returns how many there were."""
        count, after = 0, None
        while rows := await self._tables.query(WORK, REMAINS, after=after, limit=PAGE):
            after = rows[-1].key
            for row in rows:
                at = row.values["at"]
                if self._clock.now() - at > ABANDONED:  # type: ignore[operator]  # our own column
                    names = {
                        name: str(row.values[theirs]) for name, theirs in (("user_id", "owner_id"), ("conversation_id", "conversation_id"))
                    }
                    await self._events.send("chat", {"kind": "conversation_deleted", **names})
                    count += 1
        return count

    def _timer(self) -> Callable[[], bool]:
        until = self._clock.now() + TURN
        return lambda: self._clock.now() >= until

    async def _rows(self, owner_id: str, prefix: str, over: Callable[[], bool], spare: str | None = None) -> bool:
        after = None
        while rows := await self._tables.query(CHATS, owner_id, prefix=prefix, after=after, limit=PAGE):
            if over():
                return False
            after = rows[-1].key
            await self._delete(CHATS, owner_id, [row.key for row in rows if row.key != spare])
        return True

    async def _remove_blobs(self, prefix: str) -> None:
        async for blob in self._blobs.list(CONTAINER, prefix):
            await self._blobs.delete(CONTAINER, blob.name)

    async def _delete(self, table: str, partition: str, keys: Sequence[str]) -> None:
        """Delete rows of which some may be gone."""
        try:
            if keys:
                await self._tables.batch(table, partition, [Delete(key) for key in keys])
        except Missing:
            if len(keys) > 1:
                for key in keys:
                    await self._delete(table, partition, [key])
