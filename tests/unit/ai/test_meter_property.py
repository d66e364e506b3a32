"""The budget's invariant over any sequence of holds, settlements, bursts, deaths, lost answers and time, on two instances."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, example, given, settings

from shared_code.ai.meter import BudgetMeter
from shared_code.ai.models import Hold
from shared_code.ai.reckoning import HOLD
from shared_code.ai.spending import milliseconds, month_of
from shared_code.clock import ManualClock
from shared_code.errors import LydianError
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Storage
from tests.unit.ai.meters import MODEL, START, meter, spender, standing, stored, tokens
from tests.unit.files.faults import Watched

BUDGET, KEY_BUDGET = 10_000, 3_000
Step = tuple[Any, ...]
instances = st.integers(0, 1)
amounts = st.sampled_from([1, 10, 100, 300, 1_000, 2_500, 5_000])
STEPS = st.one_of(
    st.tuples(st.just("hold"), instances, st.sampled_from([None, "key"]), amounts),
    st.tuples(
        st.just("burst"),
        st.lists(st.tuples(instances, st.sampled_from([None, "key"]), amounts, st.integers(0, 6)), min_size=2, max_size=10),
        st.integers(0, 6),
    ),
    st.tuples(st.just("settle"), st.integers(0, 30), st.sampled_from([0, 1, 50, 99, 100])),
    st.tuples(st.just("settle all"), st.sampled_from([0, 30, 100])),
    st.tuples(st.just("nobody answered"), st.integers(0, 30)),
    st.tuples(st.just("twice"), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 45.0, 200.0, 500.0])),
    st.tuples(st.just("to the next month")),
    st.tuples(st.just("kill"), instances),
    st.tuples(st.just("fault"), instances, st.sampled_from(["refused", "lost answer"]), st.integers(1, 3)),
)


@dataclass
class Open:
    hold: Hold
    by: int
    month: str
    until: int


@dataclass
class World:
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    storage: Storage = field(default_factory=MemoryStorage)
    user_id: str = "ada"
    open: list[Open] = field(default_factory=list)
    over: list[Open] = field(default_factory=list)
    spent: Counter[tuple[str, str]] = field(default_factory=Counter)
    requests: int = 0

    def __post_init__(self) -> None:
        self.by = {None: spender(self.user_id), "key": spender(self.user_id, "key", monthly_micro=KEY_BUDGET)}
        self.seen: list[Watched] = [Watched(self.storage), Watched(self.storage)]
        self.meters: list[BudgetMeter] = [self._meter(0), self._meter(1)]

    def _meter(self, number: int) -> BudgetMeter:
        return meter(self.seen[number].tables, self.clock, default=BUDGET)

    async def hold(self, number: int, key: str | None, amount: int) -> None:
        try:
            hold = await self.meters[number].hold(self.by[key], [MODEL], tokens(amount))
        except LydianError:
            return  # over the budget, or storage was down
        now = self.clock.now()
        self.open.append(Open(hold, number, month_of(now), milliseconds(now + HOLD)))

    async def settle(self, one: Open, share: int) -> None:
        self.open.remove(one)
        self.over.append(one)
        micro = one.hold.micro * share // 100
        assert await self.meters[one.by].settle(one.hold, MODEL, tokens(micro)) == micro
        self.requests += 1
        self.spent["", one.month] += micro
        if one.hold.spender.key_id:
            self.spent["key", one.month] += micro

    async def later(self, turns: int, what: Awaitable[None]) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await what

    async def kill(self, number: int) -> None:
        await self.meters[number].settled()
        self.seen[number].dead = True
        self.open = [one for one in self.open if one.by != number]
        self.over = [one for one in self.over if one.by != number]
        self.seen[number] = Watched(self.storage)
        self.meters[number] = self._meter(number)

    async def run(self, step: Step) -> None:
        match step:
            case ("hold", number, key, amount):
                await self.hold(number, key, amount)
            case ("burst", holds, turns):
                await asyncio.gather(
                    *(self.later(after, self.hold(number, key, amount)) for number, key, amount, after in holds),
                    *(self.later(turns, self.settle(one, 50)) for one in list(self.open)),
                )
            case ("settle", which, share) if self.open:
                await self.settle(self.open[which % len(self.open)], share)
            case ("settle all", share):
                await asyncio.gather(*(self.settle(one, share) for one in list(self.open)))
            case ("nobody answered", which) if self.open:
                one = self.open.pop(which % len(self.open))
                assert await self.meters[one.by].settle(one.hold, None, tokens(7)) == 0
            case ("twice", which) if self.over:
                one = self.over[which % len(self.over)]
                await self.meters[one.by].settle(one.hold, MODEL, tokens(one.hold.micro))
            case ("wait", seconds):
                self.clock.advance(seconds)
                # A function ends after ten minutes: its requests are settled by then, or nobody is left to settle them.
                ended = [one for one in self.open if one.until - 60_000 <= milliseconds(self.clock.now())]
                self.open = [one for one in self.open if one not in ended]
            case ("to the next month",):
                for one in list(self.open):
                    await self.settle(one, 100)
                self.clock.advance(8 * 86_400)
            case ("kill", number):
                await self.kill(number)
            case ("fault", number, fault, at):
                self.seen[number].arm(fault, at)

    async def check(self) -> None:
        """What is stored keeps within the budgets, and covers what is promised to requests under way."""
        month = month_of(self.clock.now())
        for purse, budget in (("", BUDGET), ("key", KEY_BUDGET)):
            spent, held = await standing(self.storage.tables, self.clock, self.user_id, purse)
            assert spent + held <= budget, (purse, spent, held)
            promised = sum(one.hold.micro for one in self.open if one.month == month and purse in ("", one.hold.spender.key_id))
            unbooked = self.spent[purse, month] - spent
            assert unbooked >= 0
            assert promised + unbooked <= held, (purse, promised, unbooked, held)

    async def finish(self) -> None:
        for one in list(self.open):
            await self.settle(one, 100)
        for each in self.meters:
            await each.settled()
        account = await stored(self.storage.tables, self.user_id)
        for (purse, month), micro in self.spent.items():
            if micro and month in (account.month, account.previous_month):
                kept = account.spent if month == account.month else account.previous_spent
                assert kept.get(purse, 0) == micro
        lifetime = account.lifetime.get(MODEL.name)
        assert (lifetime.requests if lifetime else 0) == self.requests
        assert (lifetime.micro if lifetime else 0) == sum(micro for (purse, _), micro in self.spent.items() if purse == "")


async def play(moves: Sequence[Step], world: World | None = None) -> None:
    world = world or World()
    for move in moves:
        await world.run(move)
        await world.check()
    await world.finish()
    await world.check()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([("fault", 0, "lost answer", 1), ("hold", 0, None, 1_000), ("hold", 0, None, 1_000), ("settle all", 100)])
@example([("hold", 0, "key", 1_000), ("fault", 0, "lost answer", 1), ("settle", 0, 100), ("hold", 1, "key", 2_500)])
@example([("hold", 0, None, 5_000), ("wait", 500.0), ("hold", 1, None, 5_000), ("hold", 1, None, 300)])
@given(st.lists(STEPS, min_size=3, max_size=25))
def test_spent_and_held_never_exceed_the_budget(moves: list[Step]) -> None:
    asyncio.run(play(moves))


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("settling", [False, True])
def test_draws_while_a_write_is_under_way(turn: int, settling: bool) -> None:
    """The lease that is being written is smaller than the one before it: what is drawn meanwhile must be covered by either."""

    async def run() -> None:
        world = World()
        await world.run(("hold", 0, None, 1_000))
        opening = list(world.open)
        await asyncio.gather(
            world.hold(0, None, 5_000),
            *(world.later(turn, world.hold(0, None, 100)) for _ in range(5)),
            *(world.later(turn // 2, world.settle(one, 100)) for one in opening if settling),
        )
        await world.check()

    asyncio.run(run())
