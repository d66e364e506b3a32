"""Settlements that meet trouble: retried, outliving their callers, given up loudly; plans, and many accounts."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared_code.ai import known, ledger
from shared_code.ai import meter as meter_module
from shared_code.ai.reckoning import HOLD, LEASE
from shared_code.clock import ManualClock
from shared_code.errors import BudgetExceeded, Busy, StorageUnavailable
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Missing
from tests.unit.ai.meters import MODEL, START, meter, spender, standing, stored, tokens
from tests.unit.apps import WatchedTables, until

ADA = spender()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def tables(clock: ManualClock) -> WatchedTables:
    return WatchedTables(MemoryStorage(clock).tables)


class Down:
    """Storage that does not answer while ``down``; its writes only, when asked so."""

    def __init__(self, tables: WatchedTables, *, writes_only: bool = False) -> None:
        self.down, self.refused, self._writes_only = False, 0, writes_only
        tables.before = self._before

    def _before(self, verb: str, table: str) -> None:
        if self.down and (verb == "write" or not self._writes_only):
            self.refused += 1
            raise StorageUnavailable("down")


async def test_retried_until_storage_answers(tables: WatchedTables, clock: ManualClock) -> None:
    storage = Down(tables)
    one = meter(tables, clock, default=1_000)
    hold, lone = await one.hold(ADA, [MODEL], tokens(100)), spender("bob")
    other = await one.hold(lone, [MODEL], tokens(100))
    storage.down = True
    settling = [asyncio.create_task(one.settle(each, MODEL, tokens(60))) for each in (hold, other)]
    await until(lambda: storage.refused >= 8)
    settling[1].cancel()  # its client has gone; the booking goes on
    storage.down = False
    assert await settling[0] == 60
    await one.settled()
    assert [(await stored(tables, user)).spent for user in ("ada", "bob")] == [{"": 60}, {"": 60}]


async def test_does_not_keep_its_caller(tables: WatchedTables, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "FIRST_TRY", 0.01)
    storage = Down(tables)
    one = meter(tables, clock)
    hold = await one.hold(ADA, [MODEL], tokens(100))
    storage.down = True
    assert await one.settle(hold, MODEL, tokens(60)) == 60
    storage.down = False
    await one.settled()
    assert (await stored(tables)).spent == {"": 60}


async def test_given_up_loudly(tables: WatchedTables, clock: ManualClock) -> None:
    storage = Down(tables)
    one = meter(tables, clock, default=1_000)
    hold = await one.hold(ADA, [MODEL], tokens(1_000))
    storage.down = True
    with capture_logs() as logs:
        settling = asyncio.create_task(one.settle(hold, MODEL, tokens(60)))
        await until(lambda: storage.refused >= 2)
        clock.advance(meter_module.GIVEN_UP)
        await settling
        await one.settled()
    (lost,) = [line for line in logs if line["event"] == "ai_usage_lost"]
    assert (lost["log_level"], lost["user_id"], lost["cost_micro"]) == ("error", "ada", 60)
    storage.down = False
    await one.hold(ADA, [MODEL], tokens(1_000))  # what it held is free again


async def test_too_much_waits(tables: WatchedTables, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "MOST_WAITING", 0)
    one = meter(tables, clock, default=1_000)
    hold = await one.hold(ADA, [MODEL], tokens(1_000))
    with capture_logs() as logs:
        await one.settle(hold, MODEL, tokens(60))
    assert [line["event"] for line in logs] == ["ai_usage_lost"]


async def test_storage_that_is_down_refuses_new_holds_only_where_a_budget_must_be_asked(tables: WatchedTables, clock: ManualClock) -> None:
    storage = Down(tables)
    one = meter(tables, clock, default=100_000)
    await one.hold(ADA, [MODEL], tokens(100))
    storage.down = True
    await one.hold(ADA, [MODEL], tokens(100))  # from the slice
    with pytest.raises(StorageUnavailable):
        await one.hold(ADA, [MODEL], tokens(50_000))
    with pytest.raises(StorageUnavailable):
        await one.hold(spender("bob"), [MODEL], tokens(1))


async def test_too_many_writers(tables: WatchedTables, clock: ManualClock) -> None:
    def lose(verb: str, table: str) -> None:
        if verb == "write":
            raise EtagMismatch

    one = meter(tables, clock, default=1_000)
    await one.hold(ADA, [MODEL], tokens(100))
    tables.before = lose
    with pytest.raises(Busy):
        await one.hold(ADA, [MODEL], tokens(500))


async def test_a_request_that_nobody_ended(tables: WatchedTables, clock: ManualClock) -> None:
    """Its function has ended: it holds nothing more, but what it cost is booked should anybody say it after all."""
    one = meter(tables, clock, default=1_000)
    hold = await one.hold(ADA, [MODEL], tokens(1_000))
    clock.advance(HOLD.total_seconds() + 1)
    await one.hold(ADA, [MODEL], tokens(400))
    await one.settle(hold, MODEL, tokens(50))
    assert (await stored(tables)).spent == {"": 50}
    await one.settled()
    clock.advance(7_200)
    await one.hold(ADA, [MODEL], tokens(950))
    assert sum(await standing(tables, clock)) <= 1_000


async def test_a_budget_that_comes_is_noticed(tables: WatchedTables, clock: ManualClock) -> None:
    one, two = meter(tables, clock), meter(tables, clock)
    await one.hold(ADA, [MODEL], tokens(1))
    await two._ledger.set_budget("ada", 500)
    clock.advance(known.STALE.total_seconds() / 2 + 1)
    await one.hold(ADA, [MODEL], tokens(10_000))  # not yet: it goes by what it knows, and looks behind the request
    await one.settled()
    with pytest.raises(BudgetExceeded):
        await one.hold(ADA, [MODEL], tokens(501))
    await two._ledger.set_budget("ada", None)
    clock.advance(LEASE.total_seconds())
    await one.hold(ADA, [MODEL], tokens(501))


class Plans:
    def __init__(self, micro: int | None) -> None:
        self.micro, self.asked = micro, 0

    async def budget_of(self, user_id: str) -> int | None:
        self.asked += 1
        return self.micro


async def test_plans(tables: WatchedTables, clock: ManualClock) -> None:
    plans = Plans(1_000)
    one = meter(tables, clock, default=10, plans=plans)
    hold = await one.hold(ADA, [MODEL], tokens(900))
    assert plans.asked == 1
    another = meter(tables, clock, default=10, plans=plans)
    tables.calls.clear()
    await another.hold(ADA, [MODEL], tokens(50))
    assert (plans.asked, len(tables.calls)) == (1, 2)  # it stands in the row
    plans.micro = 5_000  # bought a larger one: a refusal asks again
    await one.hold(ADA, [MODEL], tokens(2_000))
    plans.micro = None  # and it has ended: noticed after a settlement
    clock.advance(known.STALE.total_seconds() + 1)
    await one.settle(hold, MODEL, tokens(900))
    with pytest.raises(BudgetExceeded):
        await one.hold(ADA, [MODEL], tokens(5))


async def test_an_administrator_overrides_a_plan(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, plans=Plans(1_000))
    await one._ledger.set_budget("ada", 0)
    with pytest.raises(BudgetExceeded):
        await one.hold(ADA, [MODEL], tokens(1))


async def test_accounts_at_rest_are_forgotten(tables: WatchedTables, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "REMEMBERED", 10)
    one = meter(tables, clock, default=10_000)
    holds: list[Any] = [await one.hold(spender(f"user-{n}"), [MODEL], tokens(100)) for n in range(30)]
    assert len(one._ledger._known) == 30  # none is at rest
    for hold in holds:
        await one.settle(hold, MODEL, tokens(10))
    for n in range(30, 60):
        await one.settle(await one.hold(spender(f"user-{n}"), [MODEL], tokens(100)), MODEL, tokens(10))
    assert len(one._ledger._known) <= 31
    again = await one.hold(spender("user-0"), [MODEL], tokens(100))  # it goes on with the lease that it had
    await one.settle(again, MODEL, tokens(10))
    assert (await stored(tables, "user-0")).spent == {"": 20}
    assert len((await stored(tables, "user-0")).leases) == 1


async def test_leases_of_instances_that_are_gone_leave_the_row(tables: WatchedTables, clock: ManualClock) -> None:
    for _ in range(20):
        await meter(tables, clock, default=10_000).hold(ADA, [MODEL], tokens(1))
        clock.advance(timedelta(minutes=20).total_seconds())
    assert len((await stored(tables)).leases) <= 5


class Late:
    """Writes that are told to be lost, and arrive when ``deliver`` is called."""

    def __init__(self, tables: WatchedTables) -> None:
        self._inner, self._losing = tables.tables, 0
        self.lost: list[tuple[str, str, Any]] = []
        self.before_next_write: Callable[[], Awaitable[None]] | None = None
        self.get, self.query = tables.get, tables.query

    def lose(self, count: int) -> None:
        self._losing = count

    async def apply(self, table: str, partition: str, operation: Any) -> str:
        if self._losing:
            self._losing -= 1
            self.lost.append((table, partition, operation))
            raise StorageUnavailable("no answer")
        if self.before_next_write is not None:
            first, self.before_next_write = self.before_next_write, None
            await first()
        return await self._inner.apply(table, partition, operation)

    async def deliver(self) -> None:
        for lost in self.lost:
            try:
                await self._inner.apply(*lost)
            except (AlreadyExists, EtagMismatch, Missing):
                pass  # overtaken
        self.lost.clear()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("when", ["before the retry", "between its reading and its write", "after it", "never"])
async def test_a_write_that_arrives_late_counts_once(tables: WatchedTables, clock: ManualClock, when: str, first: bool) -> None:
    late: Any = Late(tables)
    one = meter(late, clock, default=None if first else 10_000)
    hold = await one.hold(ADA, [MODEL], tokens(100))
    late.lose(2)
    if when == "between its reading and its write":
        late.before_next_write = late.deliver
    settling = asyncio.create_task(one.settle(hold, MODEL, tokens(70)))
    if when == "before the retry":
        await until(lambda: late.lost)
        await late.deliver()
    await settling
    await one.settled()
    if when == "after it":
        await late.deliver()
    another = await one.hold(ADA, [MODEL], tokens(100))
    await one.settle(another, MODEL, tokens(5))
    await one.settled()
    account = await stored(tables)
    assert (account.spent, account.lifetime["gpt-test"].requests) == ({"": 75}, 2)
    assert sum(await standing(tables, clock)) <= 10_000
