"""Everybody's figures as one sum: right after any sequence of changes, crashes and timer runs."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.storage import feeds, sums, sums_rows
from shared_code.storage.feeds import ChangeFeed
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Delete, Missing, Replace, Upsert
from shared_code.storage.sums import Sums
from tests.unit.files.faults import ProcessDied, Watched

OWNERS = "things"
NAMES = ["a", "ab", "a b", "a!b", "b", "ä", "z/z", "zz", "𐐷", "\ue000"]


class Things:
    """Owners with figures in a table, as a service keeps them."""

    def __init__(self, tables: Any, *, page: int = 3) -> None:
        self.tables, self._page = tables, page
        self.looked_at: list[str] = []

    async def set(self, owner: str, **figures: int) -> None:
        await self.tables.apply(OWNERS, owner, Upsert("usage", {"figures": json.dumps(figures)}))

    async def remove(self, owner: str) -> None:
        try:
            await self.tables.apply(OWNERS, owner, Delete("usage"))
        except Missing:
            pass

    async def of(self, owner: str) -> Mapping[str, int]:
        self.looked_at.append(owner)
        row = await self.tables.get(OWNERS, owner, "usage")
        return json.loads(str(row.values["figures"])) if row else {}

    async def page(self, after: str | None) -> Sequence[tuple[str, Mapping[str, int]]]:
        rows = await self.tables.query(OWNERS, prefix="usage", after_partition=after, limit=self._page)
        return [(row.partition, json.loads(str(row.values["figures"]))) for row in rows]


class World:
    """Two processes on one storage."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.storage = MemoryStorage(self.clock)
        self.watched = Watched(self.storage)
        self.things = Things(self.storage.tables)
        self.feeds = [self.feed(), self.feed()]

    def feed(self) -> ChangeFeed:
        return ChangeFeed(self.storage.tables, self.clock, "things", delay=10_000)

    def sums(self, feed: ChangeFeed, tables: Any = None) -> Sums:
        return Sums(tables or self.storage.tables, self.clock, table="thingstats", feed=feed, source=self.things)

    async def truth(self) -> tuple[dict[str, int], int]:
        rows = [json.loads(str(row.values["figures"])) for row in await self.storage.tables.query(OWNERS, limit=1000)]
        total: Counter[str] = Counter()
        for figures in rows:
            total.update(figures)
        return {name: n for name, n in total.items() if n}, sum(any(figures.values()) for figures in rows)

    async def flush(self) -> None:
        for feed in self.feeds:
            await feed.flush()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 1), st.sampled_from(NAMES), st.integers(0, 3), st.integers(-2, 2)),
        st.tuples(st.just("remove"), st.integers(0, 1), st.sampled_from(NAMES)),
        st.tuples(st.just("flush"), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.integers(1, 700)),
        st.tuples(st.just("roll up"), st.integers(0, 1)),
        st.tuples(st.just("recount"), st.integers(0, 1)),
        st.tuples(st.just("die"), st.integers(0, 1)),  # with what it has not written
        st.tuples(st.just("die in a run"), st.integers(0, 1), st.integers(1, 9), st.sampled_from(["death", "refused", "lost answer"])),
        st.tuples(st.just("overlap")),
    ),
    max_size=25,
)


async def run(world: World, history: Sequence[tuple[Any, ...]], *, crashes: bool) -> None:
    for step in history:
        match step:
            case ("change", process, owner, n, m):
                await world.things.set(owner, n=n, m=m)
                world.feeds[process].note(owner)
            case ("remove", process, owner):
                await world.things.remove(owner)
                world.feeds[process].note(owner)
            case ("flush", process):
                await world.feeds[process].flush()
            case ("wait", seconds):
                world.clock.advance(seconds)
            case ("roll up", process):
                await world.sums(world.feeds[process]).roll_up()
            case ("recount", process):
                await world.sums(world.feeds[process]).recount()
            case ("die", process) if crashes:
                world.feeds[process] = world.feed()
            case ("die in a run", process, at, fault) if crashes:
                world.watched.arm(fault, at)
                try:
                    await world.sums(world.feeds[process], world.watched.tables).roll_up()
                except (ProcessDied, StorageUnavailable):
                    pass
                world.watched.dead = False
                world.watched.arm("death", 0)
            case ("overlap",):
                await asyncio.gather(*(world.sums(feed, world.watched.tables).roll_up() for feed in world.feeds))


@given(steps)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_without_crashes_a_roll_up_is_a_full_count(history: Sequence[tuple[Any, ...]]) -> None:
    world = World()
    await run(world, history, crashes=False)
    await world.flush()
    found = await world.sums(world.feed()).roll_up()
    assert (found.figures, found.owners) == await world.truth()


@given(steps)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_whatever_died_a_recount_is_a_full_count(history: Sequence[tuple[Any, ...]]) -> None:
    world = World()
    await run(world, history, crashes=True)
    found = await world.sums(world.feed()).recount()
    assert (found.figures, found.owners) == await world.truth()
    again = await world.sums(world.feed()).roll_up()
    assert again.figures == found.figures


async def test_only_what_changed_is_looked_at() -> None:
    world = World()
    for n in range(50):
        await world.things.set(f"owner{n:02}", n=1)
    rolled = world.sums(world.feeds[0])
    await rolled.roll_up()
    world.things.looked_at.clear()
    assert (await rolled.roll_up()).figures == {"n": 50}
    assert world.things.looked_at == []
    await world.things.set("owner07", n=5)
    world.feeds[0].note("owner07")
    assert (await rolled.roll_up()).figures == {"n": 54}
    assert set(world.things.looked_at) == {"owner07"}


async def test_a_recount_says_what_was_lost_and_only_that() -> None:
    world = World()
    rolled = world.sums(world.feeds[0])
    await world.things.set("a", n=1)
    first = await rolled.recount()
    assert (first.drifted, first.figures) == (0, {"n": 1})
    await world.things.set("b", n=7)  # by a process that died before it said so
    await world.things.set("c", n=1)
    world.feeds[0].note("c")
    world.clock.advance(60)
    found = await rolled.recount()
    assert (found.figures, found.drifted, found.difference) == ({"n": 9}, 1, {"n": 7, sums_rows.OWNERS: 1})
    assert found.recounted_at == world.clock.now()
    world.clock.advance(60)
    kept = await rolled.roll_up()
    assert (kept.drifted, kept.recounted_at, kept.as_of) == (1, found.as_of, world.clock.now())
    assert (await rolled.recount()).drifted == 0


async def test_a_recount_finds_who_has_gone_unnoticed() -> None:
    world = World()
    rolled = world.sums(world.feeds[0])
    for owner in NAMES:
        await world.things.set(owner, n=1)
    await rolled.recount()
    for owner in NAMES[::2]:  # in the middle, first and last, and in every partition
        await world.things.remove(owner)
    await world.things.set(NAMES[1], n=0)
    found = await rolled.recount()
    assert (found.figures, found.owners, found.drifted) == (
        {"n": len(NAMES) - len(NAMES[::2]) - 1},
        found.figures["n"],
        len(NAMES[::2]) + 1,
    )


async def test_a_run_that_was_overtaken_counts_anew() -> None:
    world = World()
    slow, quick = (world.sums(feed) for feed in world.feeds)
    await slow.roll_up()
    await world.things.set("a", n=1)
    world.feeds[0].note("a")
    await world.flush()
    look, overtaken = world.things.of, []

    async def of(owner: str) -> Mapping[str, int]:
        figures = await look(owner)
        if not overtaken:  # between the slow one's reading and its writing
            overtaken.append(owner)
            await world.things.set("a", n=5)
            await quick.roll_up()
        return figures

    world.things.of = of  # type: ignore[method-assign]  # the slow run's
    assert (await slow.roll_up()).figures == {"n": 5}
    assert (await quick.recount()).drifted == 0


async def test_a_sum_that_somebody_spoiled_is_mended() -> None:
    world = World()
    rolled = world.sums(world.feeds[0])
    await world.things.set("a", n=1)
    await rolled.roll_up()
    (spoiled,) = await world.storage.tables.query("thingstats", sums_rows.shard_of("a"), prefix="sum", limit=2)
    await world.storage.tables.apply("thingstats", spoiled.partition, Replace("sum", sums_rows.pack({"n": 99}), spoiled.etag))
    assert (await rolled.roll_up()).figures == {"n": 99}
    assert (await rolled.recount()).figures == {"n": 1}


async def test_a_row_of_an_older_version_is_counted_anew() -> None:
    world = World()
    await world.storage.tables.apply("thingstats", "all", Upsert("latest", {"v": 1, "active_files": 3, "as_of": world.clock.now()}))
    await world.things.set("a", n=1)
    rolled = world.sums(world.feeds[0])
    assert await rolled.last() is None
    assert (await rolled.latest()).figures == {"n": 1}


async def test_a_run_that_always_loses_gives_up() -> None:
    world = World()
    rolled = world.sums(world.feeds[0])
    await rolled.roll_up()
    await world.things.set("a", n=1)
    world.feeds[0].note("a")
    get = world.storage.tables.get

    async def overtaken(table: str, partition: str, key: str) -> Any:
        row = await get(table, partition, key)
        if table == "thingstats" and key == "sum":  # another run writes it each time
            await world.storage.tables.apply(table, partition, Upsert("sum", sums_rows.pack({"n": 0})))
        return row

    world.storage.tables.get = overtaken  # type: ignore[method-assign]  # as if others were always faster
    with pytest.raises(sums.Busy):
        await rolled.roll_up()
    world.storage.tables.get = get  # type: ignore[method-assign]  # alone again
    assert (await rolled.roll_up()).figures == {"n": 1}


@given(st.dictionaries(st.text(max_size=300), st.integers(-(2**60), 2**60), max_size=30))
def test_figures_of_any_size_come_back(figures: dict[str, int]) -> None:
    row = sums_rows.pack(figures)
    assert all(len(str(value)) <= sums_rows.PIECE for value in row.values())
    assert sums_rows.unpack(sums_rows.Row("", "", row)) == {name: n for name, n in figures.items() if n}


async def test_marks_stay_while_somebody_counts_on_them() -> None:
    world = World()
    rolled, feed = world.sums(world.feeds[0]), world.feeds[0]
    await rolled.roll_up()
    for n in (1, 2):  # the second change writes no mark: the first one still stands
        await world.things.set("a", n=n)
        feed.note("a")
        assert (await rolled.roll_up()).figures == {"n": n}
    assert len(await feed.page()) == 1
    world.clock.advance((feeds.WINDOW + feeds.GRACE).total_seconds())
    await rolled.roll_up()
    assert await feed.page() == []
