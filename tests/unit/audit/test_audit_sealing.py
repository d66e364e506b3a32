"""Sealing: what is new becomes part of the chain, however many sealers run and wherever one of them dies."""

import asyncio

import pytest

from shared_code.audit import tables as rows
from shared_code.audit.heads import Heads
from shared_code.audit.sealer import PAGE, PER_BATCH
from shared_code.audit.trail import Filter
from shared_code.storage.memory_tables import MemoryTables
from shared_code.storage.ports import Insert, Merge, Replace
from tests.unit.audit.trails import DAY, DAY_SECONDS, NEW, START, Died, Meddling, World, world


async def chained(world: World, day: str = DAY) -> list[int]:
    return sorted(int(str(row.values["seq"])) for row in await world.log(day) if row.values["sealed"])


async def test_new_rows_are_sealed_in_order_and_once() -> None:
    trail = world()
    await trail.record(3)
    assert await trail.sealer.run() == 3
    assert await trail.sealer.run() == 0
    await trail.record(2)
    assert await trail.sealer.run() == 2
    assert [row.values["seq"] for row in await trail.log()] == [1, 2, 3, 4, 5]
    report = await trail.verify()
    assert (report.outcome, report.days, report.sealed, report.unsealed) == ("intact", 1, 5, 0)


async def test_several_batches_and_pages() -> None:
    trail = world()
    count = PAGE + PER_BATCH + 2
    await trail.record(count, apart=0.001)
    assert await trail.sealer.run() == count
    assert (await trail.verify()).sealed == count
    assert await trail.outcome() == "intact"


async def test_a_quiet_minute_costs_two_calls() -> None:
    watched = Meddling(MemoryTables())
    trail = world(watched)  # type: ignore[arg-type]  # it stands in for Tables
    await trail.record(5)
    await trail.sealer.run()
    watched.calls.clear()
    await trail.sealer.run()
    assert watched.calls == ["get", "query"]


async def test_a_late_row_gets_a_later_number() -> None:
    trail = world()
    await trail.record(1)
    slow, clock = world(trail.tables), trail.clock
    slow.clock.advance(-300)
    clock.advance(10)
    await trail.record(1)
    await trail.sealer.run()
    await slow.record(1)
    assert await trail.sealer.run() == 1
    assert [row.values["seq"] for row in await trail.log()] == [3, 1, 2]
    assert await trail.outcome() == "intact"


async def test_a_very_late_row_waits_for_the_night() -> None:
    trail = world()
    slow = world(trail.tables)
    slow.clock.advance(-3600)
    await trail.record(1)
    await trail.sealer.run()
    await slow.record(1)
    assert await trail.sealer.run() == 0
    report = await trail.verify()
    assert report.outcome == "unchecked"
    assert report.unsealed == 1
    trail.clock.advance(DAY_SECONDS)
    assert await trail.sealer.sweep() == 1
    assert await trail.outcome() == "intact"


async def test_a_clock_that_is_ahead_hides_nobody() -> None:
    trail = world()
    fast = world(trail.tables)
    fast.clock.advance(7200)
    await fast.record(1)
    await trail.sealer.run()
    await trail.record(1)
    assert await trail.sealer.run() == 1


async def test_days_hold_each_other() -> None:
    trail = world()
    for _ in range(3):
        await trail.record(2)
        await trail.sealer.run()
        trail.clock.advance(DAY_SECONDS)
    heads = [await Heads(trail.tables).of(day) for day in await rows.days(trail.tables)]
    assert [head and head.previous_day for head in heads] == ["", "20260110", "20260111"]
    assert (await trail.verify()).days == 3
    assert await trail.outcome() == "intact"


async def test_the_first_seal_of_a_day_seals_what_is_left_of_those_before() -> None:
    trail = world()
    await trail.record(2)
    trail.clock.advance(DAY_SECONDS)
    await trail.record(1)
    trail.clock.advance(DAY_SECONDS)
    await trail.record(1)
    await trail.sealer.run()
    assert [len(await chained(trail, day)) for day in await rows.days(trail.tables)] == [2, 1, 1]
    assert await trail.outcome() == "intact"


async def test_midnight() -> None:
    trail = world()
    trail.clock.advance((START.replace(hour=23, minute=59, second=50) - START).total_seconds())
    await trail.record(20)
    await trail.sealer.run()
    assert [len(await chained(trail, day)) for day in await rows.days(trail.tables)] == [10, 10]
    late = world(trail.tables)
    late.clock.advance((START.replace(hour=23, minute=59, second=59) - START).total_seconds())
    await late.record(1)
    assert await trail.sealer.run() == 1  # the day that the next one goes on from still grows
    assert await trail.outcome() == "intact"


@pytest.mark.parametrize("sealers", [2, 5])
async def test_writers_and_sealers_at_once(sealers: int) -> None:
    tables = MemoryTables()
    worlds = [world(Meddling(tables)) for _ in range(sealers)]  # type: ignore[arg-type]  # it stands in for Tables
    done = asyncio.Event()

    async def write(number: int) -> None:
        for _ in range(60):
            await worlds[number].record(1, user_id=f"user{number}")

    async def seal(trail: World) -> None:
        while not done.is_set():
            await trail.sealer.run()

    async def verify(trail: World) -> int:
        times = 0
        while not done.is_set():
            assert (await trail.verify()).outcome == "intact", "what is going on is no tampering"
            times += 1
        return times

    sealing = [asyncio.create_task(seal(trail)) for trail in worlds]
    verifying = asyncio.create_task(verify(worlds[-1]))
    await asyncio.gather(*(write(number) for number in range(sealers)))
    done.set()
    await asyncio.gather(*sealing)
    assert await verifying > 3
    trail = worlds[0]
    await trail.sealer.seal(DAY, whole=True)
    assert await chained(trail) == list(range(1, 60 * sealers + 1))
    assert await trail.outcome() == "intact"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_death_at_any_write(when: str) -> None:
    """What is left verifies, and the next run completes it."""
    for at in range(1, 40):
        tables = MemoryTables()
        trail = world(tables)
        await trail.record(2, user_id="ada")
        await trail.sealer.run()
        await trail.record(120, user_id="ada", apart=0.1)
        await trail.record(3, user_id="bob")
        trail.clock.advance(DAY_SECONDS)
        await trail.record(2, user_id="ada")
        dying = Meddling(tables, at, when)
        try:
            await world(dying, trail.clock).sealer.run()  # type: ignore[arg-type]  # it stands in for Tables
        except Died:
            assert (await trail.verify()).outcome != "tampered", at
        else:
            assert at == 10
            return
        await trail.sealer.run()
        await trail.sealer.sweep()
        assert await chained(trail) == list(range(1, 126))
        assert await trail.outcome() == "intact", at
        listed = await tables.query(rows.COPIES, "ada", limit=1000)
        assert len(listed) == 124
    pytest.fail("it never ends")


async def test_a_head_that_is_not_ours_is_not_built_on() -> None:
    trail = world()
    await trail.record(2)
    await trail.sealer.run()
    stranger = world(trail.tables, trail.clock, NEW)
    await trail.record(1)
    assert await stranger.sealer.run() == 0
    await trail.tables.apply(rows.table_of(DAY), rows.LOG, Merge(rows.HEAD, {"hash": "0" * 64}))
    assert await trail.sealer.run() == 0
    await trail.tables.apply(rows.table_of(DAY), rows.LOG, Replace(rows.HEAD, {"seq": "x"}))
    assert await trail.sealer.run() == 0
    trail.clock.advance(DAY_SECONDS)
    await trail.record(1)
    assert await trail.sealer.run() == 1, "the next day is sealed all the same"
    assert await trail.outcome() == "tampered"


async def test_a_row_that_is_no_event_stops_nothing() -> None:
    trail = world()
    await trail.record(1)
    for key in ("e:nonsense", rows.key_of("7" + "z" * 25)):
        await trail.tables.apply(rows.table_of(DAY), rows.LOG, Insert(key, {"sealed": False, "kind": "x"}))
    assert await trail.sealer.run() == 1
    page = await trail.trail.everyone(Filter(), after=None, limit=10)
    assert len(page.events) == 1
    assert await trail.outcome() == "unchecked"
