"""Samples, uptime and incidents: what is counted equals a recount, whatever the order, the gaps and the clock."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared_code.clock import ManualClock
from shared_code.monitoring.board import SPANS, Board, Window
from shared_code.monitoring.checks import Outcome, ServiceCheck, Status
from shared_code.monitoring.records import Incident, Record
from shared_code.monitoring.rings import DAYS, HOURS, MINUTES, NOTHING, Cell, Ring
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Row

START = datetime(2026, 3, 1, 23, 50, tzinfo=UTC)
STATUSES: tuple[Status, ...] = ("ok", "degraded", "down")


def outcome(status: Status = "ok", latency: float = 10) -> Outcome:
    return Outcome(status, latency, None if status == "ok" else "it said no")


def sampled(record: Record, *samples: tuple[int, Status]) -> tuple[Record, list[Incident]]:
    """(minute since START, status) in the order of arrival, each taken when it arrives."""
    incidents: dict[str, Incident] = {}
    for minute, status in samples:
        at = START + timedelta(minutes=minute)
        record, moved = record.sampled(outcome(status), at, at)
        incidents |= {incident.id: incident for incident in moved}
    return record, list(incidents.values())


def fresh() -> Record:
    return Record("stripe", "dependency", START)


def stored(record: Record) -> Record:
    return Record.of(Row("checks", "c:stripe", {key: value for key, value in record.values().items() if value is not None}))


SEQUENCES = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(STATUSES)), max_size=60)


@given(SEQUENCES)
def test_uptime_equals_a_recount(sequence: list[tuple[int, Status]]) -> None:
    """``sequence``: minutes to the next sample (0: a second one of a minute) and what it finds; also across a midnight."""
    record, minute, expected = fresh(), 0, dict[int, Status]()
    for step, status in sequence:
        minute += step
        expected.setdefault(minute, status)
        record, _ = sampled(record, (minute, status))
        record = stored(record)
    now = START + timedelta(minutes=minute + 1)
    board = Board(MemoryStorage().tables, ManualClock(now))
    windows: tuple[Window, ...] = ("24h", "7d", "30d", "90d")
    for window in windows:
        found = board.uptime(record, window)
        first = found.points[0].at
        within = [status for at, status in expected.items() if START + timedelta(minutes=at) >= first]
        assert (found.total.ok, found.total.degraded, found.total.down) == tuple(within.count(status) for status in STATUSES)
        begins = max(first, START)
        assert found.missed == (now - begins) // timedelta(minutes=1) - len(within)
        assert len(found.points) == SPANS[window].length // SPANS[window].step
        if within:
            down = within.count("down")
            assert found.total.uptime is not None
            assert abs(found.total.uptime - 100 * (len(within) - down) / len(within)) < 0.001 + 1e-9
            assert (found.total.uptime == 100) == (down == 0)
        else:
            assert found.total.uptime is None


@given(SEQUENCES)
def test_incidents_equal_a_simple_reading_of_the_rule(sequence: list[tuple[int, Status]]) -> None:
    minute, last, run, state, began, expected = 0, -100, 0, "up", 0, list[tuple[int, int | None]]()
    samples: list[tuple[int, Status]] = []
    for step, status in sequence:
        minute += step + 1
        samples.append((minute, status))
        contrary = (status == "down") == (state == "up")
        run, began = ((run + 1, began) if run and minute - last <= 5 else (1, minute)) if contrary else (0, began)
        last = minute
        if run == 2:
            run = 0
            if state == "up":
                expected.append((began, None))
                state = "down"
            else:
                expected[-1] = (expected[-1][0], began)
                state = "up"
    record, incidents = sampled(fresh(), *samples)

    def minutes(moment: datetime | None) -> int | None:
        return None if moment is None else (moment - START) // timedelta(minutes=1)

    assert sorted((minutes(each.started_at), minutes(each.ended_at)) for each in incidents) == expected
    assert (record.incident is not None) == (state == "down")
    assert stored(record) == record


def test_one_failure_is_none() -> None:
    record, incidents = sampled(fresh(), (0, "ok"), (1, "down"), (2, "ok"), (3, "down"), (4, "ok"))
    assert incidents == []
    assert record.incident is None


def test_failures_with_a_gap_between_are_not_in_a_row() -> None:
    record, incidents = sampled(fresh(), (0, "down"), (6, "down"))
    assert incidents == []
    _, incidents = sampled(record, (7, "down"))
    assert [incident.started_at for incident in incidents] == [START + timedelta(minutes=6)]


def test_late_samples_are_counted_and_move_nothing() -> None:
    record, _ = sampled(fresh(), (10, "ok"))
    now = START + timedelta(minutes=10)
    for minute in (3, 4, 4):
        record, incidents = record.sampled(outcome("down"), START + timedelta(minutes=minute), now)
        assert incidents == []
    assert record.status == "ok"
    assert (record.days.at(int(START.timestamp())).down, record.minutes.at(int(START.timestamp()) + 180).down) == (2, 1)


def test_a_clock_that_ran_ahead_leaves_nothing_and_stops_nothing() -> None:
    record, opened = sampled(fresh(), (0, "ok"), (600, "down"), (601, "down"))
    assert len(opened) == 1
    record, closed = sampled(record, (1, "ok"), (2, "ok"))
    assert [incident.ended_at for incident in closed] == [opened[0].started_at], "no negative duration"
    assert record.last_at == START + timedelta(minutes=2)
    assert sum((cell for _, cell in record.minutes.between(int(START.timestamp()), int(START.timestamp()) + 90_000)), NOTHING).down == 0


def test_a_clock_that_went_back_takes_no_sample_twice() -> None:
    record, _ = sampled(fresh(), (0, "ok"), (1, "ok"))
    again, _ = sampled(record, (0, "down"), (1, "down"))
    assert again is record
    assert again.sampled(outcome(), START - timedelta(days=2), START) == (again, [])


def test_what_was_not_looked_at_is_not_known() -> None:
    record, _ = sampled(fresh(), (0, "ok"))
    assert not fresh().known(START)
    assert record.known(START + timedelta(minutes=3))
    assert not record.known(START + timedelta(minutes=4))


@given(st.lists(st.tuples(st.integers(-100, 100), st.integers(0, 70_000)), max_size=50), st.sampled_from([MINUTES, HOURS, DAYS]))
def test_rings_keep_what_they_say(samples: list[tuple[int, int]], ring: Ring) -> None:
    now, expected = int(START.timestamp()), dict[int, Cell]()
    for steps, latency in samples:
        moment, cell = now + steps * ring.step, Cell.of(Outcome("ok", latency))
        ring = ring.add(moment, cell, now)
        if ring.slot(now) - (ring.size - 1) * ring.step <= ring.slot(moment) <= ring.slot(now) + ring.step:
            expected[ring.slot(moment)] = expected.get(ring.slot(moment), NOTHING) + cell
    assert type(ring)(ring.step, ring.size).unpack(ring.pack()) == ring
    assert {moment: cell for moment, cell in ring.between(now - 100 * ring.step, now + 102 * ring.step) if cell.samples} == expected
    assert len(ring.cells) <= ring.size + 1


def test_a_row_stays_small() -> None:
    record, now = fresh(), START
    for minute in range(0, 91 * 1440, 7):
        now = START + timedelta(minutes=minute)
        record, _ = record.sampled(Outcome("ok", minute * 7919 % 2000), now, now)
    assert sum(len(ring.pack()) for ring in (record.minutes, record.hours, record.days)) < 20_000


def test_a_service_lives_on_what_it_needs() -> None:
    check = ServiceCheck("chat", [("table",), ("model:a", "model:b")])
    well, ill = outcome("ok", 5), Outcome("down", 30, "no answer")
    assert check.outcome({"table": well, "model:a": well, "model:b": well}) == Outcome("ok", 5, None)
    assert check.outcome({"table": well, "model:a": ill, "model:b": well}) == Outcome("degraded", 30, "model:a: no answer")
    assert check.outcome({"table": well, "model:a": ill, "model:b": ill}).status == "down"
    assert check.outcome({"table": ill, "model:a": ill, "model:b": well}).status == "down"
