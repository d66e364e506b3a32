"""Group commit: one group of a key at a time, each caller its own result."""

import asyncio
from collections.abc import Sequence

import pytest

from shared_code.coalesce import Coalescer
from tests.unit.apps import until


class Log:
    def __init__(self) -> None:
        self.groups: list[tuple[str, list[int]]] = []
        self.gate = asyncio.Event()
        self.running: dict[str, int] = {}

    async def commit(self, key: str, items: Sequence[int]) -> list[int | BaseException]:
        self.running[key] = self.running.get(key, 0) + 1
        assert self.running[key] == 1, "two groups of one key at once"
        self.groups.append((key, list(items)))
        await self.gate.wait()
        self.running[key] -= 1
        return [ValueError(item) if item < 0 else item * 10 for item in items]


async def test_who_comes_meanwhile_goes_together() -> None:
    log = Log()
    writers = Coalescer(log.commit)
    first = asyncio.ensure_future(writers.submit("a", 1))
    await until(lambda: log.groups)
    others = [asyncio.ensure_future(writers.submit("a", number)) for number in (2, 3, 4)]
    elsewhere = asyncio.ensure_future(writers.submit("b", 5))
    await until(lambda: len(log.groups) == 2)
    log.gate.set()
    assert await asyncio.gather(first, *others, elsewhere) == [10, 20, 30, 40, 50]
    assert log.groups == [("a", [1]), ("b", [5]), ("a", [2, 3, 4])]


async def test_a_group_is_bounded_and_in_order() -> None:
    log = Log()
    log.gate.set()
    writers = Coalescer(log.commit, group=2)
    assert await asyncio.gather(*(writers.submit("a", number) for number in range(5))) == [0, 10, 20, 30, 40]
    assert [items for _, items in log.groups] == [[0, 1], [2, 3], [4]]


async def test_each_gets_its_own_failure() -> None:
    log = Log()
    log.gate.set()
    results = await asyncio.gather(*(Coalescer(log.commit).submit("a", n) for n in (1, -1)), return_exceptions=True)
    assert results[0] == 10
    writers = Coalescer(log.commit)
    results = await asyncio.gather(*(writers.submit("a", n) for n in (1, -2, 3)), return_exceptions=True)
    assert (results[0], results[2]) == (10, 30)
    assert isinstance(results[1], ValueError)


async def test_a_failed_commit_is_everyones_and_the_next_goes_on() -> None:
    failing = True

    async def commit(key: str, items: Sequence[int]) -> list[int]:
        if failing:
            raise OSError("storage is down")
        return list(items)

    writers = Coalescer(commit)
    results = await asyncio.gather(*(writers.submit("a", n) for n in range(3)), return_exceptions=True)
    assert all(isinstance(result, OSError) for result in results)
    failing = False
    assert await writers.submit("a", 7) == 7


@pytest.mark.parametrize("results", [[], [1, 2, 3]])
async def test_too_few_or_too_many_results_leave_nobody_waiting(results: list[int]) -> None:
    async def commit(key: str, items: Sequence[int]) -> list[int]:
        return results

    writers = Coalescer(commit)
    answers = await asyncio.wait_for(asyncio.gather(*(writers.submit("a", n) for n in range(2)), return_exceptions=True), 5)
    assert all(isinstance(answer, RuntimeError) for answer in answers)


async def test_a_caller_that_leaves_does_not_stop_the_others() -> None:
    log = Log()
    writers = Coalescer(log.commit)
    leaving, staying = (asyncio.ensure_future(writers.submit("a", number)) for number in (1, 2))
    await until(lambda: log.groups)
    leaving.cancel()
    log.gate.set()
    assert await staying == 20
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert log.groups[0] == ("a", [1, 2]), "its write was under way"


async def test_nothing_is_kept() -> None:
    log = Log()
    log.gate.set()
    writers = Coalescer(log.commit)
    await asyncio.gather(*(writers.submit(str(number), number) for number in range(50)))
    await until(lambda: not writers._runners)
    assert not writers._waiting
