"""What is removed when an owner's account is deleted: every file, share and total, whatever its state. Safe to run twice.

Nobody is signed in any more who could ask for these rows, so that the order is another than that of a file removed for good:
links first, which are open to anyone, then each file's bytes before its row. Whoever dies on the way leaves rows that lead the
next run to what is left, instead of blobs that only the nightly purge would find.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta

import structlog

from shared_code.clock import Clock
from shared_code.storage.feeds import Changes
from shared_code.storage.ports import Delete, Missing, Row, Tables

from .tables import FILE_PREFIX, FILES, PENDING_PREFIX, SHARE_KEY, SHARE_PREFIX, SHARES, USAGE_KEY, to_pending

log = structlog.get_logger("lydian.files")

PAGE = 100
"""Rows of one turn: as many as one batch deletes."""
AT_ONCE = 8
TURN = timedelta(minutes=4)
"""After this long a run stops, to be told again: a function may run for ten minutes."""


class Removal:
    def __init__(self, *, tables: Tables, clock: Clock, remove_bytes: Callable[[str], Awaitable[None]], changes: Changes) -> None:
        """``remove_bytes`` removes a file's blob and variants, and bears that they are not there."""
        self._tables, self._clock, self._remove_bytes, self._changes = tables, clock, remove_bytes, changes

    async def run(self, owner_id: str) -> bool:
        """Remove what is there; False when there is more to do than one run may take.

        The rows of direct uploads whose grant still holds stay: their bytes may arrive yet, and the next run must find them.
        """
        until = self._clock.now() + TURN
        for part in (self._remove_shares, self._remove_files, self._remove_pending):
            if not await part(owner_id, lambda: self._clock.now() >= until):
                return False
        await self._delete(FILES, owner_id, [USAGE_KEY])
        self._changes.note(owner_id)
        log.info("owner_removed", owner_id=owner_id)
        return True

    async def _remove_shares(self, owner_id: str, over: Callable[[], bool]) -> bool:
        while page := await self._tables.query(FILES, owner_id, prefix=SHARE_PREFIX, limit=PAGE):
            if over():
                return False
            hashes = [str(row.values["token_hash"]) for row in page]
            await _each(hashes, lambda token_hash: self._delete(SHARES, token_hash, [SHARE_KEY]))
            await self._delete(FILES, owner_id, [row.key for row in page])
        return True

    async def _remove_files(self, owner_id: str, over: Callable[[], bool]) -> bool:
        while page := await self._tables.query(FILES, owner_id, prefix=FILE_PREFIX, limit=PAGE):
            if over():
                return False
            await self._remove_rows(owner_id, page)
        return True

    async def _remove_pending(self, owner_id: str, over: Callable[[], bool]) -> bool:
        after, now = None, self._clock.now()
        while page := await self._tables.query(FILES, owner_id, prefix=PENDING_PREFIX, after=after, limit=PAGE):
            if over():
                return False
            after = page[-1].key
            await self._remove_rows(owner_id, [row for row in page if to_pending(row).expires_at <= now])
        return True

    async def _remove_rows(self, owner_id: str, rows: Sequence[Row]) -> None:
        await _each([str(row.values["id"]) for row in rows], self._remove_bytes)
        # Without ETags: whatever has become of them meanwhile, they go.
        await self._delete(FILES, owner_id, [row.key for row in rows])

    async def _delete(self, table: str, partition: str, keys: Sequence[str]) -> None:
        """Delete rows of which some may be gone."""
        try:
            if keys:
                await self._tables.batch(table, partition, [Delete(key) for key in keys])
        except Missing:
            if len(keys) > 1:
                await _each(keys, lambda key: self._delete(table, partition, [key]))


async def _each(items: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(item: str) -> None:
        async with at_once:
            await work(item)

    await asyncio.gather(*(one(item) for item in items))
