"""Sealing: a timer appends what is new to its day's chain. Writers know nothing of it; any number of sealers may run at once.

One batch makes up to 99 rows sealed and moves the day's head, by its ETag: of two sealers one loses, harmlessly. Before the batch
the rows are copied to their users' own lists; after it the head is copied to ``auditheads``. Every write may be the last.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from shared_code.clock import Clock
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Insert, Merge, Missing, Replace, Row, Tables, Upsert, Where

from . import chain
from . import tables as rows
from .heads import Heads, is_signed
from .models import Head
from .ports import Signer

log = structlog.get_logger("lydian.audit")

LATE = timedelta(minutes=10)
"""How far behind the newest sealed row each minute looks for slow writers and slow clocks; what comes later waits for the night."""
PER_BATCH = 99
"""Rows that are sealed together: a batch has 100 operations, one is the head's."""
PAGE = 990
AT_ONCE = 10
UNSEALED = Where("sealed", "eq", False)


class Sealer:
    def __init__(self, tables: Tables, clock: Clock, signer: Signer) -> None:
        self._tables, self._clock, self._signer = tables, clock, signer
        self._heads = Heads(tables)

    async def run(self) -> int:
        """Each minute: seal what is new today and, just after midnight, yesterday; return how many rows."""
        now = self._clock.now()
        return sum([await self.seal(day) for day in sorted({rows.day_of(now - LATE), rows.day_of(now)})])

    async def sweep(self) -> int:
        """Each night: seal what came too late for ``run``, on every day since the last sweep's own yesterday."""
        now = self._clock.now()
        today, swept, sealed = rows.day_of(now), await self._heads.swept(), 0
        through = rows.day_of(now - timedelta(days=1))
        for day in await rows.days(self._tables):
            # The last swept day once more: a writer whose clock is behind may still have written to it.
            if day > today or (swept is not None and day < swept):
                continue
            sealed += await self.seal(day, whole=True)
            await self._repair(day)
            if await self._tables.query(rows.table_of(day), rows.LOG, prefix=rows.EVENT, where=[UNSEALED], limit=1):
                through = min(through, rows.day_before(day))  # lists go on looking for them
        await self._heads.mark_swept(through)
        return sealed

    async def seal(self, day: str, *, whole: bool = False) -> int:
        """Seal the day's unsealed rows: those since the head less ``LATE``, or with ``whole`` wherever they are.

        A head that somebody else has written is never built on: that would sign for what it says.
        """
        try:
            return await self._seal(day, whole)
        except ValueError as error:
            log.error("audit_head_refused", day=day, reason=str(error), remedy="python -m local audit verify")  # noqa: TRY400  # no trace
            return 0

    async def _seal(self, day: str, whole: bool) -> int:
        head = await self._heads.of(day)
        if head is not None and not await self._is_ours(head):
            raise ValueError("not signed by a key of ours")
        since = None if whole or head is None else rows.EVENT + rows.position(head.sealed_through - LATE)
        after, count, found = None, 0, None
        try:
            while found is None or len(found) == PAGE:
                now = self._clock.now()
                found = await self._tables.query(
                    rows.table_of(day), rows.LOG, prefix=rows.EVENT, after=after, before=since, where=[UNSEALED], limit=PAGE
                )
                events = [row for row in reversed(found) if rows.is_event(row)]
                for start in range(0, len(events), PER_BATCH):
                    head = head or await self._open(day)
                    some = events[start : start + PER_BATCH]
                    head = await self._extend(head, some, now)
                    count += len(some)
                after = found[-1].key if found else None
        except (AlreadyExists, EtagMismatch, Missing):
            pass  # another sealer was faster, and does the rest
        if count and head is not None:
            await self._heads.keep_copy(head)
            log.info("audit_sealed", day=day, rows=count, seq=head.seq, hash=head.hash)
        return count

    async def _extend(self, head: Head, some: Sequence[Row], now: datetime) -> Head:
        await self._copy(some)
        link, operations = head.hash, list[Merge]()
        for seq, row in enumerate(some, head.seq + 1):
            link = chain.link(link, rows.digest(head.day, row))
            operations.append(Merge(row.key, {"sealed": True, "seq": seq, "hash": link}, row.etag))
        # A writer whose clock is ahead must not hide the others' rows from the next look.
        newest = min(now, max(rows.to_event(row).at for row in some))
        longer = replace(head, seq=head.seq + len(some), hash=link, sealed_through=max(head.sealed_through, newest))
        longer = replace(longer, signature=await self._signer.sign(chain.head_text(longer)))
        values = rows.head_values(longer)
        end = Replace(rows.HEAD, values, head.etag) if head.etag else Insert(rows.HEAD, values)
        etags = await self._tables.batch(rows.table_of(head.day), rows.LOG, [end, *operations])
        return replace(longer, etag=etags[0])

    async def _copy(self, some: Sequence[Row]) -> None:
        """Put the rows into their users' own lists; the same again when a sealer is repeated."""
        of_user: dict[str, list[Upsert]] = {}
        for row in some:
            user_id = row.values.get("user_id")
            if isinstance(user_id, str):
                of_user.setdefault(user_id, []).append(Upsert(row.key.removeprefix(rows.EVENT), rows.content(row)))
        limit = asyncio.Semaphore(AT_ONCE)

        async def write(user_id: str, copies: list[Upsert]) -> None:
            async with limit:
                await self._tables.batch(rows.COPIES, user_id, copies)

        await asyncio.gather(*(write(user_id, copies) for user_id, copies in of_user.items()))

    async def _open(self, day: str) -> Head:
        """The chain's beginning, which goes on from where the latest day before it stands."""
        if await self._heads.copy(day) is not None and await self._heads.of(day) is None:
            raise ValueError("it was removed: sealing anew would cover that up")
        before = await self._day_before(day)
        if before is not None:
            previous = (before.day, before.seq, before.hash)
        else:
            gone = await self._heads.dropped()
            ours = gone is not None and await is_signed(self._signer, gone.signature, chain.dropped_text(gone))
            previous = (gone.day, gone.seq, gone.hash) if gone is not None and ours else ("", 0, "")
        return Head(day, 0, chain.genesis(day, *previous), *previous, sealed_through=rows.EPOCH)

    async def _day_before(self, day: str) -> Head | None:
        """The latest earlier day with a chain of ours, everything up to it sealed as far as it is there."""
        unopened, latest = [], None
        for earlier in reversed([each for each in await rows.days(self._tables) if each < day]):
            unopened.append(earlier)
            if await self._signed_head(earlier) is not None:
                break
        for earlier in reversed(unopened):
            await self.seal(earlier, whole=True)
            latest = await self._signed_head(earlier) or latest
        return latest

    async def _signed_head(self, day: str) -> Head | None:
        try:
            head = await self._heads.of(day)
        except ValueError:
            return None
        return head if head is not None and await self._is_ours(head) else None

    async def _is_ours(self, head: Head) -> bool:
        return await is_signed(self._signer, head.signature, chain.head_text(head))

    async def _repair(self, day: str) -> None:
        """Renew a copy of a head that a cut has left behind."""
        head = await self._signed_head(day)
        try:
            copy = await self._heads.copy(day)
        except ValueError:
            return  # for ``verify`` to tell
        if head is not None and (copy is None or copy.seq < head.seq):
            await self._heads.keep_copy(head)
