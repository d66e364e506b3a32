"""The five-minute roll-up of everybody's files, with 300 and with 6,000 owners of whom 30 have changed something, on a real Azurite.

    python bench/roll_up.py [rounds]

The peer is what it did before there was a change feed: add up every owner's totals. Azurite reads a table fast, since all of it is in
its memory; Table storage on Azure answers a scan of everything in pages that cross partitions, so that there the difference is larger.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Sequence

from support import Setup, banner, paired, spread, table, verdict

from shared_code.clock import SystemClock
from shared_code.files.models import Usage
from shared_code.files.statistics import FEED, Statistics
from shared_code.files.tables import FILES, USAGE_KEY, to_usage, usage_values
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.feeds import ChangeFeed
from shared_code.storage.ports import Insert, Upsert, Where

SIZES = (300, 6_000)
CHANGED = 30
GOAL_GROWTH = 2.0
"""Growth of the scan through growth of the roll-up, from the small number of owners to the large one."""


def owner(number: int) -> str:
    return f"owner{number:08}"


class Side:
    """One storage account with so many owners."""

    def __init__(self, connection_string: str, count: int) -> None:
        self.storage = AzureStorage.from_connection_string(connection_string)
        self.count, self.round = count, 0
        self.feed = ChangeFeed(self.storage.tables, SystemClock(), FEED)
        self.statistics = Statistics(self.storage.tables, SystemClock(), self.feed)

    async def fill(self) -> None:
        at_once = asyncio.Semaphore(32)

        async def one(number: int) -> None:
            async with at_once:
                values = usage_values(Usage(active_files=1, bytes=100, by_type={"text/plain": 1}))
                await self.storage.tables.apply(FILES, owner(number), Insert(USAGE_KEY, values))

        await asyncio.gather(*(one(number) for number in range(self.count)))
        await self.statistics.recount()

    async def rolled(self) -> float:
        """Milliseconds of a roll-up behind ``CHANGED`` changes."""
        self.round += 1
        for number in range(CHANGED):
            values = usage_values(Usage(active_files=1 + self.round, bytes=100, by_type={"text/plain": 1}))
            await self.storage.tables.apply(FILES, owner(number), Upsert(USAGE_KEY, values))
            self.feed.note(owner(number))
        await self.feed.flush()
        return await timed(self._roll_up())

    async def _roll_up(self) -> None:
        found = await self.statistics.roll_up()
        assert found.usage.active_files == self.count + CHANGED * self.round, found

    async def quiet(self) -> float:
        return await timed(self._roll_up())

    async def scanned(self) -> float:
        return await timed(self._scan())

    async def _scan(self) -> None:
        total, after, only = 0, None, [Where("kind", "eq", "usage")]
        while rows := await self.storage.tables.query(FILES, prefix=USAGE_KEY, after_partition=after, where=only, limit=500):
            after = rows[-1].partition
            total += sum(to_usage(row).active_files for row in rows)
        assert total == self.count + CHANGED * self.round


async def timed(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1000


async def measure(sides: Sequence[Side], rounds: int) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {name: [[] for _ in sides] for name in ("rolled", "quiet", "scanned")}
    for side in sides:
        await side.fill()
    for _ in range(rounds):
        for index, side in enumerate(sides):
            for name in found:
                found[name][index].append(await getattr(side, name)())
    for side in sides:
        await side.storage.aclose()
    return found


def main(rounds: int) -> None:
    banner("Everybody's totals, every five minutes")
    with Setup() as setup:
        found = asyncio.run(measure([Side(setup.azurite().connection_string, size) for size in SIZES], rounds))
    head = ("milliseconds", f"{CHANGED} owners changed", "nobody changed", "everybody added up")
    rows = [(f"{size} owners", *(spread(found[name][index], 1) for name in found)) for index, size in enumerate(SIZES)]
    table(head, rows)
    growth = [paired(found[name][1], found[name][0]) for name in ("rolled", "scanned")]
    print(f"growth: {growth[0]:.2f}, of the scan {growth[1]:.2f}")
    verdict("growth of the scan / of the roll-up", growth[1] / growth[0], GOAL_GROWTH)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
