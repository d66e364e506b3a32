"""Limits: what a window holds, and that concurrency adds nothing to it."""

import asyncio
from typing import Any

import pytest

from shared_code import rate_limit
from shared_code.clock import ManualClock
from shared_code.errors import Busy, RateLimited, StorageUnavailable
from shared_code.quick_limit import QuickLimiter
from shared_code.rate_limit import TABLE, RateLimiter, Rule, purge
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import EtagMismatch
from tests.unit.apps import WatchedTables

RULE = Rule(3, 60)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tables(clock: ManualClock) -> WatchedTables:
    return WatchedTables(MemoryStorage(clock).tables)


@pytest.fixture
def limiter(tables: WatchedTables, clock: ManualClock) -> RateLimiter:
    return RateLimiter(tables, clock)


async def refused(attempt: Any) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        await attempt
    return caught.value


async def test_a_window_slides(limiter: RateLimiter, clock: ManualClock) -> None:
    for _ in range(3):
        await limiter.take("kind", "ada", RULE)
        clock.advance(10)
    error = await refused(limiter.take("kind", "ada", RULE))
    assert (error.retry_after, error.limit, error.remaining, error.reset) == (30, 3, 0, 30)
    await limiter.take("kind", "bob", RULE)
    await limiter.take("other", "ada", RULE)
    clock.advance(29.999)
    assert (await refused(limiter.take("kind", "ada", RULE))).retry_after == 1
    clock.advance(0.001)
    await limiter.take("kind", "ada", RULE)
    assert (await refused(limiter.take("kind", "ada", RULE))).retry_after == 10


async def test_checking_counts_nothing_and_counting_refuses_nobody(limiter: RateLimiter) -> None:
    for _ in range(5):
        await limiter.check("kind", "ada", RULE)
    assert [await limiter.count("kind", "ada", RULE) for _ in range(4)] == [1, 2, 3, 4]
    assert (await refused(limiter.check("kind", "ada", RULE))).retry_after == 60
    await limiter.clear("kind", "ada")
    await limiter.clear("kind", "ada")
    await limiter.check("kind", "ada", RULE)


async def test_a_lock_lasts_from_the_last_event_and_serves_for_all(limiter: RateLimiter, clock: ManualClock) -> None:
    rule = Rule(3, 60, locks=True)
    for _ in range(3):
        clock.advance(19)
        await limiter.count("kind", "ada", rule)
    assert (await refused(limiter.check("kind", "ada", rule))).retry_after == 60
    clock.advance(30)
    assert await limiter.count("kind", "ada", rule) == 3, "the first two have left, and the lock is no longer for it"
    clock.advance(29.5)
    assert (await refused(limiter.check("kind", "ada", rule))).retry_after == 1
    clock.advance(0.5)
    await limiter.check("kind", "ada", rule)
    assert await limiter.count("kind", "ada", rule) == 1


async def test_no_limit_asks_no_storage(limiter: RateLimiter, tables: WatchedTables, clock: ManualClock) -> None:
    await limiter.check("kind", "ada", None)
    assert await limiter.count("kind", "ada", None) == 0
    await limiter.take("kind", "ada", None)
    await QuickLimiter(tables, clock).take("kind", "ada", None)
    assert (Rule.of(None), Rule.of((5, 900), locks=True)) == (None, Rule(5, 900, True))
    assert tables.calls == []


async def test_any_subject_will_do(limiter: RateLimiter) -> None:
    for subject in ("", "/\\#?%\0", "x" * 100_000, "\ud800"):
        await limiter.take("kind", subject, Rule(1, 60))
        await refused(limiter.take("kind", subject, Rule(1, 60)))


async def test_a_large_rule_is_a_small_row(limiter: RateLimiter, tables: WatchedTables, clock: ManualClock) -> None:
    rule = Rule(1000, 100)
    for _ in range(100):
        await asyncio.gather(*[limiter.take("kind", "ada", rule) for _ in range(10)])
        clock.advance(1)
    (row,) = await tables.query(TABLE)
    assert len(str(row.values["events"])) < 3000
    await asyncio.gather(*[limiter.count("kind", "ada", Rule(100, 100)) for _ in range(300)])
    (row,) = await tables.query(TABLE)
    assert len(str(row.values["events"])) < 3000


async def test_thirty_at_once_take_what_there_is(tables: WatchedTables, clock: ManualClock) -> None:
    instances = [RateLimiter(tables, clock) for _ in range(3)]
    taken = await asyncio.gather(*[each.take("kind", "ada", Rule(7, 60)) for each in instances for _ in range(10)], return_exceptions=True)
    assert taken.count(None) == 7
    assert sum(isinstance(result, RateLimited) for result in taken) == 23
    assert len(tables.calls) < 30, "the askers of one process are counted together"


async def test_contention_ends(limiter: RateLimiter, tables: WatchedTables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "TRIES", 3)
    await limiter.take("kind", "ada", RULE)
    lost = []

    def lose(verb: str, table: str) -> None:
        if verb == "write" and len(lost) < 3:
            lost.append(table)
            raise EtagMismatch

    tables.before = lose
    with pytest.raises(Busy):
        await limiter.take("kind", "ada", RULE)
    del lost[2:]
    await limiter.take("kind", "ada", RULE)
    assert await limiter.count("kind", "ada", RULE) == 3


async def test_the_purge_takes_what_counts_no_more(limiter: RateLimiter, tables: WatchedTables, clock: ManualClock) -> None:
    await limiter.count("kind", "ada", RULE)
    clock.advance(30)
    await limiter.count("kind", "bob", RULE)
    await limiter.count("kind", "eve", Rule(1, 45, locks=True))
    clock.advance(30)
    assert await purge(tables, clock.now()) == 1
    assert await purge(tables, clock.now()) == 0
    clock.advance(30)
    assert await purge(tables, clock.now()) == 2
    assert await tables.query(TABLE) == []


async def test_quick_limits_of_one_process_are_exact(tables: WatchedTables, clock: ManualClock) -> None:
    limiter, rule = QuickLimiter(tables, clock), Rule(100, 60)
    taken = await asyncio.gather(*[limiter.take("key", "k", rule) for _ in range(150)], return_exceptions=True)
    assert taken.count(None) == 100
    refusal = next(result for result in taken if isinstance(result, RateLimited))
    assert (refusal.limit, refusal.retry_after) == (100, 60)
    await limiter.settle()
    assert len(tables.calls) <= 2 * 21, "a read and a write for each twentieth"
    clock.advance(30)
    with pytest.raises(RateLimited):
        await limiter.take("key", "k", rule)
    clock.advance(33)
    await limiter.take("key", "k", rule)
    await limiter.settle()


async def test_quick_limits_of_several_overshoot_by_a_tenth_each(tables: WatchedTables, clock: ManualClock) -> None:
    instances, rule = [QuickLimiter(tables, clock) for _ in range(4)], Rule(200, 60)
    taken = 0
    for _ in range(300):
        results = await asyncio.gather(*[each.take("key", "k", rule) for each in instances], return_exceptions=True)
        taken += results.count(None)
    assert 200 <= taken <= 200 + 4 * 20
    assert len(tables.calls) < 400, taken


async def test_a_quick_limit_asks_storage_once_a_second(tables: WatchedTables, clock: ManualClock) -> None:
    limiter, rule = QuickLimiter(tables, clock), Rule(600, 60)
    for _ in range(10):
        await limiter.take("key", "k", rule)
        await limiter.settle()
        clock.advance(0.1)
    assert tables.calls == ["get limits", "write limits"]
    await limiter.take("key", "k", rule)
    await limiter.settle()
    assert len(tables.calls) == 4
    other = QuickLimiter(tables, clock)
    await other.take("key", "k", rule)
    await other.settle()
    (row,) = await tables.query(TABLE)
    assert sum(int(event.split(":")[1]) for event in str(row.values["events"]).split()) == 12


async def test_a_quick_limit_of_amounts(tables: WatchedTables, clock: ManualClock) -> None:
    limiter, rule = QuickLimiter(tables, clock), Rule(1_000, 60)
    limiter.check("tokens", "k", rule)
    limiter.check("tokens", "k", rule, 999)
    with pytest.raises(RateLimited):
        limiter.check("tokens", "k", rule, 1_000)
    assert tables.calls == []  # a look costs nothing
    limiter.count("tokens", "k", rule, 600)
    limiter.check("tokens", "k", rule, 399)
    clock.advance(30)
    limiter.count("tokens", "k", rule, 5_000)  # whatever it was, it is counted
    await limiter.settle()
    with pytest.raises(RateLimited) as refused:
        limiter.check("tokens", "k", rule)
    assert 50 <= refused.value.retry_after <= 60  # the 600 leave the window earlier, which is not enough
    clock.advance(64)
    limiter.check("tokens", "k", rule, 999)


async def test_a_quick_limit_outlives_storage(tables: WatchedTables, clock: ManualClock) -> None:
    limiter, rule = QuickLimiter(tables, clock), Rule(10, 60)

    def fail(verb: str, table: str) -> None:
        raise StorageUnavailable("down")

    tables.before = fail
    for _ in range(10):
        await limiter.take("key", "k", rule)
    await refused(limiter.take("key", "k", rule))
    assert len(tables.calls) == 1
    tables.before = lambda verb, table: None
    clock.advance(1)
    await refused(limiter.take("key", "k", rule))
    clock.advance(70)
    await limiter.take("key", "k", rule)
    await limiter.settle()
    assert tables.calls[1:] == ["get limits", "write limits"]
