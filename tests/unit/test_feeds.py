"""Marks of changes: behind the answer, once a window, never lost but with their process."""

import asyncio
from typing import Any

import pytest

from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.storage import feeds
from shared_code.storage.feeds import ChangeFeed
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Upsert
from tests.unit.apps import WatchedTables, until

START = ManualClock().now()


class Rig:
    def __init__(self, delay: float = 0.0) -> None:
        self.clock = ManualClock()
        self.tables: Any = WatchedTables(MemoryStorage(self.clock).tables)
        self.feed = ChangeFeed(self.tables, self.clock, "things", delay=delay)

    async def owners(self) -> list[str]:
        return [mark.owner for mark in await self.feed.page()]


async def test_many_notes_are_one_write_behind_them() -> None:
    rig = Rig()
    for _ in range(3):
        for owner in ("b", "a:b", "c"):
            rig.feed.note(owner)
    assert rig.tables.calls == []
    await until(lambda: rig.tables.calls)
    assert rig.tables.calls == ["write changes"]
    assert await rig.owners() == ["a:b", "b", "c"]


async def test_an_owner_is_written_once_a_window() -> None:
    rig = Rig(delay=1000)
    rig.feed.note("a")
    await rig.feed.flush()
    rig.feed.note("a")
    rig.clock.advance(299)
    rig.feed.note("a")
    await rig.feed.flush()
    assert rig.tables.calls == ["write changes"]
    rig.clock.advance(1)
    rig.feed.note("a")
    await rig.feed.flush()
    assert [mark.window for mark in await rig.feed.page()] == [START, START + feeds.WINDOW]


async def test_storage_that_refuses_is_asked_again() -> None:
    rig = Rig()
    refusals = [StorageUnavailable("down"), StorageUnavailable("down")]

    def refuse(verb: str, table: str) -> None:
        if refusals:
            raise refusals.pop()

    rig.tables.before = refuse
    rig.feed.note("a")
    await until(lambda: len(rig.tables.calls) == 3)
    assert await rig.owners() == ["a"]
    refusals.append(StorageUnavailable("down"))
    rig.clock.advance(300)
    rig.feed.note("a")
    with pytest.raises(StorageUnavailable):
        await rig.feed.flush()
    await rig.feed.flush()
    assert await rig.owners() == ["a", "a"]


async def test_settling_leaves_what_is_not_over_or_was_written_again() -> None:
    rig = Rig(delay=1000)
    for owner in ("a", "b", "c"):
        rig.feed.note(owner)
    await rig.feed.flush()
    marks = await rig.feed.page()
    rig.clock.advance(359)
    await rig.feed.settle(marks)
    assert await rig.owners() == ["a", "b", "c"]
    rig.clock.advance(1)
    late = ChangeFeed(rig.tables, ManualClock(START), "things", delay=1000)  # another process, late with its mark
    late.note("b")
    await late.flush()
    await rig.feed.settle(marks[2:])  # another run has come this far
    await rig.feed.settle(marks)
    assert await rig.owners() == ["b"]


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_WAITING", 5)
    monkeypatch.setattr(feeds, "MOST_REMEMBERED", 7)
    rig = Rig(delay=1000)
    for n in range(9):
        rig.feed.note(f"o{n}")
    await rig.feed.flush()
    assert await rig.owners() == [f"o{n}" for n in range(5)]
    for n in range(5, 9):  # what was refused is not taken for written
        rig.feed.note(f"o{n}")
    await rig.feed.flush()
    assert len(await rig.owners()) == 9


def test_a_new_event_loop_writes_too() -> None:
    rig = Rig(delay=0)

    async def leave() -> None:
        rig.feed.note("a")

    async def come() -> None:
        rig.feed.note("b")
        await until(lambda: rig.tables.calls)

    asyncio.run(leave())  # it ends before its timer
    asyncio.run(come())
    assert asyncio.run(rig.owners()) == ["a", "b"]


async def test_pages_go_on_behind_a_key() -> None:
    rig = Rig()
    await rig.tables.batch(feeds.TABLE, "things", [Upsert(f"20260101T0000:o{n}", {"v": 1}) for n in range(3)])
    first = await rig.feed.page()
    assert [mark.owner for mark in await rig.feed.page(first[0].key)] == ["o1", "o2"]
