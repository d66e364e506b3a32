"""Several instances run the probe timer on one storage: one probes, each minute has one sample, and what failed is told later."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.monitoring.board import Board
from shared_code.monitoring.checks import Check, ServiceCheck
from shared_code.monitoring.prober import Prober
from shared_code.monitoring.records import Record
from shared_code.storage.ports import Storage
from tests.unit.apps import WatchedTables


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.fromisoformat("2026-05-01T10:00:03Z"))


class Instances:
    """Apps of one storage; ``asked`` counts the probes."""

    def __init__(self, storage: Storage, clock: ManualClock, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in ("prober", "board"):
            monkeypatch.setattr(f"shared_code.monitoring.{module}.TABLE", name)
        self.tables, self.clock, self.asked, self.fails = WatchedTables(storage.tables), clock, 0, False
        self.board = Board(storage.tables, clock)

    async def probe(self) -> None:
        self.asked += 1
        if self.fails:
            raise StorageUnavailable("it does not answer")

    def instance(self, scope: str = "all") -> Prober:
        return Prober(self.tables, self.clock, scope, [Check("stripe", self.probe)], [ServiceCheck("payments", [("stripe",)])])

    async def record(self, check: str = "stripe") -> Record:
        return {record.check: record for record in await self.board.records()}[check]


@pytest.fixture
def instances(storage: Storage, clock: ManualClock, name: str, monkeypatch: pytest.MonkeyPatch) -> Instances:
    return Instances(storage, clock, name, monkeypatch)


async def test_one_of_many_probes(instances: Instances) -> None:
    probers = [instances.instance() for _ in range(8)]
    for minute in range(1, 4):
        runs = await asyncio.gather(*(prober.run() for prober in probers))
        assert len([run for run in runs if run is not None]) == 1
        assert await probers[0].run() is None, "a run that repeats changes nothing"
        assert instances.asked == minute
        instances.clock.advance(60)
    record = await instances.record()
    assert (record.days.at(int(instances.clock.now().timestamp())).ok, record.status) == (3, "ok")
    last = await instances.board.last("all")
    assert last is not None
    assert set(last.outcomes) == {"stripe", "payments"}


async def test_apps_that_share_a_dependency_sample_it_once_a_minute(instances: Instances) -> None:
    apps = [instances.instance(scope) for scope in ("files", "payments", "auth")]
    for _ in range(2):
        assert None not in await asyncio.gather(*(app.run() for app in apps)), "each is told what it found itself"
        instances.clock.advance(60)
    assert (await instances.record()).days.at(int(instances.clock.now().timestamp())).samples == 2
    assert {scope: (await instances.board.last(scope)) is not None for scope in ("files", "all")} == {"files": True, "all": False}


async def test_an_incident_opens_once_and_closes(instances: Instances) -> None:
    probers, clock = [instances.instance(scope) for scope in ("one", "two")], instances.clock
    began = clock.now()
    for fails in (False, True, True, True, False, False):
        instances.fails = fails
        await asyncio.gather(*(prober.run() for prober in probers))
        clock.advance(60)
    found = await instances.board.incidents(began)
    assert sorted(incident.check for incident in found) == ["payments", "stripe"]
    for incident in found:
        assert (incident.started_at - began, incident.ended_at) == (timedelta(seconds=57), incident.started_at + timedelta(minutes=3))
    assert (await instances.record()).incident is None


async def test_what_storage_did_not_take_is_written_when_it_answers_again(instances: Instances) -> None:
    prober, clock = instances.instance(), instances.clock
    await prober.run()

    def down(verb: str, table: str) -> None:
        raise StorageUnavailable("tables do not answer")

    quiet: Callable[[str, str], None] = instances.tables.before
    instances.tables.before, instances.fails = down, True
    for _ in range(3):
        clock.advance(60)
        run = await prober.run()
        assert run is not None
        assert run.services["payments"].status == "down"
        assert await prober.run() is None, "also without storage a minute is probed once"
    instances.tables.before, instances.fails = quiet, False
    for _ in range(2):
        clock.advance(60)
        await prober.run()
    assert not prober._waiting
    record = await instances.record()
    cell = record.days.at(int(clock.now().timestamp()))
    assert (cell.ok, cell.down) == (3, 3)
    [incident] = [each for each in await instances.board.incidents(clock.now()) if each.check == "stripe"] or [None]
    assert incident is None, "it has ended before now"
    ended = [each for each in await instances.board.incidents(clock.now() - timedelta(hours=1)) if each.check == "stripe"]
    assert [each.ended_at - each.started_at for each in ended if each.ended_at] == [timedelta(minutes=3)]


async def test_a_write_whose_answer_was_lost_is_counted_once(instances: Instances) -> None:
    prober, lost = instances.instance(), 1

    def lose(verb: str, table: str) -> None:
        nonlocal lost
        if verb == "write" and lost == 0:
            lost = -1
            raise StorageUnavailable("no answer came")
        lost -= verb == "write"

    instances.tables.after = lose  # the claim goes well, the answer to the results is lost
    await prober.run()
    instances.clock.advance(60)
    await prober.run()
    assert (await instances.record()).days.at(int(instances.clock.now().timestamp())).samples == 2


async def test_a_claim_of_a_clock_that_ran_ahead_stops_nobody(instances: Instances) -> None:
    ahead, right = instances.instance(), instances.instance()
    instances.clock.advance(7200)
    assert await ahead.run() is not None
    instances.clock.advance(-7200)
    assert await right.run() is not None
    assert await right.run() is None
    record = await instances.record()
    assert record.last_at == datetime.fromisoformat("2026-05-01T10:00:00Z")


async def test_the_purge(instances: Instances) -> None:
    prober, clock = instances.instance(), instances.clock
    for fails in (True, True, False, False, True, True):
        instances.fails = fails
        await prober.run()
        clock.advance(60)
    assert await instances.board.purge() == 0
    assert (await instances.record()).incident is not None
    clock.advance(86_400 * 2)
    for _ in range(2):
        assert await instances.board.purge() == 0
        record = await instances.record()
        assert record.incident is None, "what is probed no more has no open incident"
        found = await instances.board.incidents(clock.now() - timedelta(days=9))
        assert {each.ended_at for each in found if each.check == "stripe"} == {record.last_at, record.first_at + timedelta(minutes=2)}
    clock.advance(86_400 * 91)
    assert await instances.board.purge() == 6
    assert await instances.board.records() == await instances.board.incidents(clock.now() - timedelta(days=999)) == []


async def test_a_process_that_has_to_load_its_libraries_is_no_outage(instances: Instances) -> None:
    prober, asked = instances.instance(), 0

    async def slow_at_first() -> None:
        nonlocal asked
        asked += 1
        if asked in (1, 3):
            raise StorageUnavailable("no answer within 2 s")

    prober._checks = [Check("stripe", slow_at_first)]
    run = await prober.run()
    assert run is not None
    assert run.outcomes["payments"].status == "ok"
    instances.clock.advance(60)
    run = await prober.run()
    assert run is not None
    assert run.outcomes["payments"].status == "down", "later it is"
    assert asked == 3


def test_each_name_has_one_history(storage: Storage, clock: ManualClock) -> None:
    async def well() -> None:
        return

    with pytest.raises(ValueError, match="name of its own"):
        Prober(storage.tables, clock, "all", [Check("ai", well)], [ServiceCheck("ai", [("ai",)])])


async def test_a_failure_that_goes_on_is_said_once(instances: Instances) -> None:
    prober, clock = instances.instance(), instances.clock

    def broken(verb: str, table: str) -> None:
        if instances.fails:
            raise StorageUnavailable("it does not answer")

    instances.tables.before = broken
    lines: list[list[tuple[str, str | None]]] = []
    for fails in (False, True, True, True, False, False, True):
        instances.fails = fails
        with capture_logs() as said:
            await prober.run()
        lines.append([(each["event"], each.get("check")) for each in said if each["log_level"] == "warning"])
        clock.advance(60)
    kinds = [("probe_not_claimed", None), ("probe_not_ok", "stripe"), ("probe_not_ok", "payments"), ("probe_not_saved", None)]
    over = [(f"{event.replace('_not', '')}_again", check) for event, check in kinds]
    assert [lines[0], lines[2], lines[3], lines[5]] == [[]] * 4
    assert lines[1] == lines[6] == kinds
    assert [each for each in lines[4] if each[0] != "incident_opened"] == over
