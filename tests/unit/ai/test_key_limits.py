"""What an API key is limited to at the gateway: models, its own budget, requests and tokens per minute."""

from dataclasses import replace

import pytest

from shared_code.ai.models import Usage
from shared_code.ai.unpriced import unpriced
from shared_code.clock import ManualClock
from shared_code.errors import BudgetExceeded, Forbidden, RateLimited
from shared_code.storage.memory import MemoryStorage
from tests.unit.ai.meters import MODEL, START, meter, spender, standing, stored, tokens
from tests.unit.apps import WatchedTables

OTHER = replace(MODEL, name="gpt-other")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def tables(clock: ManualClock) -> WatchedTables:
    return WatchedTables(MemoryStorage(clock).tables)


async def test_models(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock)
    key = spender(key_id="key", models=("gpt-test",))
    with pytest.raises(Forbidden) as refused:
        await one.hold(key, [OTHER, MODEL], tokens(1))
    assert refused.value.code == "model_not_allowed"
    hold = await one.hold(key, [MODEL, OTHER], tokens(1))
    assert hold.candidates == [MODEL]  # nor as a fallback
    for member in ("models", "fallbacks"):  # nor by a name that only the provider reads
        with pytest.raises(Forbidden, match=member):
            await one.hold(key, [MODEL], tokens(1), unpriced=unpriced({member: ["gpt-other"], "web_search_options": {}}))
    assert await one.hold(spender(), [MODEL], tokens(1), unpriced="models"), "whose key names none may"


async def test_its_budget_and_its_users(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, default=1_000)
    key, other = spender(key_id="key", monthly_micro=600), spender(key_id="other", monthly_micro=900)
    hold = await one.hold(key, [MODEL], tokens(500))
    with pytest.raises(BudgetExceeded, match="this API key's budget"):
        await one.hold(key, [MODEL], tokens(101))
    with pytest.raises(BudgetExceeded, match="your budget"):
        await one.hold(other, [MODEL], tokens(501))
    await one.hold(spender(), [MODEL], tokens(500))
    await one.settle(hold, MODEL, tokens(450))
    assert (await stored(tables)).spent == {"": 450, "key": 450}
    assert sum(await standing(tables, clock, purse="key")) <= 600
    with pytest.raises(BudgetExceeded):
        await one.hold(key, [MODEL], tokens(51))
    await one.hold(key, [MODEL], tokens(50))


async def test_a_budget_of_the_key_only(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock)
    key = spender(key_id="key", monthly_micro=600)
    assert (await one.hold(key, [MODEL], tokens(600))).limited
    with pytest.raises(BudgetExceeded):
        await one.hold(key, [MODEL], tokens(1))
    assert not (await one.hold(spender(), [MODEL], tokens(10**9))).limited
    assert await standing(tables, clock) == (0, 0)
    assert await standing(tables, clock, purse="key") == (0, 600)


async def test_requests_per_minute(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock)
    key = spender(key_id="key", requests_per_minute=3)
    for _ in range(3):
        await one.hold(key, [MODEL], tokens(1))
    with pytest.raises(RateLimited) as refused:
        await one.hold(key, [MODEL], tokens(1))
    assert (refused.value.code, refused.value.limit) == ("rate_limited", 3)
    assert 1 <= refused.value.retry_after <= 60
    await one.hold(spender(key_id="another", requests_per_minute=3), [MODEL], tokens(1))
    clock.advance(refused.value.retry_after)
    await one.hold(key, [MODEL], tokens(1))


async def test_tokens_per_minute(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock)
    key = spender(key_id="key", tokens_per_minute=1_000)
    hold = await one.hold(key, [MODEL], Usage(400, 0, 5_000))  # likely 100 tokens read
    await one.hold(key, [MODEL], Usage(3_600))  # 900: the window is full with what is under way
    with pytest.raises(RateLimited):
        await one.hold(key, [MODEL], Usage(4))
    await one.settle(hold, MODEL, Usage(90, 0, 2_000))  # counted truly, also into a full window
    clock.advance(30)
    with pytest.raises(RateLimited) as refused:
        await one.hold(key, [MODEL], Usage(4))
    assert refused.value.limit == 1_000
    clock.advance(40)
    await one.hold(key, [MODEL], Usage(400))  # what was counted has left the window: 1,000 are under way now
    with pytest.raises(RateLimited):
        await one.hold(key, [MODEL], Usage(4))
    await one.settled()


async def test_what_is_refused_counts_nothing(tables: WatchedTables, clock: ManualClock) -> None:
    one = meter(tables, clock, default=10)
    key = spender(key_id="key", tokens_per_minute=1_000)
    for _ in range(5):
        with pytest.raises(BudgetExceeded):
            await one.hold(key, [MODEL], Usage(2_000))  # likely 500
    hold = await one.hold(key, [MODEL], Usage(8))
    for _ in range(3):
        await one.settle(hold, None, Usage())
    await one.hold(key, [MODEL], Usage(8))


async def test_tokens_are_counted_across_instances(tables: WatchedTables, clock: ManualClock) -> None:
    key = spender(key_id="key", tokens_per_minute=1_000)
    one, two = meter(tables, clock), meter(tables, clock)
    hold = await one.hold(key, [MODEL], Usage(4))
    await one.settle(hold, MODEL, Usage(900, 0, 200))
    await one._rates._limiter.settle()
    first = await two.hold(key, [MODEL], Usage(4))  # it knows of nothing yet
    await two.settle(first, MODEL, Usage(1))
    await two._rates._limiter.settle()
    with pytest.raises(RateLimited):
        await two.hold(key, [MODEL], Usage(4))
