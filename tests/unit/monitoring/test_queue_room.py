"""Poison messages go back, whatever dies on the way."""

import asyncio
from typing import Any

import pytest

from shared_code.clock import ManualClock
from shared_code.errors import NotFound, StorageUnavailable
from shared_code.monitoring.queues import TAKEN_FOR, QueueRoom, QueueState
from shared_code.storage.memory import MemoryStorage
from tests.unit.files.faults import ProcessDied, Watched

NAME, POISON = "files-events", "files-events-poison"


class Rig:
    def __init__(self, count: int = 0) -> None:
        self.clock = ManualClock()
        self.storage = MemoryStorage(self.clock)
        self.watched = Watched(self.storage)
        self.room = QueueRoom(self.watched.queues, self.clock, [NAME, "mail-events"])
        self.sent = [f'{{"kind": "hash_file", "n": {n}}}' for n in range(count)]

    async def fill(self) -> None:
        for text in self.sent:
            await self.storage.queues.send(POISON, text)

    async def texts(self, queue: str) -> list[str]:
        found: list[str] = []
        while messages := await self.storage.queues.receive(queue, limit=32, visibility=30):
            found += [message.text for message in messages]
        return found


async def test_everything_is_moved_as_it_was() -> None:
    rig = Rig(70)
    await rig.fill()
    replayed = await rig.room.replay(NAME)
    assert (replayed.moved, replayed.left) == (70, 0)
    assert sorted(await rig.texts(NAME)) == sorted(rig.sent)
    assert (await rig.room.replay(NAME)).moved == 0


@pytest.mark.parametrize("fault", ["death", "refused", "lost answer"])
@pytest.mark.parametrize("at", range(1, 9))
async def test_a_replay_that_dies_at_any_write_loses_nothing(fault: Any, at: int) -> None:
    rig = Rig(4)
    await rig.fill()
    rig.watched.arm(fault, at)
    try:
        await rig.room.replay(NAME)
    except (ProcessDied, StorageUnavailable):
        pass
    await asyncio.sleep(0)
    rig.watched.dead = False
    rig.watched.arm("death", 0)
    rig.clock.advance(TAKEN_FOR)
    await rig.room.replay(NAME)
    moved = await rig.texts(NAME)
    assert set(moved) == set(rig.sent), "each at least once"
    assert len(moved) <= 2 * len(rig.sent)
    assert await rig.storage.queues.count(POISON) == 0


async def test_what_fails_again_meanwhile_does_not_go_round() -> None:
    rig = Rig(40)
    await rig.fill()
    send = rig.storage.queues.send

    async def fails_at_once(queue: str, text: str, *, delay: int = 0) -> None:
        await send(queue, text, delay=delay)
        await send(POISON, text)

    rig.storage.queues.send = fails_at_once  # type: ignore[method-assign]  # as a consumer that is broken would have it
    rig.watched.queues = type(rig.watched.queues)(rig.watched, "queues", rig.storage.queues)
    room = QueueRoom(rig.watched.queues, rig.clock, [NAME])
    assert (await room.replay(NAME)).moved == 40


async def test_a_long_replay_answers_with_what_is_left() -> None:
    rig = Rig(100)
    await rig.fill()
    receive = rig.watched.queues.receive

    async def slow(*args: Any, **options: Any) -> Any:
        rig.clock.advance(15)
        return await receive(*args, **options)

    rig.watched.queues.receive = slow
    replayed = await rig.room.replay(NAME)
    assert (replayed.moved, replayed.left) == (64, 36)


async def test_other_queues_are_nobodys_business() -> None:
    with pytest.raises(NotFound):
        await Rig().room.replay("azure-webjobs-hosts")


async def test_states_tell_kinds_and_no_contents() -> None:
    rig = Rig()
    queues = rig.storage.queues
    await queues.send("mail-events", '{"kind": "send"}')
    began = rig.clock.now()
    for text in ('{"kind": "send", "to": "ada@example.com"}', '{"kind": "send"}', "nonsense", "[]", '{"kind": 3}'):
        await queues.send("mail-events-poison", text)
        rig.clock.advance(1)
    assert await rig.room.states() == [
        QueueState(NAME, 0, 0),
        QueueState("mail-events", 1, 5, began, {"send": 2, "unreadable": 3}),
    ]
