"""A model that is taken out of service, as several instances see it, on both adapters."""

import asyncio
from dataclasses import replace

import pytest

from shared_code.ai import directory
from shared_code.ai.catalogue import Catalogue
from shared_code.ai.directory import Directory
from shared_code.clock import ManualClock
from shared_code.errors import NotFound
from shared_code.storage.notices import Notices
from shared_code.storage.ports import Storage
from tests.unit.ai.scripted import LARGE, Scripted, whole

NAMES = ["gpt-4o:latest", "a.b_c@2"]


@pytest.fixture
def instances(storage: Storage, name: str, monkeypatch: pytest.MonkeyPatch) -> list[Directory]:
    monkeypatch.setattr(directory, "TABLE", name)
    catalogue, clock, upstream = Catalogue([replace(LARGE, name=each) for each in NAMES]), ManualClock(), Scripted(whole())
    return [Directory(catalogue, storage.tables, clock, Notices(storage.tables, clock), upstream) for _ in range(3)]


def advance(instances: list[Directory], seconds: float) -> None:
    clock = instances[0]._clock
    assert isinstance(clock, ManualClock)
    clock.advance(seconds)


@pytest.mark.parametrize("model", NAMES)
async def test_every_instance_knows_within_ten_seconds(instances: list[Directory], model: str) -> None:
    for each in instances:
        assert (await each.find(model)).name == model
    await instances[0].switch(model, enabled=False)
    advance(instances, 10)
    for each in instances:
        with pytest.raises(NotFound):
            await each.find(model)
    await instances[1].switch(model, enabled=True)
    advance(instances, 10)
    for each in instances:
        assert (await each.find(model)).name == model


async def test_the_last_of_several_switches_counts(instances: list[Directory]) -> None:
    await asyncio.gather(*(each.switch(NAMES[0], enabled=number % 2 == 0) for number, each in enumerate(instances)))
    await instances[2].switch(NAMES[0], enabled=False)
    await instances[2].switch(NAMES[0], enabled=False)
    advance(instances, 10)
    assert [(await each.get(NAMES[0])).enabled for each in instances] == [False] * 3


async def test_who_switches_one_model_again_and_again_hears_of_the_others(instances: list[Directory]) -> None:
    one, other = instances[:2]
    await other.find(NAMES[0])
    await one.switch(NAMES[0], enabled=False)
    for number in range(4):
        await other.switch(NAMES[1], enabled=number % 2 == 0)
        advance(instances, 2.9)
    with pytest.raises(NotFound):
        await other.find(NAMES[0])
