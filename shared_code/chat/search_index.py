"""The text that a user's search looks through: a few blobs, which a queue job keeps, and what it has not seen yet.

A part holds up to about 1 MiB of text, compressed; the last one is written anew with what has come since, the others only when
something in them is deleted. Which parts there are stands in one row, and changes in the same batch in which what was taken in
is struck off: a job that dies, or runs twice, loses and doubles nothing. A blob that no row names any more is removed by name.
"""

import asyncio
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from shared_code import ids
from shared_code.clock import Clock
from shared_code.errors import NotFound
from shared_code.locks import KeyedLocks
from shared_code.storage.ports import (
    AlreadyExists,
    Blobs,
    Delete,
    EtagMismatch,
    Insert,
    Missing,
    Operation,
    Replace,
    Row,
    Tables,
    Value,
)

from .conversations import contended
from .messages import Messages
from .tables import CHATS, CONTAINER, INDEX_KEY, PENDING

MAX_TEXT = 20_000
"""Characters of a message that can be found; what is behind them cannot."""
PART_CHARACTERS = 1_000_000
MAX_PARTS = 16
"""About 16 million characters of each user; the oldest part goes when there is one more."""
BATCH, COUNTED = 90, 1000
TURN = timedelta(minutes=4)
"""After this long a run stops, to be told again: a function may run for ten minutes."""
ABANDONED = timedelta(hours=1)
"""A part that is named nowhere after this long was left by a job that died."""
TRIES = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One message that can be found."""

    conversation_id: str
    message_id: str
    role: str
    at_ms: int
    text: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    blob: str
    lines: int
    characters: int


@dataclass(frozen=True, slots=True)
class State:
    """``dropped``: how many messages have gone with old parts."""

    parts: tuple[Part, ...] = ()
    dropped: int = 0
    etag: str = ""


class SearchIndex:
    def __init__(self, tables: Tables, blobs: Blobs, clock: Clock, messages: Messages) -> None:
        self._tables, self._blobs, self._clock, self._messages = tables, blobs, clock, messages
        self._locks = KeyedLocks()

    async def state(self, owner_id: str) -> State:
        row = await self._tables.get(CHATS, owner_id, INDEX_KEY)
        if row is None:
            return State()
        values = cast(dict[str, Any], row.values)
        return State(tuple(Part(*each) for each in json.loads(values["parts"])), values["dropped"], row.etag)

    async def waiting(self, owner_id: str, limit: int) -> list[Row]:
        """What has not been taken in yet, oldest first."""
        return await self._tables.query(CHATS, owner_id, prefix=PENDING, limit=limit)

    async def waiting_behind(self, owner_id: str, row: Row) -> int:
        """How many wait behind this one: a storage call for a thousand of them."""
        count, after = 0, row.key
        while rows := await self._tables.query(CHATS, owner_id, prefix=PENDING, after=after, limit=COUNTED):
            count, after = count + len(rows), rows[-1].key
            if len(rows) < COUNTED:
                break
        return count

    async def lines_of(self, owner_id: str, rows: Sequence[Row]) -> list[Line]:
        """The messages that waiting rows speak of, as far as they are still there."""
        at_once = asyncio.Semaphore(8)

        async def read(row: Row) -> Line | None:
            async with at_once:
                try:
                    found = await self._messages.get(owner_id, str(row.values["conversation_id"]), str(row.values["message_id"]))
                except NotFound:
                    return None
            if found.status == "streaming" or not found.content:
                return None
            at_ms = int(found.created_at.timestamp() * 1000)
            cut = len(found.content) > MAX_TEXT
            return Line(found.conversation_id, found.id, found.role, at_ms, found.content[:MAX_TEXT], cut)

        return [line for line in await asyncio.gather(*map(read, rows)) if line is not None]

    async def lines(self, part: Part) -> list[Line]:
        """A part's lines, oldest first; none when it has been replaced meanwhile."""
        try:
            read = await self._blobs.read(CONTAINER, part.blob)
            packed = b"".join([chunk async for chunk in read.chunks])
        except Missing:
            return []
        return await asyncio.to_thread(_unpack, packed)

    async def update(self, owner_id: str) -> bool:
        """Take in what waits; False when there is more than one run may take. Safe to repeat, and in parallel."""
        async with self._locks.of(owner_id):  # who comes while one is at it finds nothing left to do
            return await self._update(owner_id)

    async def _update(self, owner_id: str) -> bool:
        until, lost = self._clock.now() + TURN, 0
        while rows := await self.waiting(owner_id, BATCH):
            if self._clock.now() >= until or lost == TRIES:
                return False
            state, new = await self.state(owner_id), await self.lines_of(owner_id, rows)
            parts, replaced = list(state.parts), []
            if new:
                old: list[Line] = []
                if parts and parts[-1].characters < PART_CHARACTERS:
                    replaced.append(parts.pop())
                    old = await self.lines(replaced[-1])
                have = {line.message_id for line in new}
                parts.append(await self._write(owner_id, [*(line for line in old if line.message_id not in have), *new]))
            dropped = parts[:-MAX_PARTS]
            after = replace(state, parts=tuple(parts[-MAX_PARTS:]), dropped=state.dropped + sum(part.lines for part in dropped))
            if await self._save(owner_id, state, after, [Delete(row.key) for row in rows]):
                await self._remove([*replaced, *dropped])
                continue
            await self._remove(parts[-1:] if new else [])
            await contended(lost)
            lost += 1
        return True

    async def forget(self, owner_id: str, conversation_id: str) -> None:
        """Take a conversation's text out. Safe to repeat, and in parallel."""
        for attempt in range(TRIES):
            state = await self.state(owner_id)
            parts, replaced, made = [], [], []
            for part in state.parts:
                lines = await self.lines(part)
                kept = [line for line in lines if line.conversation_id != conversation_id]
                if len(kept) == len(lines):
                    parts.append(part)
                    continue
                replaced.append(part)
                if kept:
                    made.append(await self._write(owner_id, kept))
                    parts.append(made[-1])
            if not replaced or await self._save(owner_id, state, replace(state, parts=tuple(parts)), []):
                await self._remove(replaced)
                await self._collect(owner_id, parts)
                return
            await self._remove(made)
            await contended(attempt)
        raise EtagMismatch

    async def _collect(self, owner_id: str, parts: Iterable[Part]) -> None:
        """Remove what a job left that died before, or after, a part was named: it may hold what is being deleted."""
        named, until = {part.blob for part in parts}, self._clock.now() - ABANDONED
        async for blob in self._blobs.list(CONTAINER, f"{owner_id}/index/"):
            if blob.name not in named and blob.created_at < until:
                await self._blobs.delete(CONTAINER, blob.name)

    async def _write(self, owner_id: str, lines: Sequence[Line]) -> Part:
        name = f"{owner_id}/index/{ids.new_id(self._clock.now())}"
        packed = await asyncio.to_thread(_pack, lines)
        await self._blobs.put(CONTAINER, name, packed, content_type="application/zlib")
        return Part(name, len(lines), sum(len(line.text) for line in lines))

    async def _save(self, owner_id: str, before: State, after: State, struck: Sequence[Operation]) -> bool:
        parts = json.dumps([[part.blob, part.lines, part.characters] for part in after.parts], separators=(",", ":"))
        values: dict[str, Value] = {"v": 1, "parts": parts, "dropped": after.dropped}
        operation = Replace(INDEX_KEY, values, before.etag) if before.etag else Insert(INDEX_KEY, values)
        try:
            # Who has no index, as when the account is being deleted, needs none for what is struck off alone.
            await self._tables.batch(CHATS, owner_id, [*([operation] if after.parts or before.etag else []), *struck])
        except (EtagMismatch, AlreadyExists, Missing):
            return False
        return True

    async def _remove(self, parts: Iterable[Part]) -> None:
        for part in parts:
            await self._blobs.delete(CONTAINER, part.blob)


def _pack(lines: Sequence[Line]) -> bytes:
    rows = [[line.conversation_id, line.message_id, line.role, line.at_ms, line.text, line.cut] for line in lines]
    return zlib.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode(), 3)


def _unpack(packed: bytes) -> list[Line]:
    return [Line(*row) for row in json.loads(zlib.decompress(packed))]
