"""Everybody's totals, the archive of one's data, and what becomes of usage when its user leaves or thirteen months have passed."""

import json
from collections import Counter
from typing import Any

import pytest

from shared_code.ai.events import AiEvents
from shared_code.ai.export import AiExport
from shared_code.ai.models import Usage
from shared_code.ai.purge import AiPurge
from shared_code.ai.removal import AiRemoval
from shared_code.ai.spending import TABLE
from shared_code.ai.stats import AiStatistics, UsageChanges, months_between
from shared_code.clock import ManualClock
from shared_code.storage.feeds import ChangeFeed
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Tables
from tests.unit.ai.meters import MODEL, START, meter, spender
from tests.unit.files.faults import ProcessDied, Watched


class World:
    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.storage = MemoryStorage(self.clock)
        self.tables: Tables = self.storage.tables
        self._feeds: dict[str, ChangeFeed] = {}
        self.changes = UsageChanges(self.feed)
        self.statistics = AiStatistics(self.tables, self.clock, self.feed)

    def feed(self, name: str) -> ChangeFeed:
        return self._feeds.setdefault(name, ChangeFeed(self.tables, self.clock, name, delay=10_000))

    async def use(self, user_id: str, input_tokens: int) -> None:
        one = meter(self.tables, self.clock, default=10**9, changes=self.changes)
        hold = await one.hold(spender(user_id), [MODEL], Usage(input_tokens))
        await one.settle(hold, MODEL, Usage(input_tokens, 0, 1))
        await one.settled()

    async def everybody(self, first: str = "2026-10-01", last: str = "2027-12-31") -> dict[str, tuple[int, int]]:
        """By day: requests and micro-dollars."""
        found = await self.statistics.days(first, last)
        return {day: (models["gpt-test"].requests, models["gpt-test"].micro) for day, models in sorted(found.items())}


@pytest.fixture
def world() -> World:
    return World()


async def test_totals(world: World) -> None:
    assert await world.statistics.totals() is None
    await world.use("ada", 100)
    await world.use("bob", 1_000)
    await world.statistics.roll_up()
    world.clock.advance(86_400)
    await world.use("ada", 5)
    await world.statistics.roll_up()
    assert await world.everybody() == {"2026-11-24": (2, 1_104), "2026-11-25": (1, 7)}
    totals = await world.statistics.totals()
    assert totals is not None
    assert totals.figures == {"requests": 3, "input_tokens": 1_105, "output_tokens": 3, "micro": 1_111}
    assert (await world.statistics.today())["micro"] == 7
    await world.statistics.recount()
    again = await world.statistics.totals()
    assert again is not None
    assert (again.figures, again.drifted) == (totals.figures, 0)


async def test_days_stay_counted_when_they_move_and_when_months_change(world: World) -> None:
    expected = Counter[str]()
    for _ in range(12):  # from the 24th of November into December
        await world.use("ada", 10)
        expected[f"{world.clock.now():%Y-%m-%d}"] += 12
        await world.statistics.roll_up()
        world.clock.advance(86_400)
    assert {day: micro for day, (_, micro) in (await world.everybody()).items()} == expected
    await world.statistics.recount()
    totals = await world.statistics.totals()
    assert totals is not None
    assert (totals.figures["micro"], totals.drifted) == (144, 0)


async def test_a_request_over_midnight_of_a_month(world: World) -> None:
    world.clock.advance(6.5 * 86_400 - 60)  # the last minute of November
    one = meter(world.tables, world.clock, default=1_000, changes=world.changes)
    hold = await one.hold(spender(), [MODEL], Usage(900))
    world.clock.advance(120)
    another = await one.hold(spender(), [MODEL], Usage(950))  # December's budget is whole
    await one.settle(hold, MODEL, Usage(900))
    await one.settle(another, MODEL, Usage(940))
    await one.settled()
    await world.statistics.roll_up()
    assert await world.everybody() == {"2026-11-30": (1, 900), "2026-12-01": (1, 940)}


async def archive(world: World, user_id: str) -> dict[str, Any]:
    found = {}
    async for entry in AiExport(world.tables, world.clock).entries(user_id):
        found[entry.name] = json.loads(b"".join([chunk async for chunk in entry.chunks]))
    return found


async def test_archive(world: World) -> None:
    assert await archive(world, "ada") == {}
    for _ in range(4):
        await world.use("ada", 10)
        world.clock.advance(86_400)
    found = (await archive(world, "ada"))["ai_usage.json"]
    assert [line["day"] for line in found["usage"]] == [f"2026-11-{day}" for day in (24, 25, 26, 27)]
    assert {"month": "2026-11", "api_key": None, "usd": 0.000048} in found["spent"]
    assert sum(line["requests"] for line in found["usage"]) == 4


async def test_who_leaves_takes_the_name_along_but_not_the_sum(world: World) -> None:
    for user_id in ("ada", "bob"):
        for _ in range(4):
            await world.use(user_id, 10)
            world.clock.advance(86_400)
    await world.statistics.roll_up()
    before = await world.everybody()
    sent: list[dict[str, object]] = []

    class Sent:
        async def send(self, service: str, event: Any, *, delay: int = 0) -> None:
            sent.append({"to": service, **event})

    events = AiEvents(AiRemoval(world.tables, world.changes), Sent())
    for round_ in (1, 2):
        await events.handle({"kind": "user_deleted", "user_id": "ada", "round": round_})
    assert sent[0] == {"to": "auth", "kind": "user_data_removed", "service": "ai", "user_id": "ada", "round": 1}
    assert await world.tables.query(TABLE, "ada") == []
    await world.statistics.roll_up()
    await world.statistics.recount()
    assert await world.everybody() == before
    totals = await world.statistics.totals()
    assert totals is not None
    assert (totals.figures["requests"], totals.drifted) == (8, 0)
    assert not [row for row in await world.tables.query(TABLE, limit=1000) if "ada" in row.partition]
    with pytest.raises(ValueError, match="knows no event"):
        await events.handle({"kind": "other"})


@pytest.mark.parametrize("at", range(1, 8))
async def test_removal_cut_at_every_write(world: World, at: int) -> None:
    for _ in range(4):
        await world.use("ada", 10)
        world.clock.advance(86_400)
    watched = Watched(world.storage)
    watched.arm("death", at)
    try:
        await AiRemoval(watched.tables, world.changes).remove("ada")
    except ProcessDied:
        pass
    if at % 2:
        await world.use("ada", 10)  # a request that was still under way
    await AiRemoval(world.tables, world.changes).remove("ada")
    assert await world.tables.query(TABLE, "ada") == []
    await world.statistics.recount()
    totals = await world.statistics.totals()
    assert totals is not None
    assert totals.figures["requests"] == 4 + at % 2
    assert sum(requests for requests, _ in (await world.everybody()).values()) == 4 + at % 2


async def test_thirteen_months(world: World) -> None:
    for _ in range(4):
        await world.use("ada", 10)
        world.clock.advance(86_400)
    await world.statistics.roll_up()
    purge = AiPurge(world.tables, world.clock)
    assert await purge.run() == 0
    world.clock.advance(393 * 86_400)
    assert await purge.run() == 1  # the 24th, which is 397 days ago
    world.clock.advance(60 * 86_400)
    assert await purge.run() == 2  # the 25th, and November's table
    assert [row.key for row in await world.tables.query(TABLE, "ada")] == ["account"]
    assert await world.everybody() == {}


def test_months() -> None:
    assert months_between("2026-11-24", "2027-02-01") == ["2026-11", "2026-12", "2027-01", "2027-02"]
    assert months_between("2026-11-24", "2026-11-24") == ["2026-11"]
