"""What is looked up is bounded, joined, and never brought back after it was overruled."""

import asyncio
from datetime import timedelta

import pytest

from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.lookups import Lookups
from tests.unit.apps import until


class Rig:
    def __init__(self, size: int = 20) -> None:
        self.clock, self.asked = ManualClock(), list[str]()
        self.lookups: Lookups[str] = Lookups(self.clock, kept=timedelta(seconds=5), size=size)
        self.gate = asyncio.Event()
        self.gate.set()

    async def get(self, key: str, value: str | None = "there") -> str | None:
        async def look() -> str | None:
            self.asked.append(key)
            await self.gate.wait()
            if value == "down":
                raise StorageUnavailable("down")
            return value

        return await self.lookups.get(key, look)


async def test_made_up_keys_push_no_real_ones_out() -> None:
    rig = Rig(size=20)
    await rig.get("real")
    for number in range(100):
        assert await rig.get(f"made up {number}", None) is None
    rig.asked.clear()
    assert await rig.get("real") == "there"
    await rig.get("made up 99", None)
    assert rig.asked == []
    await rig.get("made up 97", None)
    assert rig.asked == ["made up 97"], "of what is not there, two are remembered"


async def test_memory_is_bounded() -> None:
    rig = Rig(size=3)
    for number in range(10):
        await rig.get(str(number))
    assert list(rig.lookups._found) == ["7", "8", "9"]
    assert not rig.lookups._looks
    assert not rig.lookups._overruled


async def test_what_is_set_overrules_the_look_that_began_before() -> None:
    rig = Rig()
    rig.gate.clear()
    looking = [asyncio.ensure_future(rig.get("key")) for _ in range(3)]
    await until(lambda: rig.asked)
    rig.lookups.set("key", None)
    rig.gate.set()
    assert await asyncio.gather(*looking) == [None] * 3
    assert await rig.get("key") is None
    assert rig.asked == ["key"]
    rig.clock.advance(5)
    assert await rig.get("key") == "there"


async def test_what_is_forgotten_while_it_is_looked_up_is_not_remembered() -> None:
    rig = Rig()
    await rig.get("b1")
    await rig.get("a0", None)
    rig.gate.clear()
    before = asyncio.ensure_future(rig.get("a1"))
    await until(lambda: rig.asked[-1] == "a1")
    rig.lookups.forget_all("a")
    after = asyncio.ensure_future(rig.get("a1", "anew"))
    await until(lambda: rig.asked.count("a1") == 2)
    rig.gate.set()
    assert await asyncio.gather(before, after) == ["there", "anew"]
    assert [await rig.get(key) for key in ("a1", "a0", "b1")] == ["anew", "there", "there"]
    assert rig.asked == ["b1", "a0", "a1", "a1", "a0"], "of others nothing is forgotten"
    assert not rig.lookups._looks


async def test_who_leaves_takes_nobody_along() -> None:
    rig = Rig()
    rig.gate.clear()
    leaving, staying = (asyncio.ensure_future(rig.get("key")) for _ in range(2))
    await until(lambda: rig.asked)
    leaving.cancel()
    rig.gate.set()
    assert await staying == "there"
    assert rig.asked == ["key"]


async def test_an_error_is_not_remembered() -> None:
    rig = Rig()
    with pytest.raises(StorageUnavailable):
        await rig.get("key", "down")
    assert await rig.get("key") == "there"


async def test_what_is_in_use_is_looked_up_in_time_and_nobody_waits() -> None:
    rig = Rig()
    await rig.get("key", "old")
    rig.clock.advance(2.9)
    assert await rig.get("key", "new") == "old"
    assert rig.asked == ["key"]
    rig.clock.advance(0.2)
    rig.gate.clear()
    assert [await rig.get("key", "new") for _ in range(3)] == ["old"] * 3, "none waits for the look"
    await until(lambda: len(rig.asked) == 2)
    rig.gate.set()
    await until(lambda: not rig.lookups._looks)
    rig.clock.advance(2)
    assert await rig.get("key", "newer") == "new"
    assert rig.asked == ["key"] * 2


async def test_a_look_ahead_that_fails_leaves_what_is_known_until_its_time_is_over() -> None:
    rig = Rig()
    await rig.get("key")
    rig.clock.advance(4)
    assert await rig.get("key", "down") == "there"
    await until(lambda: not rig.lookups._looks)
    rig.clock.advance(1)
    with pytest.raises(StorageUnavailable):
        await rig.get("key", "down")


async def test_a_look_ahead_does_not_bring_back_what_was_ended_meanwhile() -> None:
    rig = Rig()
    await rig.get("key")
    rig.clock.advance(4)
    rig.gate.clear()
    await rig.get("key")
    await until(lambda: len(rig.asked) == 2)
    rig.lookups.set("key", None)
    rig.gate.set()
    await until(lambda: not rig.lookups._looks)
    assert await rig.get("key") is None


async def test_what_is_not_there_is_not_looked_for_ahead() -> None:
    rig = Rig()
    await rig.get("key", None)
    rig.clock.advance(4)
    assert await rig.get("key", None) is None
    assert not rig.lookups._looks
