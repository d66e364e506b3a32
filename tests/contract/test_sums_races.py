"""Roll-ups that overlap count nothing twice, on real ETags."""

import asyncio
import json
from collections.abc import Mapping, Sequence

from shared_code.clock import ManualClock
from shared_code.storage.feeds import ChangeFeed
from shared_code.storage.ports import Storage, Upsert
from shared_code.storage.sums import Sums


class Things:
    def __init__(self, storage: Storage, table: str) -> None:
        self._tables, self._table = storage.tables, table

    async def set(self, owner: str, n: int) -> None:
        await self._tables.apply(self._table, owner, Upsert("usage", {"figures": json.dumps({"n": n})}))

    async def of(self, owner: str) -> Mapping[str, int]:
        row = await self._tables.get(self._table, owner, "usage")
        return json.loads(str(row.values["figures"])) if row else {}

    async def page(self, after: str | None) -> Sequence[tuple[str, Mapping[str, int]]]:
        rows = await self._tables.query(self._table, prefix="usage", after_partition=after, limit=20)
        return [(row.partition, json.loads(str(row.values["figures"]))) for row in rows]


async def test_overlapping_runs(storage: Storage, name: str) -> None:
    clock = ManualClock()
    things = Things(storage, name)
    feeds = [ChangeFeed(storage.tables, clock, name, delay=1000) for _ in range(4)]
    runs = [Sums(storage.tables, clock, table=f"{name}stats", feed=feed, source=things) for feed in feeds]
    owners = [f"owner{n:02}" for n in range(40)] + ["a b", "ä!%", "z"]
    await asyncio.gather(*(things.set(owner, 1) for owner in owners))
    first = await asyncio.gather(*(run.roll_up() for run in runs))  # each finds that nobody has counted yet
    assert [each.figures for each in first] == [{"n": 43}] * 4
    for number, owner in enumerate(owners):
        await things.set(owner, 3)
        feeds[number % 4].note(owner)
    await asyncio.gather(*(feed.flush() for feed in feeds))
    clock.advance(400)
    assert {(await run.roll_up()).figures["n"] for run in runs[:1]} == {129}
    await asyncio.gather(*(run.roll_up() for run in runs), runs[0].recount())
    found = await runs[0].last()
    assert found is not None
    assert (found.figures, found.owners, found.drifted) == ({"n": 129}, 43, 0)
    assert await feeds[0].page() == [], "what was counted and is over has gone"
