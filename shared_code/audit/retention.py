"""What is removed from the trail: days out of retention, and what belongs to a user who has left. Safe to run twice."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from shared_code.clock import Clock
from shared_code.storage.ports import Delete, Missing, Tables, Upsert

from . import chain
from . import tables as rows
from .heads import Heads, is_signed
from .models import Dropped
from .ports import Signer

log = structlog.get_logger("lydian.audit")

PAGE = 500
AT_ONCE = 10
PER_BATCH = 100


class Retention:
    def __init__(self, tables: Tables, clock: Clock, signer: Signer, *, keep_days: int) -> None:
        self._tables, self._clock, self._signer, self._keep_days = tables, clock, signer, keep_days
        self._heads = Heads(tables)

    async def purge(self) -> int:
        """Nightly: drop the days before the last ``keep_days``, their users' copies first; return how many.

        What goes is signed for beforehand, so that a day which somebody else removes is told from it.
        """
        first_kept = rows.day_of(self._clock.now() - timedelta(days=self._keep_days))
        expired = [day for day in await rows.days(self._tables) if day < first_kept]
        if expired:
            await self._sign_for(expired)
        for day in expired:
            await self._remove_copies(day)
            await self._tables.drop(rows.table_of(day))
        while copies := await self._tables.query(rows.HEADS, rows.LOG, prefix=rows.DAY, before=rows.DAY + first_kept, limit=PER_BATCH):
            await self._delete(rows.HEADS, rows.LOG, [row.key for row in copies])
        log.info("audit_purged", days=len(expired))
        return len(expired)

    async def forget(self, user_id: str) -> int:
        """Remove a user's own list, as their account is deleted; return how many events it had.

        The log keeps its rows until retention ends: the chain, and the interest in it, outlive the account. What is
        sealed later of them may write a copy again, which goes with its day.
        """
        count = 0
        while page := await self._tables.query(rows.COPIES, user_id, limit=PER_BATCH):
            await self._delete(rows.COPIES, user_id, [row.key for row in page])
            count += len(page)
        return count

    async def _sign_for(self, expired: Sequence[str]) -> None:
        known, last = await self._known(), None
        for day in reversed(expired):
            try:
                last = await self._heads.of(day)
            except ValueError:
                continue
            if last is not None:
                break
        through = max(expired[-1], known.through if known else "")
        if last is not None and (known is None or last.day > known.day):
            mark = Dropped(through, last.day, last.seq, last.hash)
        else:
            mark = replace(known, through=through) if known else Dropped(through, "", 0, "")
        mark = replace(mark, signature=await self._signer.sign(chain.dropped_text(mark)))
        await self._tables.apply(rows.HEADS, rows.LOG, Upsert(rows.DROPPED, rows.dropped_values(mark)))

    async def _known(self) -> Dropped | None:
        """The mark so far; one that is not ours is not carried on: it may cover days that somebody else has removed."""
        try:
            known = await self._heads.dropped()
            if known is None or await is_signed(self._signer, known.signature, chain.dropped_text(known)):
                return known
        except ValueError:
            pass
        log.error("audit_mark_refused", remedy="python -m local audit verify")
        return None

    async def _remove_copies(self, day: str) -> None:
        after = None
        limit = asyncio.Semaphore(AT_ONCE)

        async def remove(user_id: str, keys: list[str]) -> None:
            async with limit:
                for start in range(0, len(keys), PER_BATCH):
                    await self._delete(rows.COPIES, user_id, keys[start : start + PER_BATCH])

        while page := await self._tables.query(rows.table_of(day), rows.LOG, prefix=rows.EVENT, after=after, limit=PAGE):
            after = page[-1].key
            of_user: dict[str, list[str]] = {}
            for row in page:
                user_id = row.values.get("user_id")
                if isinstance(user_id, str):
                    of_user.setdefault(user_id, []).append(row.key.removeprefix(rows.EVENT))
            await asyncio.gather(*(remove(user_id, keys) for user_id, keys in of_user.items()))

    async def _delete(self, table: str, partition: str, keys: Iterable[str]) -> None:
        """Delete rows of which some may be gone."""
        operations = [Delete(key) for key in keys]
        try:
            await self._tables.batch(table, partition, operations)
        except Missing:
            for operation in operations:
                try:
                    await self._tables.apply(table, partition, operation)
                except Missing:
                    pass  # it was never sealed, its user was forgotten, or another run was faster
