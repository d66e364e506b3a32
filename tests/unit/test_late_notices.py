"""Notices where something hangs, stops or jumps: storage, a process, a clock. Whoever asks five seconds after a change hears of it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.lookups import Lookups
from shared_code.storage import notices
from shared_code.storage.notices import PARTITION, TABLE
from tests.unit.apps import until
from tests.unit.noticed import KEPT, Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()


class Hanging:
    """Answers that were made when they were asked for, and come when they are let go."""

    def __init__(self, call: Callable[..., Awaitable[Any]]) -> None:
        self.call, self.go, self.asked, self.hangs = call, asyncio.Event(), 0, True

    async def __call__(self, *args: Any, **options: Any) -> Any:
        answer = await self.call(*args, **options)
        self.asked += 1
        if self.hangs:
            await self.go.wait()
        return answer


async def test_a_look_that_hangs_is_not_joined_by_who_comes_later(rig: Rig) -> None:
    look = Hanging(rig.look)
    before = asyncio.ensure_future(rig.lookups.get("ada/session", look))
    await until(lambda: look.asked == 1)
    await rig.change()
    rig.clock.advance(4.9)
    joining = asyncio.ensure_future(rig.lookups.get("ada/session", look))
    await asyncio.sleep(0)
    assert look.asked == 1, "a new look is joined"
    rig.clock.advance(0.1)
    after = asyncio.ensure_future(rig.lookups.get("ada/session", look))
    await until(lambda: look.asked == 2)
    look.go.set()
    assert await asyncio.gather(before, joining, after) == ["old", "old", None]
    assert await rig.get() is None, "the older answer, which may come last, is not remembered"
    assert not rig.lookups._looks


async def test_an_older_answer_that_comes_last_overrules_nothing(rig: Rig) -> None:
    slow = Hanging(rig.look)
    before = asyncio.ensure_future(rig.lookups.get("ada/session", slow))
    await until(lambda: slow.asked == 1)
    rig.truth = "new"
    rig.clock.advance(5)
    async with asyncio.timeout(5):
        assert await rig.get() == "new"
    slow.go.set()
    assert await before == "old"
    assert await rig.get() == "new"


async def test_what_was_set_during_a_look_that_hangs_does_not_overrule_a_later_look(rig: Rig) -> None:
    slow = Hanging(rig.look)
    before = asyncio.ensure_future(rig.lookups.get("ada/session", slow))
    await until(lambda: slow.asked == 1)
    rig.lookups.set("ada/session", None)
    rig.truth = "new"
    rig.clock.advance(5)
    async with asyncio.timeout(5):
        assert await rig.get() == "new"
    slow.go.set()
    await before
    assert await rig.get() == "new"


async def test_a_read_that_hangs_is_not_enough_for_who_comes_later(rig: Rig) -> None:
    """A process that was stopped goes on with the answer that it had been given before."""
    await rig.get()
    rig.clock.advance(6)
    query = rig.tables.tables.query = Hanging(rig.tables.tables.query)  # type: ignore[method-assign, assignment]
    before = asyncio.ensure_future(rig.get())
    await until(lambda: query.asked == 1)
    await rig.change()
    rig.clock.advance(20)
    after = asyncio.ensure_future(rig.get())
    await asyncio.sleep(0)
    query.hangs = False
    query.go.set()
    assert await after is None
    await before


async def test_a_clock_that_is_put_back(rig: Rig) -> None:
    clock = ManualClock(rig.clock.now())
    here = rig.instance(clock)
    lookups = Lookups[str](clock, kept=KEPT, size=10, notices=here)
    assert await lookups.get("ada/session", rig.look) == "old"
    clock.advance(-30)
    await rig.change()
    for _ in range(2):
        clock.advance(2.5)
        rig.clock.advance(2.5)
        found = await lookups.get("ada/session", rig.look)
    assert found is None


async def test_a_clock_that_was_far_ahead_and_is_put_right(rig: Rig) -> None:
    clock = ManualClock(rig.clock.now() + timedelta(minutes=10))
    lookups = Lookups[str](clock, kept=KEPT, size=10, notices=rig.instance(clock))
    await lookups.get("ada/session", rig.look)
    clock.advance(-600)
    await lookups.get("ada/session", rig.look)
    await rig.change()
    clock.advance(5)
    assert await lookups.get("ada/session", rig.look) is None


@pytest.mark.parametrize("where", ["before the notice", "between notice and change", "in the change"])
@pytest.mark.parametrize("seconds", [16, 60, 600])
async def test_a_process_that_is_stopped_on_its_way(rig: Rig, where: str, seconds: float) -> None:
    """However late the change comes: five seconds after it is acknowledged nobody calls it old."""
    behind = ManualClock(rig.clock.now() - timedelta(seconds=59))

    async def stopped() -> None:
        for clock in (rig.clock, behind):
            clock.advance(seconds)
        assert await rig.get() == "old"  # as it still is, looked up just before the change

    apply, stops = rig.tables.tables.apply, where == "before the notice"

    async def slow(*args: Any) -> str:
        nonlocal stops
        if stops:
            stops = False
            await stopped()
        return await apply(*args)

    rig.tables.tables.apply = slow  # type: ignore[method-assign]
    await rig.get()
    async with rig.instance(behind).changing("ada"):
        if where == "between notice and change":
            await stopped()
        rig.truth = None
        if where == "in the change":
            await stopped_after(rig, behind, seconds)
    rig.clock.advance(5)
    assert await rig.get() is None


async def stopped_after(rig: Rig, behind: ManualClock, seconds: float) -> None:
    """The change has been made and its answer is late: who asks meanwhile may be told either."""
    for clock in (rig.clock, behind):
        clock.advance(seconds)
    await rig.get()


async def test_a_change_that_was_late_and_failed_is_told_of_as_well(rig: Rig) -> None:
    async def fail() -> None:
        async with rig.there.changing("ada"):
            rig.clock.advance(30)
            raise StorageUnavailable("nobody knows whether it was made")

    with pytest.raises(StorageUnavailable):
        await fail()
    assert len(await rig.tables.query(TABLE, PARTITION)) == 2


async def test_a_change_in_time_costs_one_notice(rig: Rig) -> None:
    async with rig.there.changing("ada"):
        rig.clock.advance(10)
    assert rig.tables.calls == ["write notices"]


async def test_a_notice_that_never_is_in_time_lets_nothing_change(rig: Rig) -> None:
    rig.tables.after = lambda verb, table: rig.clock.advance(20)
    with pytest.raises(StorageUnavailable):
        await rig.there.post("ada")
    assert len(rig.tables.calls) == notices.TRIES


async def test_who_only_posts_remembers_no_more_than_who_reads(rig: Rig) -> None:
    for number in range(100):
        await rig.there.post(f"user{number}")
        rig.clock.advance(60)
    assert len(rig.there._settled) <= 20


async def test_a_stamp_from_a_clock_far_ahead_keeps_nothing_in_memory(rig: Rig) -> None:
    await rig.instance(ManualClock(rig.clock.now() + timedelta(days=365))).post("bob")
    for number in range(100):
        await rig.there.post(f"user{number}")
        rig.clock.advance(60)
        await rig.here.fresh()
    assert len(rig.here._settled) <= 21
    assert await rig.lookups.get("bob/session", rig.look) == "old"
    rig.truth = None
    rig.clock.advance(5)
    assert await rig.lookups.get("bob/session", rig.look) is None


def test_a_host_that_goes_on_with_another_loop(rig: Rig) -> None:
    """What the first loop began never ends: a read, a tick."""
    here = rig.instance(every=0.001)
    query = rig.tables.tables.query

    async def begin() -> None:
        await here.fresh()
        hanging = rig.tables.tables.query = Hanging(query)  # type: ignore[method-assign, assignment]
        await until(lambda: hanging.asked)
        asyncio.get_running_loop().stop()

    loop = asyncio.new_event_loop()
    begun = loop.create_task(begin())
    loop.run_forever()
    assert begun.done()
    rig.clock.advance(6)

    async def go_on() -> None:
        rig.tables.tables.query = query  # type: ignore[method-assign]
        async with asyncio.timeout(5):
            await here.fresh()
            rig.clock.advance(1)
            await until(lambda: here._read_at == rig.clock.now())

    asyncio.run(go_on())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
