"""Everybody's figures as one sum, kept up by looking only at owners who have changed something (``feeds.py``).

In a table of the service's own: partition ``00`` to ``07`` (a hash of the owner's id) holds ``o:<owner>``, what was counted of that
owner, and ``sum``, their sum, written in one batch under the sum's ETag, so that a run that repeats, overlaps with another or dies at
any line counts nothing twice and nothing by half. Partition ``all``, row ``latest`` is the sum over the partitions as readers get it.

``recount`` looks at everybody, once a night: it finds what marks that were lost with a process would have led to, repairs it, and says
by how much it was out.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from shared_code.clock import Clock
from shared_code.errors import Busy

from . import sums_rows as packing
from .feeds import ChangeFeed
from .ports import AlreadyExists, Delete, EtagMismatch, Insert, Missing, Operation, Replace, Tables, Upsert
from .sums_rows import ALL, LATEST, OWNER, OWNERS, SHARDS, SUM, Figures, Summed

log = structlog.get_logger("lydian.statistics")
T = TypeVar("T")

TRIES = 12
AT_ONCE = 16
CHUNK = 90
"""Owners of one batch, which holds at most 100 rows."""
PAGE = 500
NAMED = 1_000
"""Owners that a recount found wrong and remembers by name."""


class Source(Protocol):
    """Where the figures of one owner stand, exact at any time."""

    async def of(self, owner: str) -> Figures:
        """The owner's figures now; empty when there is no such owner (any more)."""

    async def page(self, after: str | None) -> Sequence[tuple[str, Figures]]:
        """Some owners behind ``after``, in order of their ids; none at the end."""


class Sums:
    def __init__(self, tables: Tables, clock: Clock, *, table: str, feed: ChangeFeed, source: Source) -> None:
        self._tables, self._clock, self._table, self._feed, self._source = tables, clock, table, feed, source

    async def latest(self) -> Summed:
        """The last roll-up; made now when there has been none."""
        return await self.last() or await self.roll_up()

    async def last(self) -> Summed | None:
        """The last roll-up, if there has been one. One storage call."""
        return await packing.read(self._tables, self._table)

    async def roll_up(self) -> Summed:
        """Count what has changed. The first one counts everybody."""
        if await self.last() is None:
            return await self.recount()
        as_of = self._clock.now()
        await self._follow()
        return await self._publish(as_of)

    async def recount(self) -> Summed:
        """Compare everybody's figures with what was counted of them, and mend it."""
        as_of, first = self._clock.now(), await self.last() is None
        if not first:
            await self._follow()  # so that what is only late is no drift
        found = _Drift()
        low: str | None = None
        while True:
            page = await self._source.page(low)
            high = page[-1][0] if page else None
            async for owners in self._differing(dict(page), low, high):
                found.add(await self._fold(owners))
            if high is None:
                break
            low = high
        for shard in map(packing.partition, range(SHARDS)):
            await self._check_sum(shard)
        if first:
            found = _Drift()
        else:
            await self._feed.flush()
            after = None
            while marks := await self._feed.page(after):  # whose changes the next roll-up counts anyway
                after = marks[-1].key
                found.drop({mark.owner for mark in marks})
        if found.count:
            log.warning("statistics_drifted", table=self._table, owners=found.count, difference=packing.clean(found.difference))
        return await self._publish(as_of, found)

    # --- following the feed ---------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        await self._feed.flush()
        after = None
        while marks := await self._feed.page(after):
            after = marks[-1].key
            await self._fold({mark.owner for mark in marks})
            await self._feed.settle(marks)

    async def _fold(self, owners: Collection[str]) -> dict[str, Counter[str]]:
        """Count these owners as they are now; return by how much each was out."""
        shards: dict[str, list[str]] = {}
        for owner in sorted(owners):
            shards.setdefault(packing.shard_of(owner), []).append(owner)
        changed: dict[str, Counter[str]] = {}
        for shard, members in shards.items():
            for first in range(0, len(members), CHUNK):
                changed |= await self._count(shard, members[first : first + CHUNK])
        return changed

    async def _count(self, shard: str, owners: Sequence[str]) -> dict[str, Counter[str]]:
        for attempt in range(TRIES):
            # The sum first: whatever another run counts after this makes our batch fail.
            total = await self._tables.get(self._table, shard, SUM)
            counted = await _each(owners, lambda owner: self._tables.get(self._table, shard, OWNER + owner))
            actual = await _each(owners, self._figures_of)
            sums = Counter(packing.unpack(total))
            changed: dict[str, Counter[str]] = {}
            operations: list[Operation] = []
            for owner, row, figures in zip(owners, counted, actual, strict=True):
                before = packing.unpack(row)
                if before == figures:
                    continue
                changed[owner] = difference = Counter(figures)
                difference.subtract(before)
                sums.update(difference)
                operations.append(Upsert(OWNER + owner, packing.pack(figures)) if figures else Delete(OWNER + owner))
            if not operations:
                return {}
            operations.insert(0, packing.sum_operation(sums, total))
            try:
                await self._tables.batch(self._table, shard, operations)
            except (AlreadyExists, EtagMismatch, Missing):
                await asyncio.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 5)))  # another run: give way
                continue
            return changed
        raise Busy("These statistics are being rolled up by too many at once.")

    async def _figures_of(self, owner: str) -> dict[str, int]:
        return packing.of_one(await self._source.of(owner))

    # --- counting everybody ---------------------------------------------------------------------------------------------

    async def _differing(self, actual: Mapping[str, Figures], low: str | None, high: str | None) -> AsyncIterator[list[str]]:
        """Owners between the two whose figures are not what was counted, some at a time; ``actual`` holds all that have any."""
        unseen = {owner: counted for owner, figures in actual.items() if (counted := packing.of_one(figures))}
        for shard in map(packing.partition, range(SHARDS)):
            after = OWNER + low if low is not None else None
            # A blank comes before all that keys are encoded to: nothing stands between an id and itself with one.
            before = OWNER + high + " " if high is not None else None
            while rows := await self._tables.query(self._table, shard, prefix=OWNER, after=after, before=before, limit=PAGE):
                after = rows[-1].key
                owners = {row.key.removeprefix(OWNER): packing.unpack(row) for row in rows}
                yield [owner for owner, counted in owners.items() if counted != unseen.pop(owner, {})]
        yield list(unseen)

    async def _check_sum(self, shard: str) -> None:
        """A partition's sum is its rows' sum, whatever has been done to it."""
        for _ in range(TRIES):
            total = await self._tables.get(self._table, shard, SUM)
            sums: Counter[str] = Counter()
            after = None
            while rows := await self._tables.query(self._table, shard, prefix=OWNER, after=after, limit=PAGE):
                after = rows[-1].key
                for row in rows:
                    sums.update(packing.unpack(row))
            if packing.clean(sums) == packing.unpack(total):
                return
            try:
                await self._tables.apply(self._table, shard, packing.sum_operation(sums, total))
            except (AlreadyExists, EtagMismatch, Missing):
                continue  # it was no mistake: a roll-up counted while we were reading
            log.error("statistics_sum_mended", table=self._table, shard=shard)
            return

    async def _publish(self, as_of: datetime, drift: "_Drift | None" = None) -> Summed:
        for attempt in range(TRIES):
            # This first: what is published after our reading makes our write fail, so that older never replaces newer.
            row = await self._tables.get(self._table, ALL, LATEST)
            known = packing.summed(row)
            shards = await _each([packing.partition(n) for n in range(SHARDS)], lambda shard: self._tables.get(self._table, shard, SUM))
            sums: Counter[str] = Counter()
            for shard in shards:
                sums.update(packing.unpack(shard))
            figures = packing.clean(sums)
            if known is not None and as_of < known.as_of <= self._clock.now():
                as_of = known.as_of
            summed = Summed({name: n for name, n in figures.items() if name != OWNERS}, figures.get(OWNERS, 0), as_of)
            if drift is not None:
                summed = replace(summed, recounted_at=as_of, drifted=drift.count, difference=packing.clean(drift.difference))
            elif known is not None:
                summed = replace(summed, recounted_at=known.recounted_at, drifted=known.drifted, difference=known.difference)
            values = packing.summed_values(summed)
            try:
                await self._tables.apply(self._table, ALL, Insert(LATEST, values) if row is None else Replace(LATEST, values, row.etag))
            except (AlreadyExists, EtagMismatch, Missing):
                await asyncio.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 5)))
                continue
            return summed
        raise Busy("These statistics are being rolled up by too many at once.")


class _Drift:
    """What a recount has found; owners by name up to a limit."""

    def __init__(self) -> None:
        self.owners: dict[str, Counter[str]] = {}
        self.count = 0
        self.difference: Counter[str] = Counter()

    def add(self, changed: Mapping[str, Counter[str]]) -> None:
        for owner, difference in changed.items():
            self.count += 1
            self.difference.update(difference)
            if len(self.owners) < NAMED:
                self.owners[owner] = difference

    def drop(self, owners: Collection[str]) -> None:
        for owner in self.owners.keys() & set(owners):
            self.count -= 1
            self.difference.subtract(self.owners.pop(owner))


async def _each(items: Iterable[str], look: Callable[[str], Awaitable[T]]) -> list[T]:
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(item: str) -> T:
        async with at_once:
            return await look(item)

    return await asyncio.gather(*(one(item) for item in items))
