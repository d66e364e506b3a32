"""Notices: heard everywhere within five seconds, for one call every few seconds, whatever the clocks say and whoever dies."""

import asyncio
from contextvars import ContextVar
from datetime import timedelta

import pytest

from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.lookups import Lookups
from shared_code.storage import notices
from shared_code.storage.notices import PARTITION, TABLE, purge
from shared_code.storage.ports import Upsert
from tests.unit.apps import until
from tests.unit.noticed import KEPT, Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_change_elsewhere_is_seen_within_five_seconds_whenever_it_is_made(rig: Rig) -> None:
    for quiet in (0.0, 1, 4.9, 5, 30, 119, 121, 600, 899, 5000):
        rig.truth = "old"
        rig.clock.advance(5)
        assert await rig.get() == "old"
        rig.clock.advance(quiet)
        await rig.change()
        rig.clock.advance(5)
        assert await rig.get() is None, quiet


async def test_what_nobody_changes_is_looked_up_once_and_kept_for_a_quarter_of_an_hour(rig: Rig) -> None:
    for _ in range(100):
        assert await rig.get() == "old"
        rig.clock.advance(5)
    assert rig.looks == 1
    assert rig.tables.calls.count("query notices") == 99
    rig.clock.advance(500)
    assert await rig.get() == "old"
    assert rig.looks == 2


async def test_what_is_in_use_is_looked_up_ahead_of_its_end(rig: Rig) -> None:
    await rig.get()
    rig.clock.advance(9 * 60)
    assert await rig.get() == "old"
    await until(lambda: rig.looks == 2)


async def test_notice_of_another_changes_nothing(rig: Rig) -> None:
    await rig.get()
    await rig.there.post("bob")
    await rig.there.post("ad")
    rig.clock.advance(60)
    assert await rig.get() == "old"
    assert rig.looks == 1


async def test_a_look_between_notice_and_change_counts_for_five_seconds_only(rig: Rig) -> None:
    await rig.get()
    await rig.there.post("ada")
    rig.clock.advance(5)
    assert await rig.get() == "old"
    rig.clock.advance(40)  # a slow write
    assert await rig.get() == "old"
    rig.truth = None
    rig.clock.advance(5)
    assert await rig.get() is None


async def test_what_was_looked_up_before_the_change_is_not_believed_again_later(rig: Rig) -> None:
    await rig.get()
    await rig.change()
    rig.clock.advance(notices.SETTLES.total_seconds() + 60)  # nobody asked while it was new
    assert await rig.get() is None


async def test_what_is_looked_up_after_the_change_has_settled_is_kept_again(rig: Rig) -> None:
    await rig.get()
    await rig.there.post("ada")
    rig.clock.advance(notices.SETTLES.total_seconds())
    await rig.get()
    looks = rig.looks
    rig.clock.advance(60)
    await rig.get()
    assert rig.looks == looks


async def test_that_there_is_nothing_is_known_for_five_seconds(rig: Rig) -> None:
    """Who makes something posts no notice."""
    rig.truth = None
    assert await rig.get() is None
    rig.truth = "new"
    rig.clock.advance(4.9)
    assert await rig.get() is None
    rig.clock.advance(0.1)
    assert await rig.get() == "new"


async def test_a_look_counts_from_its_beginning(rig: Rig) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        asked.set()
        await answered.wait()
        return "old"

    looking = asyncio.ensure_future(rig.lookups.get("ada/session", slow))
    await asked.wait()
    await rig.change()
    rig.clock.advance(notices.SETTLES.total_seconds())
    answered.set()
    assert await looking == "old", "it was so when it was asked"
    assert await rig.get() is None


async def test_an_instance_that_begins_after_a_notice_hears_it(rig: Rig) -> None:
    await rig.there.post("ada")
    late = Lookups[str](rig.clock, kept=KEPT, size=100, notices=rig.instance())
    assert await late.get("ada/session", rig.look) == "old"
    rig.truth = None
    rig.clock.advance(5)
    assert await late.get("ada/session", rig.look) is None


@pytest.mark.parametrize("seconds", [-59, 59])
async def test_clocks_that_are_a_minute_apart(rig: Rig, seconds: float) -> None:
    await rig.get()
    theirs = ManualClock(rig.clock.now() + timedelta(seconds=seconds))
    rig.clock.advance(300)
    theirs.advance(300)
    await rig.get()
    await rig.change(rig.instance(theirs))
    rig.clock.advance(5)
    assert await rig.get() is None


async def test_a_notice_that_arrives_late(rig: Rig) -> None:
    """Its write took most of a minute, and was stamped when it began; the change came behind it."""
    await rig.get()
    stamp = rig.clock.now()
    for _ in range(11):
        rig.clock.advance(5)
        assert await rig.get() == "old"
    key = f"{int(stamp.timestamp() * 1000):013d}:ada"
    await rig.tables.apply(TABLE, PARTITION, Upsert(key, {"v": 1}))
    rig.truth = None
    rig.clock.advance(5)
    assert await rig.get() is None


async def test_more_notices_than_fit_one_page(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "PAGE", 3)
    await rig.get()
    for number in range(7):
        await rig.there.post(f"other{number}")
        rig.clock.advance(0.01)
    await rig.change()
    rig.clock.advance(5)
    assert await rig.get() is None


async def test_storage_that_is_down_is_not_taken_for_no_notice(rig: Rig) -> None:
    await rig.get()

    def down(verb: str, table: str) -> None:
        raise StorageUnavailable("down")

    rig.tables.before = down
    rig.clock.advance(4.9)
    assert await rig.get() == "old"
    rig.clock.advance(0.1)
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await rig.get()
    with pytest.raises(StorageUnavailable):
        await rig.change(rig.here)
    rig.tables.before = lambda verb, table: None
    assert await rig.get() == "old"
    assert rig.looks == 1


async def test_many_wait_for_one_read(rig: Rig) -> None:
    await rig.get()
    rig.clock.advance(60)
    rig.tables.calls.clear()
    assert await asyncio.gather(*(rig.get() for _ in range(30))) == ["old"] * 30
    assert rig.tables.calls == ["query notices"]


async def test_who_leaves_takes_nobody_along(rig: Rig) -> None:
    await rig.get()
    rig.clock.advance(60)
    leaving, staying = asyncio.ensure_future(rig.get()), asyncio.ensure_future(rig.get())
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "old"


async def test_ones_own_notice_counts_at_once(rig: Rig) -> None:
    await rig.get()
    rig.clock.advance(10)
    assert await rig.get() == "old"
    await rig.change(rig.here)
    assert await rig.get() is None


async def test_an_instance_in_use_reads_by_itself_and_stops_when_nobody_asks(rig: Rig) -> None:
    """So that a request after a pause finds what it needs."""
    ticking = rig.instance(every=0.001)
    await ticking.fresh()
    for _ in range(5):
        rig.clock.advance(60)
        read_at = rig.clock.now()
        await until(lambda read_at=read_at: ticking._read_at == read_at)
    rig.tables.calls.clear()
    await ticking.fresh()
    assert rig.tables.calls == [], "it has been read"
    rig.clock.advance(notices.IN_USE.total_seconds() + 1)
    await until(lambda: ticking._tick is None)
    await ticking.fresh()
    assert ticking._tick is not None, "and goes on with the next request"
    ticking._tick.cancel()


async def test_what_is_read_by_the_clock_belongs_to_no_request(rig: Rig) -> None:
    """Its calls would stand in the trace of whichever request was the first."""
    request = ContextVar[str]("request", default="none")
    request.set("the first")
    readers = list[str]()
    rig.tables.before = lambda verb, table: readers.append(request.get())
    ticking = rig.instance(every=0.001)
    rig.clock.advance(60)
    await ticking.fresh()
    assert readers == ["the first"]
    await until(lambda: len(readers) > 3)
    assert set(readers[1:]) == {"none"}
    assert ticking._tick is not None
    ticking._tick.cancel()


async def test_reads_that_fail_go_on(rig: Rig) -> None:
    ticking, failed = rig.instance(every=0.001), 0

    def down(verb: str, table: str) -> None:
        nonlocal failed
        failed += 1
        raise StorageUnavailable("down")

    rig.tables.before = down
    await ticking.fresh()
    await until(lambda: failed > 3)
    rig.tables.before = lambda verb, table: None
    rig.clock.advance(1)
    await until(lambda: ticking._read_at == rig.clock.now())
    assert ticking._tick is not None
    ticking._tick.cancel()


async def test_memory_is_bounded_by_a_quarter_of_an_hour(rig: Rig) -> None:
    for number in range(50):
        await rig.there.post(f"user{number}")
        rig.clock.advance(60)
        await rig.here.fresh()
    assert len(rig.here._settled) <= 20


async def test_the_purge_takes_what_all_have_read(rig: Rig) -> None:
    for number in range(150):
        await rig.there.post(f"user{number}")
    rig.clock.advance(18 * 60)
    await rig.there.post("ada")
    assert await purge(rig.tables, rig.clock.now()) == 0  # type: ignore[arg-type]  # as above
    rig.clock.advance(2 * 60)
    assert await purge(rig.tables, rig.clock.now()) == 150  # type: ignore[arg-type]
    assert [row.key.partition(":")[2] for row in await rig.tables.query(TABLE, PARTITION)] == ["ada"]
    assert await purge(rig.tables, rig.clock.now()) == 0  # type: ignore[arg-type]
