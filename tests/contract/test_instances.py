"""Processes that say that they live, on both adapters."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared_code.clock import ManualClock
from shared_code.monitoring.instances import PARTITION, TABLE, Instance, Instances
from shared_code.monitoring.resources import Gauge, Resources
from shared_code.storage.ports import Storage, Upsert
from tests.contract.test_traffic_sums import Prefixed


class Fixed:
    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    async def read(self) -> Resources:
        return self.resources


@pytest.fixture
def tables(storage: Storage, name: str) -> Any:
    return Prefixed(storage.tables, name)


async def test_who_lives_is_shown_and_who_does_not_vanishes(tables: Any) -> None:
    clock = ManualClock()
    started = clock.now()
    figures = await Gauge("/tmp").read()  # noqa: S108  # a disk that every machine has
    both = [
        Instances(
            tables, clock, Fixed(replace(figures, threads=number)), Instance(f"i{number}", "h:1", "1.0", ("auth", "ai"), started, started)
        )
        for number in range(2)
    ]
    for each in both:
        await each.register()
    clock.advance(120)
    await both[1].register()
    await both[1].register()
    assert [(instance.id, instance.last_seen) for instance in await both[0].alive()] == [
        ("i0", started),
        ("i1", started + timedelta(seconds=120)),
    ]
    (_, second) = await both[0].alive()
    assert second.resources == replace(figures, threads=1)
    assert (second.host, second.version, second.services, second.started_at) == ("h:1", "1.0", ("auth", "ai"), started)
    clock.advance(100)
    assert [instance.id for instance in await both[0].alive()] == ["i1"]
    clock.advance(3500)
    assert await both[0].purge() == 1
    assert await both[1].purge() == 0
    await both[0].register()
    assert [instance.id for instance in await both[1].alive()] == ["i0"], "who was forgotten comes back"


async def test_a_row_of_another_version_is_no_failure(tables: Any) -> None:
    clock = ManualClock()
    await tables.apply(TABLE, PARTITION, Upsert("x", {"v": 9, "last_seen": clock.now(), "threads": "many"}))
    own = Instance("i", "h", "1", (), clock.now(), clock.now())
    (found,) = await Instances(tables, clock, Gauge("/tmp"), own).alive()  # noqa: S108  # likewise
    assert (found.id, found.resources) == ("x", None)


async def test_figures_are_those_of_this_process() -> None:
    gauge = Gauge("/tmp")  # noqa: S108  # likewise
    await gauge.read()
    found = await gauge.read()
    assert found.memory_bytes > 10_000_000
    assert found.machine_memory_bytes >= found.memory_bytes
    assert found.threads >= 1
    assert found.open_files >= 3
    assert found.uptime_seconds > 0
    assert Resources.of(found.values()) == found
