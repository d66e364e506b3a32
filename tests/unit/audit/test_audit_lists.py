"""Lists of events: at once, complete, in order, and at a bounded price, sealed or not."""

from datetime import timedelta
from typing import Any

import pytest

from shared_code.audit.models import Event
from shared_code.audit.recorder import MAX_TEXT
from shared_code.audit.trail import DAYS, SCAN, SCANS, Filter, Page
from shared_code.errors import InvalidCursor, StorageUnavailable
from tests.unit.apps import WatchedTables
from tests.unit.audit.trails import DAY_SECONDS, START, World, world

ALL = Filter()


def numbers(events: list[Event]) -> list[object]:
    return [event.details["number"] for event in events]


async def paged(trail: World, user_id: str | None, wanted: Filter = ALL, limit: int = 3) -> list[Event]:
    """All pages of a user's list, or of everyone's."""
    found: list[Event] = []
    after = None
    for _ in range(200):
        page = await next_page(trail, user_id, wanted, after, limit)
        assert len(page.events) <= limit
        found += page.events
        if page.next is None:
            assert [event.id for event in found] == sorted({event.id for event in found}, reverse=True), "in order, none twice"
            return found
        assert after is None or page.next > after
        after = page.next
    raise AssertionError("no end")


async def next_page(trail: World, user_id: str | None, wanted: Filter, after: str | None, limit: int) -> Page:
    if user_id is None:
        return await trail.trail.everyone(wanted, after=after, limit=limit)
    return await trail.trail.own(user_id, wanted, after=after, limit=limit)


@pytest.mark.parametrize("sealing", ["never", "each", "half", "nightly too"])
async def test_every_event_is_listed_once(sealing: str) -> None:
    trail = world()
    expected = []
    for day in range(4):
        for number in range(7):
            await trail.record(1, user_id="ada", kind=f"kind{number % 2}")
            await trail.record(1, user_id="bob")
            expected.append(f"kind{number % 2}")
            listed = (await trail.trail.own("ada", ALL, after=None, limit=1)).events
            assert listed[0].kind == expected[-1], "at once"
            if sealing in ("each", "nightly too") or (sealing == "half" and number < 4 and day % 2):
                await trail.sealer.run()
        trail.clock.advance(DAY_SECONDS - 14)
        if sealing == "nightly too":
            await trail.sealer.sweep()
    assert [event.kind for event in await paged(trail, "ada")] == expected[::-1]
    assert len(await paged(trail, "ada", Filter(kind="kind1"))) == 12
    assert len(await paged(trail, None)) == 56
    assert len(await paged(trail, None, Filter(user_id="bob", kind="sign_in"))) == 28
    assert await paged(trail, "eve") == []


async def test_while_it_is_being_sealed() -> None:
    """Before any of a page's reads everything becomes sealed: none is lost, none comes twice."""
    for at in range(1, 8):
        sealing = world()
        await sealing.record(10)
        reads = 0

        class Meddling:
            def __getattr__(self, name: str) -> Any:
                async def call(*args: Any, **options: Any) -> Any:
                    nonlocal reads
                    reads += 1
                    if reads == at:  # noqa: B023  # it is called within this turn
                        await sealing.sealer.run()  # noqa: B023
                    return await getattr(sealing.tables, name)(*args, **options)  # noqa: B023

                return call

        trail = world(Meddling(), sealing.clock)  # type: ignore[arg-type]  # it stands in for Tables
        assert numbers(await paged(trail, "ada", limit=6)) == list(range(9, -1, -1))
        assert reads >= at


@pytest.mark.parametrize("user_id", ["ada", None])
@pytest.mark.parametrize("sealed", [True, False])
async def test_times_are_inclusive_and_exclusive_to_the_millisecond(user_id: str | None, sealed: bool) -> None:
    trail = world()
    await trail.record(6, apart=0.123)
    if sealed:
        await trail.sealer.run()
    every = await paged(trail, user_id)
    for first in range(6):
        for last in range(first, 6):
            wanted = Filter(since=every[last].at, until=every[first].at)
            assert await paged(trail, user_id, wanted) == every[first + 1 : last + 1]
    just_behind = Filter(since=every[3].at + timedelta(microseconds=1))
    assert await paged(trail, user_id, just_behind) == every[:3]


@pytest.mark.parametrize("user_id", ["ada", None])
async def test_times_across_days(user_id: str | None) -> None:
    trail = world()
    for _ in range(6):
        await trail.record(2)
        await trail.sealer.run()
        trail.clock.advance(DAY_SECONDS - 2)
    wanted = Filter(since=START + timedelta(days=2), until=START + timedelta(days=4))
    found = await paged(trail, user_id, wanted)
    assert [event.at.day for event in found] == [13, 13, 12, 12]
    for far in (Filter(since=START.replace(year=9999)), Filter(until=START.replace(year=1))):
        assert await paged(trail, user_id, far) == []
    assert len(await paged(trail, user_id, Filter(since=START.replace(year=1), until=START.replace(year=9999)))) == 12


async def test_a_page_does_a_bounded_amount_of_work() -> None:
    """A kind that is rare, in many days: short pages with a cursor, and in the end everything."""
    trail = world()
    await trail.record(1, kind="rare", user_id="bob")
    for _ in range(DAYS + 3):
        trail.clock.advance(DAY_SECONDS)
        await trail.record(1)
    page = await trail.trail.everyone(Filter(kind="rare"), after=None, limit=5)
    assert page.events == []
    assert page.next is not None
    assert [event.kind for event in await paged(trail, None, Filter(kind="rare"))] == ["rare"]
    assert len(await paged(trail, "ada")) == DAYS + 3
    assert len(await paged(trail, "bob")) == 1

    await trail.record(SCAN * SCANS + 5, apart=0.001)
    page = await trail.trail.everyone(Filter(kind="rare"), after=None, limit=5)
    assert (page.events, page.next is None) == ([], False)
    page = await trail.trail.own("ada", Filter(kind="rare"), after=None, limit=5)
    assert (page.events, page.next is None) == ([], False)
    assert [event.kind for event in await paged(trail, None, Filter(kind="rare"))] == ["rare"]


async def test_calls() -> None:
    """A user's page costs two calls while a night has sealed the days before: what is not sealed of today, and the copies."""
    tables = world().tables
    calls: list[str] = []

    class Counted:
        def __getattr__(self, name: str) -> object:
            calls.append(name)
            return getattr(tables, name)

    trail = world(Counted())  # type: ignore[arg-type]  # it stands in for Tables
    await trail.record(1)
    assert calls == ["apply"], "an event is one write"
    await trail.sealer.run()
    trail.clock.advance(DAY_SECONDS)
    await trail.sealer.sweep()
    await trail.record(3)
    await trail.trail.own("ada", ALL, after=None, limit=20)
    calls.clear()
    await trail.trail.own("ada", ALL, after=None, limit=20)
    assert calls == ["query", "query"]


@pytest.mark.parametrize("position", ["", "x", "z" * 26, "0" * 26, "7" * 26, "e:" + "0" * 24, "u" * 26, "ilou" * 6 + "zz"])
@pytest.mark.parametrize("user_id", ["ada", None])
async def test_positions_that_somebody_has_made_up(position: str, user_id: str | None) -> None:
    trail = world()
    await trail.record(1)
    try:
        await next_page(trail, user_id, ALL, position, 5)
    except InvalidCursor:
        return
    assert position in ("z" * 26, "u" * 26)


async def test_what_a_record_keeps() -> None:
    trail = world()
    await trail.recorder.record(
        "odd", user_id=None, text="\ud800é\0" + "x" * 50_000, none=None, flag=True, number=2**70, event="e", level="l"
    )
    [event] = (await trail.trail.everyone(ALL, after=None, limit=5)).events
    text = event.details.pop("text")
    assert len(text) == MAX_TEXT
    assert text.startswith("?é\0")
    assert event.details == {"flag": True, "number": 2**70, "event": "e", "level": "l"}
    assert (event.kind, event.user_id, event.at, event.request_id) == ("odd", None, START, None)


async def test_storage_that_fails_fails_no_request(capsys: pytest.CaptureFixture[str]) -> None:
    watched = WatchedTables(world().tables)
    trail = world(watched)  # type: ignore[arg-type]  # it stands in for Tables

    def fail(verb: str, table: str) -> None:
        raise StorageUnavailable("storage is down")

    watched.before = fail
    await trail.record(1, kind="sign_in_failed")
    assert "kind=sign_in_failed" in capsys.readouterr().out, "the log has it"
    watched.before = lambda verb, table: None
    assert (await trail.trail.everyone(ALL, after=None, limit=5)).events == []
