"""Figures over time: bounded rows, and what repeats leaves nothing twice."""

from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from shared_code.clock import ManualClock
from shared_code.errors import Busy
from shared_code.monitoring import history
from shared_code.monitoring.history import SPANS, History, Points, Span
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Row, Upsert

START = int(ManualClock().now().timestamp())


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.tables: Any = MemoryStorage(self.clock).tables
        self.history = History(self.tables, self.clock)


async def test_a_year_of_points_in_three_bounded_rows() -> None:
    rig = Rig()
    for hour in range(400 * 24):
        await rig.history._add("1d", {"users": hour})
        if hour >= 300 * 24:
            await rig.history._add("1h", {"users": hour})
        rig.clock.advance(3600)
    days, hours = await rig.history.read("1d"), await rig.history.read("1h")
    assert (len(days.at), len(hours.at)) == (366, 744)
    assert days.series["users"][-1] == hours.series["users"][-1] == 400 * 24 - 1
    assert days.series["users"][-2] == 399 * 24 - 1, "a day's point is its last one"
    assert {later - earlier for earlier, later in zip(days.at, days.at[1:], strict=False)} == {86_400}


async def test_five_minute_points_of_a_day() -> None:
    rig = Rig()
    for number in range(300):
        await rig.history.add({"n": number})
        rig.clock.advance(300)
    points = await rig.history.read("5m")
    assert points.at[0] == START + 12 * 300
    assert points.series == {"n": list(range(12, 300))}
    assert len((await rig.history.read("1h")).at) == 25
    assert len((await rig.history.read("1d")).at) == 2
    assert len(await rig.tables.query(history.TABLE, limit=1000)) == 3


async def test_a_run_that_repeats_leaves_one_point() -> None:
    rig = Rig()
    for n in (1, 2):
        await rig.history.add({"n": n})
        rig.clock.advance(100)
    assert (await rig.history.read("5m")) == Points([START], {"n": [2]})


async def test_two_writers_lose_no_slot() -> None:
    rig = Rig()
    apply, raced = rig.tables.apply, []

    async def overtaken(table: str, partition: str, operation: Any) -> str:
        if not raced:  # between our reading and our writing
            raced.append(True)
            rig.clock.advance(-300)
            await History(rig.tables, rig.clock).add({"n": 1})
            rig.clock.advance(300)
        return str(await apply(table, partition, operation))

    rig.tables.apply = overtaken
    rig.clock.advance(300)
    await rig.history.add({"n": 2})
    assert (await rig.history.read("5m")).series == {"n": [1, 2]}


async def test_whoever_always_loses_gives_up() -> None:
    rig = Rig()
    await rig.history.add({"n": 1})
    get = rig.tables.get

    async def overtaken(table: str, partition: str, key: str) -> Any:
        row = await get(table, partition, key)
        await rig.tables.apply(table, partition, Upsert(key, row.values))
        return row

    rig.tables.get = overtaken
    with pytest.raises(Busy):
        await rig.history.add({"n": 2})


def test_a_clock_that_ran_ahead_is_forgiven() -> None:
    span, points = Span(10, 5), Points()
    for now in (100, 110, 900, 120):
        points.add(now, {"n": now}, span)
    assert points == Points([120], {"n": [120]})
    points.add(130, {"n": 130}, span)
    points.add(125, {"n": 125}, span)  # another instance, a little behind
    assert points == Points([120, 130], {"n": [125, 130]})


def test_names_come_and_go() -> None:
    span, points = Span(10, 2), Points()
    points.add(100, {"a": 1}, span)
    points.add(110, {"b": 2}, span)
    assert points == Points([100, 110], {"a": [1, None], "b": [None, 2]})
    points.add(120, {"b": 3}, span)
    assert points == Points([110, 120], {"b": [2, 3]})
    points.add(130, {f"n{n}": n for n in range(history.SERIES * 2)}, span)
    assert len(points.series) == history.SERIES


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.dictionaries(st.sampled_from("abc"), st.integers(-9, 9), min_size=1)), min_size=1, max_size=40
    )
)
@settings(deadline=None)
def test_points_are_the_last_of_each_slot_that_is_kept(runs: list[tuple[int, dict[str, int]]]) -> None:
    span, points, now = Span(10, 4), Points(), 1000
    wanted: dict[int, dict[str, int]] = {}
    for wait, figures in runs:
        now += wait
        points.add(now, figures, span)
        slot = wanted.setdefault(now // 10 * 10, {})
        slot.update(figures)
        wanted = {at: each for at, each in wanted.items() if at > now // 10 * 10 - 40}
    kept = {at: {name: values[i] for name, values in points.series.items() if values[i] is not None} for i, at in enumerate(points.at)}
    assert kept == wanted
    assert history.unpack(Row("", "", history.pack(points))) == points


def test_what_does_not_fit_goes_by_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PIECE", 200)
    monkeypatch.setattr(history, "PIECES", 2)
    points = Points([*range(40)], {name: [hash((name, n)) % 10**9 for n in range(40)] for name in "abcdef"})
    kept = history.unpack(Row("", "", history.pack(points)))
    assert 0 < len(kept.series) < 6
    assert kept.series == {name: points.series[name] for name in kept.series}
    assert "a" in kept.series
    assert history.moment(0) + timedelta(0) == history.datetime(1970, 1, 1, tzinfo=history.UTC)


def test_a_full_row_fits() -> None:
    for span in SPANS.values():
        points = Points(
            [n * span.step for n in range(span.points)],
            {f"series{s}": [hash((s, n)) for n in range(span.points)] for s in range(history.SERIES)},
        )
        packed = history.pack(points)
        assert sum(len(piece) for piece in packed.values() if isinstance(piece, bytes)) < 1024 * 1024
        assert history.unpack(Row("", "", packed)) == points
