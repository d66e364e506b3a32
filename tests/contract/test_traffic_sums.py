"""Traffic of many instances added up, on both adapters: nothing is lost or doubled, whoever runs when."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared_code.clock import ManualClock
from shared_code.monitoring.slo import SloView
from shared_code.monitoring.traffic import Recorder
from shared_code.monitoring.traffic_rows import errors, requests
from shared_code.monitoring.traffic_store import DAYS, HISTORY, HOURS, SLOTS, TrafficStore
from shared_code.storage.ports import Storage, Upsert
from tests.contract.conftest import outcomes

START = datetime(2026, 3, 1, 22, 50, tzinfo=UTC)


class Prefixed:
    """Tables of this test alone: their names are fixed, and all tests share one Azurite."""

    def __init__(self, tables: Any, name: str) -> None:
        self._tables, self._name = tables, name

    def _of(self, table: str) -> str:
        return self._name + table

    async def get(self, table: str, *rest: Any) -> Any:
        return await self._tables.get(self._of(table), *rest)

    async def apply(self, table: str, *rest: Any) -> Any:
        return await self._tables.apply(self._of(table), *rest)

    async def batch(self, table: str, *rest: Any) -> Any:
        return await self._tables.batch(self._of(table), *rest)

    async def query(self, table: str, *rest: Any, **options: Any) -> Any:
        return await self._tables.query(self._of(table), *rest, **options)

    async def drop(self, table: str) -> None:
        await self._tables.drop(self._of(table))

    async def list_tables(self, prefix: str = "") -> list[str]:
        return [found.removeprefix(self._name) for found in await self._tables.list_tables(self._of(prefix))]


class World:
    def __init__(self, storage: Storage, name: str) -> None:
        self.tables: Any = Prefixed(storage.tables, name)
        self.clock = ManualClock(START)
        self.store = TrafficStore(self.tables, self.clock)
        self.recorders = [Recorder(lambda: self.tables, self.clock, f"i{number}", writes=False) for number in range(3)]

    async def minute(self, count: int = 2, status: int = 200) -> None:
        """Every instance serves so many requests, a minute goes by, and they write."""
        for recorder in self.recorders:
            for _ in range(count):
                recorder.observe("files_list", "GET", status, 0.01, 0.01, streamed=False, cold=False)
        self.clock.advance(60)
        await asyncio.gather(*(recorder.flush() for recorder in self.recorders))

    async def count(self, partition: str, key: str) -> int:
        row = await self.tables.get(HISTORY, partition, key)
        return row.values["requests"] if row else 0


@pytest.fixture
def world(storage: Storage, name: str) -> World:
    return World(storage, name)


async def test_sums_across_midnight(world: World) -> None:
    for _ in range(100):  # 22:50 to 00:30
        await world.minute()
    assert await world.store.roll_up() == 288, "the first run looks a day back"
    await world.store.roll_up()
    assert [await world.count(HOURS, hour) for hour in ("2026030122", "2026030123", "2026030200")] == [60, 360, 180]
    assert [await world.count(DAYS, day) for day in ("20260301", "20260302")] == [420, 180]
    assert requests(await world.store.today()) == 180
    assert requests(await world.store.since(START)) == 600
    assert requests(await world.store.since(world.clock.now() - timedelta(hours=1))) == 360
    assert requests(await world.store.minutes(datetime(2026, 3, 1, 23, 59, tzinfo=UTC), datetime(2026, 3, 2, 0, 1, tzinfo=UTC))) == 12
    assert {day: requests(traffic) for day, traffic in (await world.store.days(2)).items()} == {"20260301": 420, "20260302": 180}
    assert list(await world.store.days(1)) == ["20260302"]


async def test_before_any_roll_up_and_between_two(world: World) -> None:
    assert await world.store.today() == {}
    for _ in range(7):
        await world.minute()
    assert requests(await world.store.today()) == requests(await world.store.since(START)) == 42
    await world.store.roll_up()
    seen = 42
    for _ in range(11):
        await world.minute(1)
        seen += 3
        assert requests(await world.store.today()) == seen, "a counter only grows"
        assert requests(await world.store.recent(2)) == (9 if seen == 45 else 6)
        await world.store.roll_up()
        assert requests(await world.store.today()) == seen


async def test_runs_that_overlap_and_repeat(world: World) -> None:
    for _ in range(20):
        await world.minute()
    results = await outcomes(*(TrafficStore(world.tables, world.clock).roll_up() for _ in range(6)))
    assert not [result for result in results if isinstance(result, BaseException)]
    assert await world.count(DAYS, "20260301") == 120
    rows = await world.tables.query(HISTORY, DAYS)
    await world.store.roll_up()
    assert [row.etag for row in await world.tables.query(HISTORY, DAYS)] == [row.etag for row in rows], "nothing new, nothing written"


async def test_minutes_that_come_late_are_added(world: World) -> None:
    late = world.recorders.pop()
    late.observe("files_list", "GET", 500, 0.01, 0.01, streamed=False, cold=False)
    for _ in range(16):
        await world.minute()
    await world.store.roll_up()
    assert await world.count(DAYS, "20260301") == 60
    await late.flush()
    await world.store.roll_up()
    assert (requests(await world.store.today()), errors(await world.store.today())) == (65, 1)


async def test_a_run_that_saw_less_takes_nothing_away(world: World) -> None:
    for _ in range(10):
        await world.minute()
    await world.store.roll_up()
    slot = await world.tables.get("traffic20260301", SLOTS, "2250")
    assert slot is not None
    more = {**slot.values, "requests": 31}
    await world.tables.apply("traffic20260301", SLOTS, Upsert("2250", more))
    await world.store.roll_up()
    assert (await world.tables.get("traffic20260301", SLOTS, "2250")).values["requests"] == 31


async def test_a_clock_that_ran_ahead_does_not_stop_later_runs(world: World) -> None:
    await world.minute()
    ahead = TrafficStore(world.tables, ManualClock(START + timedelta(hours=3)))
    await ahead.roll_up()
    for _ in range(9):
        await world.minute()
    await world.store.roll_up()
    assert requests(await world.store.today()) == 60


async def test_purge(world: World) -> None:
    for _ in range(15):
        await world.minute()
    await world.store.roll_up()
    world.clock.advance(3 * 86_400)
    await world.store.purge()
    assert await world.tables.list_tables("traffic2") == []
    assert await world.count(HOURS, "2026030122") == 60
    world.clock.advance(36 * 86_400)
    await world.store.purge()
    assert await world.count(HOURS, "2026030122") == 0
    assert await world.count(DAYS, "20260301") == 90
    world.clock.advance(400 * 86_400)
    await world.store.purge()
    await world.store.purge()
    assert await world.count(DAYS, "20260301") == 0


async def test_service_levels(world: World) -> None:
    from decimal import Decimal

    view = SloView(world.store, world.clock, Decimal("99"))
    empty = await view.read(7)
    assert (empty.budget.left, empty.burn, empty.days) == (None, {"1h": None, "6h": None, "30d": None}, [])
    for _ in range(70):
        await world.minute()
    await world.store.roll_up()
    await world.minute(1, status=503)
    slo = await view.read(7)
    assert (slo.budget.requests, slo.budget.errors) == (423, 3)
    assert slo.budget.allowed == pytest.approx(4.23)
    assert slo.budget.left == pytest.approx(1 - 3 / 4.23)
    assert slo.burn["1h"] == pytest.approx(3 / 357 / 0.01, rel=0.1)
    assert slo.burn["30d"] == pytest.approx(3 / 423 / 0.01)
    assert [day.day for day in slo.days] == ["2026-03-02", "2026-03-01"]
    assert slo.days[0].functions[0].function == "files_list"
    assert await view.read(1) != slo
    recent = await view.recent(2)
    assert (recent.requests, recent.errors) == (9, 3)
    assert recent.p95_ms == pytest.approx(10, rel=0.1)
