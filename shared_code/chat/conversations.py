"""Conversations, always under their owner: the one place where an object is checked against who asks for it."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

from shared_code import ids
from shared_code.clock import Clock
from shared_code.errors import Busy, NotFound
from shared_code.locks import KeyedLocks
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Missing, Operation, Replace, Tables, Upsert, Value

from .models import Conversation
from .tables import CHATS, REMAINS, WORK, conversation_key, conversation_values, list_key, list_prefix, to_conversation

TRIES = 16
MAX_TITLE, MAX_SYSTEM = 200, 16_000
"""Characters."""


class Conversations:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock
        self._locks = KeyedLocks()

    async def get(self, owner_id: str, conversation_id: str) -> Conversation:
        """The caller's conversation; NotFound for a missing one and another user's. One storage call."""
        found = await self.find(owner_id, conversation_id)
        if found is None:
            raise not_found()
        return found

    async def find(self, owner_id: str, conversation_id: str) -> Conversation | None:
        if not ids.is_id(conversation_id):
            return None
        row = await self._tables.get(CHATS, owner_id, conversation_key(conversation_id))
        return to_conversation(row) if row else None

    async def rows(self, owner_id: str, *, archived: bool, after: str | None, limit: int) -> list[tuple[str, Conversation]]:
        """(row key, conversation), newest activity first, behind the row key ``after``. One storage call."""
        rows = await self._tables.query(CHATS, owner_id, prefix=list_prefix(archived), after=after, limit=limit)
        return [(row.key, to_conversation(row)) for row in rows]

    async def create(self, owner_id: str, *, title: str | None, model: str | None, system: str | None) -> Conversation:
        now = self._clock.now()
        made = ids.new_id(now)
        conversation = Conversation(
            id=made,
            owner_id=owner_id,
            title=title,
            titled_by="user" if title else "",
            model=model,
            system=system,
            archived=False,
            head_id=None,
            created_at=now,
            updated_at=now,
            activity=made,
        )
        await self._tables.batch(CHATS, owner_id, insertions(conversation))
        return conversation

    async def change(self, owner_id: str, conversation_id: str, change: Callable[[Conversation], Conversation]) -> Conversation:
        """Carry out ``change`` on what is there now; NotFound, or Busy when too many others change it."""
        async with self.locked(owner_id, conversation_id):
            for attempt in range(TRIES):
                found = await self.get(owner_id, conversation_id)
                changed = change(found)
                if changed == found:
                    return found
                changed = replace(changed, updated_at=self._clock.now())
                try:
                    await self._tables.batch(CHATS, owner_id, replacements(found, changed))
                    return changed
                except (EtagMismatch, Missing, AlreadyExists):
                    await contended(attempt)
        raise busy()

    async def delete(self, owner_id: str, conversation_id: str) -> None:
        """Take it out of every list. Its messages go after it (``Removal``), which is noted before. NotFound."""
        for attempt in range(TRIES):
            found = await self.get(owner_id, conversation_id)
            await note_remains(self._tables, self._clock, owner_id, conversation_id)
            try:
                operations = [Delete(conversation_key(found.id), found.etag), Delete(list_key(found))]
                await self._tables.batch(CHATS, owner_id, operations)
                return
            except (EtagMismatch, Missing):
                await contended(attempt)
        raise busy()

    def locked(self, owner_id: str, conversation_id: str) -> asyncio.Lock:
        """Writers of one process wait for each other here, instead of losing a race in storage."""
        return self._locks.of(f"{owner_id} {conversation_id}")


def insertions(made: Conversation) -> list[Operation]:
    values = conversation_values(made)
    return [Insert(conversation_key(made.id), values), Insert(list_key(made), values)]


def replacements(found: Conversation, changed: Conversation) -> list[Operation]:
    """The row, if it has not changed since ``found``, and its place in the list."""
    values, old, new = conversation_values(changed), list_key(found), list_key(changed)
    place: list[Operation] = [Replace(new, values)] if old == new else [Delete(old), Insert(new, values)]
    return [Replace(conversation_key(found.id), values, found.etag), *place]


async def note_remains(tables: Tables, clock: Clock, owner_id: str, conversation_id: str) -> None:
    """Note, before they are there without it, that rows of a conversation may be left over."""
    values: dict[str, Value] = {"owner_id": owner_id, "conversation_id": conversation_id, "at": clock.now()}
    await tables.apply(WORK, REMAINS, Upsert(f"{owner_id}:{conversation_id}", values))


async def contended(attempt: int) -> None:
    """Wait a little, longer each time, and not all equally long."""
    await asyncio.sleep(random.uniform(0, min(0.5, 0.01 * 2**attempt)))


def not_found() -> NotFound:
    return NotFound("There is no such conversation.", code="conversation_not_found")


def busy() -> Busy:
    return Busy("This conversation is being changed by too many requests at once.")
