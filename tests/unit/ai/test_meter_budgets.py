"""Holds and settlements: what is promised, what is spent, and what one request costs in storage calls."""

import asyncio
from datetime import timedelta

import pytest

from shared_code.ai.models import Usage
from shared_code.clock import ManualClock
from shared_code.errors import BudgetExceeded, InvalidInput
from shared_code.storage.memory import MemoryStorage
from tests.unit.ai.meters import MODEL, START, UNPRICED, meter, spender, standing, stored, tokens
from tests.unit.apps import WatchedTables

ADA = spender()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def tables(clock: ManualClock) -> WatchedTables:
    return WatchedTables(MemoryStorage(clock).tables)


async def test_a_request_from_hold_to_settlement(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, default=10_000)
    hold = await one.hold(ADA, [MODEL], tokens(1_000))
    spent, held = await standing(tables, clock)
    assert (spent, hold.micro, hold.limited) == (0, 1_000, True)
    assert 1_000 <= held <= 10_000
    assert await one.settle(hold, MODEL, Usage(100, 40, 30)) == 60 + 20 + 60
    assert await one.settle(hold, MODEL, Usage(100, 40, 30)) == 140  # again: nothing more
    account = await stored(tables)
    assert account.spent == {"": 140}
    assert account.days["2026-11-24"]["gpt-test"].packed() == [1, 100, 40, 30, 140, 0]
    assert account.lifetime == account.days["2026-11-24"]


async def test_over_the_budget(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, default=1_000)
    hold = await one.hold(ADA, [MODEL], tokens(600))
    with pytest.raises(BudgetExceeded) as refused:
        await one.hold(ADA, [MODEL], tokens(401))
    assert refused.value.code == "insufficient_quota"
    assert refused.value.retry_after == int(timedelta(days=6, hours=12).total_seconds())
    assert "0.0004 US dollars" in str(refused.value)
    assert "2026-12-01T00:00:00Z" in str(refused.value)
    await one.hold(ADA, [MODEL], tokens(400))
    await one.settle(hold, MODEL, tokens(100))
    await one.hold(ADA, [MODEL], tokens(500))
    with pytest.raises(BudgetExceeded):
        await one.hold(ADA, [MODEL], tokens(1))
    assert await standing(tables, clock) == (100, 900)


async def test_calls(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, default=100_000_000)
    hold = await one.hold(ADA, [MODEL], tokens(1_000))
    assert tables.calls == ["get aiaccounts", "write aiaccounts"]  # this instance meets the account
    for _ in range(30):
        tables.calls.clear()
        another = await one.hold(ADA, [MODEL], tokens(1_000))
        assert tables.calls == []
        await one.settle(another, MODEL, tokens(10))
        assert tables.calls == ["write aiaccounts"]
        clock.advance(60)
    await one.settle(hold, MODEL, tokens(10))
    clock.advance(600)  # the lease cannot be drawn on any more: one write renews it
    tables.calls.clear()
    await one.hold(ADA, [MODEL], tokens(1_000))
    assert tables.calls == ["write aiaccounts"]


async def test_a_slice_is_renewed_behind_requests(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, default=100_000_000)
    await one.hold(ADA, [MODEL], tokens(1_000))
    for _ in range(100):
        tables.calls.clear()
        await one.hold(ADA, [MODEL], tokens(1_000))
        assert "write aiaccounts" not in tables.calls
        await one.settled()


async def test_a_slice_is_given_back_in_a_pause(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, default=100_000, idle=0.01)
    first, second = [await one.hold(ADA, [MODEL], tokens(1_000)) for _ in range(2)]
    await one.settle(first, MODEL, tokens(10))
    assert (await standing(tables, clock))[1] > 1_000, "not while another runs"
    await one.settle(second, MODEL, tokens(20))
    async with asyncio.timeout(5):
        while (await standing(tables, clock))[1]:  # noqa: ASYNC110  # what is waited for knows no event
            await asyncio.sleep(0.001)
    assert await standing(tables, clock) == (30, 0)
    tables.calls.clear()
    third = await one.hold(ADA, [MODEL], tokens(1_000))
    assert tables.calls == ["write aiaccounts"], "it has to be asked for again, with one call"
    assert (await standing(tables, clock))[1] >= 1_000
    await one.settle(third, MODEL, tokens(5))
    assert (await stored(tables)).spent == {"": 35}


async def test_without_a_budget(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock)
    hold = await one.hold(ADA, [UNPRICED], tokens(1_000))
    assert tables.calls == ["get aiaccounts"]
    assert not hold.limited
    tables.calls.clear()
    holds = [await one.hold(ADA, [MODEL], tokens(10**12)) for _ in range(50)]
    assert tables.calls == []
    await asyncio.gather(*(one.settle(each, MODEL, tokens(3)) for each in holds))
    assert len(tables.calls) < 5
    assert await one.settle(hold, UNPRICED, tokens(7)) == 0
    assert (await stored(tables)).spent == {"": 150}
    assert await standing(tables, clock) == (150, 0)


async def test_a_model_without_a_price(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, default=1_000)
    with pytest.raises(InvalidInput) as refused:
        await one.hold(ADA, [UNPRICED, MODEL], tokens(1))
    assert refused.value.code == "model_without_price"
    hold = await one.hold(ADA, [MODEL, UNPRICED], tokens(1))
    assert hold.candidates == [MODEL]


async def test_dearest_candidate_counts(tables: WatchedTables, clock: ManualClock) -> None:
    from dataclasses import replace

    from tests.unit.ai.meters import PRICE

    dear = replace(MODEL, name="dear", price=replace(PRICE, input=9_000_000))
    hold = await meter(tables, clock, default=10_000).hold(ADA, [MODEL, dear], tokens(1_000))
    assert hold.micro == 9_000


async def test_many_at_once_on_two_instances(tables: WatchedTables, clock: ManualClock) -> None:
    two = [meter(tables, clock, default=10_000), meter(tables, clock, default=10_000)]
    found = await asyncio.gather(*(two[n % 2].hold(ADA, [MODEL], tokens(300)) for n in range(50)), return_exceptions=True)
    granted = [each for each in found if not isinstance(each, BaseException)]
    assert {type(each) for each in found if isinstance(each, BaseException)} == {BudgetExceeded}
    assert 30 <= len(granted) <= 33
    assert sum(await standing(tables, clock)) <= 10_000


async def test_cost_above_the_hold_is_recorded(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, default=1_000)
    hold = await one.hold(ADA, [MODEL], tokens(500))
    assert await one.settle(hold, MODEL, tokens(1_700)) == 1_700
    assert await standing(tables, clock) == (1_700, 0)
    with pytest.raises(BudgetExceeded):
        await one.hold(ADA, [MODEL], tokens(1))


async def test_cancelled_while_it_asks(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, default=1_000)
    task = asyncio.create_task(one.hold(ADA, [MODEL], tokens(1_000)))
    tables.before = lambda verb, table: task.cancel() if verb == "write" else None  # type: ignore[func-returns-value]  # True
    with pytest.raises(asyncio.CancelledError):
        await task
    tables.before = lambda verb, table: None
    await asyncio.sleep(0)
    await one.hold(ADA, [MODEL], tokens(1_000))  # nobody holds it


async def test_an_instance_that_dies_gives_back(tables: WatchedTables, clock: ManualClock) -> None:
    await meter(tables, clock, default=1_000).hold(ADA, [MODEL], tokens(1_000))
    another = meter(tables, clock, default=1_000)
    with pytest.raises(BudgetExceeded):
        await another.hold(ADA, [MODEL], tokens(1))
    clock.advance(15 * 60)
    await another.hold(ADA, [MODEL], tokens(1_000))
