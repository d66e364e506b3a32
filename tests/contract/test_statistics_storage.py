"""History and poison queues on both adapters: real ETags, real receipts."""

import asyncio
from uuid import uuid4

from shared_code.clock import ManualClock
from shared_code.monitoring.history import TABLE, History
from shared_code.monitoring.queues import QueueRoom, poison_of
from shared_code.storage.ports import Storage


async def test_writers_at_the_same_time_leave_one_point(storage: Storage) -> None:
    await storage.tables.drop(TABLE)
    clock = ManualClock()
    for number in range(3):
        writers = [History(storage.tables, clock) for _ in range(4)]
        await asyncio.gather(*(writer.add({"users": number}) for writer in writers))
        clock.advance(300)
    points = await History(storage.tables, clock).read("5m")
    assert points.series == {"users": [0, 1, 2]}
    assert (await History(storage.tables, clock).read("1d")).series == {"users": [2]}


async def test_two_replays_at_once_move_everything(storage: Storage) -> None:
    name = f"q{uuid4().hex[:12]}"
    texts = [f'{{"kind": "send", "n": {n}, "to": "zoë"}}' for n in range(40)]
    await asyncio.gather(*(storage.queues.send(poison_of(name), text) for text in texts))
    rooms = [QueueRoom(storage.queues, ManualClock(), [name]) for _ in range(2)]
    before = (await rooms[0].states())[0]
    assert (before.poison_length, before.kinds) == (40, {"send": 32})
    replayed = await asyncio.gather(*(room.replay(name) for room in rooms))
    assert sum(each.moved for each in replayed) == 40
    found: list[str] = []
    while messages := await storage.queues.receive(name, limit=32):
        found += [message.text for message in messages]
        await asyncio.gather(*(storage.queues.delete(name, message) for message in messages))
    assert sorted(found) == sorted(texts)
    assert (await rooms[0].states())[0].poison_length == 0
