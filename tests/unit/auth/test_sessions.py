"""Sessions are asked of storage at most once in five seconds, and an ended one is never called live by a slow answer."""

import asyncio

import pytest

from shared_code.auth import sessions
from shared_code.auth.models import Client
from shared_code.auth.sessions import Sessions
from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.storage.memory_tables import MemoryTables
from shared_code.storage.notices import Notices
from tests.unit.apps import WatchedTables, start_session, until

CLIENT = Client("desktop", "192.0.2.1")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tables() -> WatchedTables:
    return WatchedTables(MemoryTables())


@pytest.fixture
def made(tables: WatchedTables, clock: ManualClock) -> Sessions:
    return Sessions(tables, clock, Notices(tables, clock))  # type: ignore[arg-type]  # what it lacks it passes on


async def test_one_look_in_five_seconds(made: Sessions, tables: WatchedTables, clock: ManualClock) -> None:
    session, _ = await start_session(made, "ada", CLIENT)
    tables.calls.clear()
    for _ in range(3):
        assert await made.is_live("ada", session.id)
        clock.advance(1.6)
    assert len(tables.calls) == 1
    clock.advance(1)
    assert await made.is_live("ada", session.id)
    assert tables.calls == ["get users", "query notices"], "nothing was heard of it"


async def test_a_page_load_waits_for_one_look(made: Sessions, tables: WatchedTables) -> None:
    session, _ = await start_session(made, "ada", CLIENT)
    tables.calls.clear()
    assert await asyncio.gather(*(made.is_live("ada", session.id) for _ in range(30))) == [True] * 30
    assert len(tables.calls) == 1
    assert not made._expiries._looks


async def test_a_session_belongs_to_its_user(made: Sessions) -> None:
    session, _ = await start_session(made, "ada", CLIENT)
    assert not await made.is_live("bob", session.id)


async def test_an_ended_one_is_not_brought_back_by_a_slow_look(made: Sessions, tables: WatchedTables) -> None:
    session, _ = await start_session(made, "ada", CLIENT)
    go, real = asyncio.Event(), tables.tables.get

    async def slow(*args: str) -> object:
        row = await real(*args)
        await go.wait()
        return row

    tables.tables.get = slow  # type: ignore[method-assign, assignment]  # an answer that is under way while the session ends
    tables.calls.clear()
    looking = asyncio.ensure_future(made.is_live("ada", session.id))
    await until(lambda: tables.calls)
    await made.end("ada", session.id)
    go.set()
    assert not await looking
    assert not await made.is_live("ada", session.id)


async def test_ending_twice_is_no_error(made: Sessions) -> None:
    session, _ = await start_session(made, "ada", CLIENT)
    await made.end("ada", session.id)
    await made.end("ada", session.id)
    assert not await made.is_live("ada", session.id)


async def test_storage_that_is_down_is_not_remembered(made: Sessions, tables: WatchedTables) -> None:
    session, _ = await start_session(made, "ada", CLIENT)

    def down(verb: str, table: str) -> None:
        raise StorageUnavailable("down")

    tables.before = down
    with pytest.raises(StorageUnavailable):
        await made.is_live("ada", session.id)
    tables.before = lambda verb, table: None
    assert await made.is_live("ada", session.id)


async def test_memory_is_bounded(tables: WatchedTables, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "REMEMBERED", 3)
    made = Sessions(tables, clock, Notices(tables, clock))  # type: ignore[arg-type]  # as above
    started = [(await start_session(made, "ada", CLIENT))[0].id for _ in range(10)]
    for session_id in started:
        assert await made.is_live("ada", session_id)
    assert list(made._expiries._found) == [f"ada/{session_id}" for session_id in started[-3:]]
