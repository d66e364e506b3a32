"""Budgets on both storages: two instances beside each other, fifty requests at once, and an end at every write."""

import asyncio
import itertools
import random
from collections import Counter
from uuid import uuid4

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from shared_code.ai.meter import BudgetMeter
from shared_code.ai.models import Hold
from shared_code.ai.reckoning import LEASE
from shared_code.clock import ManualClock
from shared_code.errors import BudgetExceeded, LydianError
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.ports import Storage
from tests.azurite import AzuriteHandle
from tests.contract.conftest import outcomes
from tests.contract.faults import LOST, before
from tests.unit.ai.meters import MODEL, START, meter, spender, standing, stored, tokens
from tests.unit.ai.test_meter_property import STEPS, Step, World
from tests.unit.ai.test_meter_property import play as play_steps
from tests.unit.files.faults import Fault, ProcessDied, Watched

BUDGET = 1_000_000


async def test_fifty_at_once_on_two_instances(storage: Storage) -> None:
    clock, ada, chance = ManualClock(START), uuid4().hex, random.Random(7)
    two = [meter(storage.tables, clock, default=BUDGET), meter(storage.tables, clock, default=BUDGET)]
    spent = 0
    for _ in range(3):
        worst = [chance.choice([5_000, 20_000, 60_000]) for _ in range(50)]
        found = await outcomes(*(two[n % 2].hold(spender(ada), [MODEL], tokens(micro)) for n, micro in enumerate(worst)))
        holds = {n: each for n, each in enumerate(found) if isinstance(each, Hold)}
        assert {type(each) for n, each in enumerate(found) if n not in holds} <= {BudgetExceeded}
        booked, held = await standing(storage.tables, clock, ada)
        assert booked == spent
        assert sum(hold.micro for hold in holds.values()) <= held <= BUDGET - booked
        costs = {n: hold.micro * chance.randrange(101) // 100 for n, hold in holds.items()}
        watch = asyncio.create_task(_never_more_than(storage, clock, ada, BUDGET))
        await asyncio.gather(*(two[n % 2].settle(hold, MODEL, tokens(costs[n])) for n, hold in holds.items()))
        watch.cancel()
        assert isinstance((await asyncio.gather(watch, return_exceptions=True))[0], asyncio.CancelledError)
        spent += sum(costs.values())
        assert (await standing(storage.tables, clock, ada))[0] == spent
    account = await stored(storage.tables, ada)
    assert account.lifetime[MODEL.name].micro == spent
    clock.advance(LEASE.total_seconds())
    assert await standing(storage.tables, clock, ada) == (spent, 0)
    await two[0].hold(spender(ada), [MODEL], tokens(BUDGET - spent))  # to the last micro-dollar
    for each in two:
        await each.settled()


async def _never_more_than(storage: Storage, clock: ManualClock, user_id: str, budget: int) -> None:
    while True:
        assert sum(await standing(storage.tables, clock, user_id)) <= budget
        await asyncio.sleep(0)  # memory answers without a pause


async def play(watched: Watched, one: BudgetMeter, user_id: str, done: Counter[str]) -> None:
    """Some requests, one after the other and two at a time; ``done`` counts what each settlement is sure to have brought."""

    async def settled() -> None:
        await one.settled()
        if watched.dead:
            raise ProcessDied

    ada = spender(user_id, key_id="key", monthly_micro=BUDGET // 2)
    for share in (100, 30):
        hold = await one.hold(ada, [MODEL], tokens(90_000))
        done["settling"] = 900 * share
        await one.settle(hold, MODEL, tokens(900 * share))
        await settled()
        done["settling"], done["spent"] = 0, done["spent"] + 900 * share
        clock_of(one).advance(45)
    holds = await asyncio.gather(*(one.hold(ada, [MODEL], tokens(50_000)) for _ in range(3)))
    await one.settle(holds[0], None, tokens(0))
    for hold in holds[1:]:
        done["settling"] += 1_000
        await one.settle(hold, MODEL, tokens(1_000))
    await settled()
    done["settling"], done["spent"] = 0, done["spent"] + 2_000


def clock_of(one: BudgetMeter) -> ManualClock:
    clock = one._clock
    assert isinstance(clock, ManualClock)
    return clock


ALL = 90_000 + 27_000 + 2_000


async def test_an_end_at_every_write(storage: Storage) -> None:
    for at in itertools.count(1):
        clock, user_id, done = ManualClock(START), uuid4().hex, Counter[str]()
        watched = Watched(storage)
        watched.arm("death", at)
        task = asyncio.create_task(play(watched, meter(watched.tables, clock, default=BUDGET), user_id, done))
        await asyncio.wait({task}, timeout=20)
        survived = task.done() and not task.cancelled() and task.exception() is None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        spent, held = await standing(storage.tables, clock, user_id)
        assert spent + held <= BUDGET
        assert done["spent"] <= spent <= done["spent"] + done["settling"], at
        # What it held for requests that died with it is free when the lease ends, for another instance too.
        clock.advance(LEASE.total_seconds())
        another = meter(storage.tables, clock, default=BUDGET)
        await another.hold(spender(user_id), [MODEL], tokens(BUDGET - spent))
        with pytest.raises(BudgetExceeded):
            await another.hold(spender(user_id), [MODEL], tokens(1))
        if survived:
            assert spent == ALL
            break
    assert at > 5


@pytest.mark.parametrize("fault", ["refused", "lost answer"])
async def test_trouble_at_every_write_is_booked_once(storage: Storage, fault: Fault) -> None:
    for at in itertools.count(1):
        clock, user_id, done = ManualClock(START), uuid4().hex, Counter[str]()
        watched = Watched(storage)
        watched.arm(fault, at)
        one = meter(watched.tables, clock, default=BUDGET)
        try:
            await play(watched, one, user_id, done)
        except LydianError:
            assert not done["settling"], "a settlement never fails"
            await one.settled()
            assert (await standing(storage.tables, clock, user_id))[0] == done["spent"]
        else:
            assert (await standing(storage.tables, clock, user_id))[0] == ALL, at
        assert sum(await standing(storage.tables, clock, user_id)) <= BUDGET
        account = await stored(storage.tables, user_id)
        assert account.spent.get("key", 0) == account.spent.get("", 0) == account.lifetime[MODEL.name].micro if account.spent else True
        if watched.writes < at:
            break
    assert at > 5


async def test_an_answer_lost_on_the_wire(azure: AzureStorage, azurite: AzuriteHandle) -> None:
    """The adapter repeats the write by itself, meets its own first try, and reports a changed ETag."""
    async with before(azurite) as server:
        storage = server.storage()
        clock, ada = ManualClock(START), spender(uuid4().hex)
        one = meter(storage.tables, clock, default=BUDGET)
        hold = await one.hold(ada, [MODEL], tokens(1_000))
        server.script.append(LOST)
        await one.settle(hold, MODEL, tokens(700))
        await one.settled()
        server.script.append(LOST)
        clock.advance(600)
        await one.hold(ada, [MODEL], tokens(1_000))
        spent, held = await standing(azure.tables, clock, ada.user_id)
        assert (spent, held >= 1_000) == (700, True)
        await storage.aclose()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(moves=st.lists(STEPS, min_size=10, max_size=25))
def test_any_sequence_on_real_storage(azurite: AzuriteHandle, moves: list[Step]) -> None:
    """As ``tests/unit/ai/test_meter_property.py`` on memory: with real ETags, and real time between a request and its answer."""

    async def run() -> None:
        storage = AzureStorage.from_connection_string(azurite.connection_string)
        try:
            await play_steps(moves, World(storage=storage, user_id=uuid4().hex))
        finally:
            await storage.aclose()

    asyncio.run(run())
