"""Queues: at least once, visible when it is time, counted."""

import pytest

from shared_code.clock import ManualClock
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Message, Storage
from tests.contract.conftest import eventually

TEXTS = ['{"event": "user.deleted", "id": "ü 世界 🎉"}', "a < b & c > d ]]> \"'", "line\nline\ttab", " spaces ", "x" * 48 * 1024, "="]


@pytest.mark.parametrize("text", TEXTS)
async def test_text_comes_back_as_it_went(storage: Storage, name: str, text: str) -> None:
    await storage.queues.send(name, text)
    peeked = await storage.queues.peek(name)
    received = await storage.queues.receive(name)
    assert [message.text for message in peeked] == [message.text for message in received] == [text]
    assert peeked[0].receipt == ""
    assert peeked[0].dequeue_count == 0
    assert received[0].receipt
    assert received[0].dequeue_count == 1
    assert peeked[0].id == received[0].id
    assert peeked[0].inserted_at == received[0].inserted_at
    assert received[0].inserted_at.tzinfo is not None


async def test_a_received_message_is_hidden_and_then_deleted(storage: Storage, name: str) -> None:
    await storage.queues.send(name, "one")
    [message] = await storage.queues.receive(name)
    assert await storage.queues.receive(name) == []
    assert await storage.queues.peek(name) == []
    assert await storage.queues.count(name) == 1
    await storage.queues.delete(name, message)
    assert await storage.queues.count(name) == 0


async def test_what_is_not_deleted_comes_back(storage: Storage, name: str) -> None:
    await storage.queues.send(name, "one")
    [first] = await storage.queues.receive(name, visibility=1)
    [second] = await eventually(lambda: storage.queues.receive(name, visibility=30))
    assert (second.id, second.text, second.dequeue_count) == (first.id, "one", 2)
    await storage.queues.delete(name, first)  # its receipt is out of date: nothing happens
    assert await storage.queues.count(name) == 1
    await storage.queues.delete(name, second)
    await storage.queues.delete(name, second)
    assert await storage.queues.count(name) == 0


async def test_a_delay(storage: Storage, name: str) -> None:
    await storage.queues.send(name, "late", delay=1)
    await storage.queues.send(name, "week", delay=604_800)
    assert await storage.queues.receive(name, limit=32) == []
    found = await eventually(lambda: storage.queues.receive(name, limit=32))
    assert [message.text for message in found] == ["late"]


async def test_many_receivers_share(storage: Storage, name: str) -> None:
    for n in range(40):
        await storage.queues.send(name, str(n))
    assert await storage.queues.count(name) == 40
    assert len(await storage.queues.peek(name)) == 32
    taken: list[Message] = []
    while page := await storage.queues.receive(name, limit=15):
        assert len(page) <= 15
        taken += page
    assert sorted(int(message.text) for message in taken) == list(range(40))


async def test_an_absent_queue_is_empty(storage: Storage, name: str) -> None:
    assert await storage.queues.receive(name) == []
    assert await storage.queues.peek(name) == []
    assert await storage.queues.count(name) == 0
    await storage.queues.send(name, "x")
    [message] = await storage.queues.receive(name)
    await storage.queues.delete(name + "-absent", message)


@pytest.mark.parametrize("text", ["x" * (48 * 1024 + 1), "ü" * (24 * 1024 + 1), "nul\x00", "cr\r\n", "\x1b[0m", "\ufffe", "\ud800"])
async def test_text_limits(storage: Storage, name: str, text: str) -> None:
    with pytest.raises(ValueError):
        await storage.queues.send(name, text)


async def test_limits(storage: Storage, name: str) -> None:
    for delay in (-1, 604_801):
        with pytest.raises(ValueError):
            await storage.queues.send(name, "x", delay=delay)
    for limit, visibility in ((0, 30), (33, 30), (1, 0), (1, 604_801)):
        with pytest.raises(ValueError):
            await storage.queues.receive(name, limit=limit, visibility=visibility)
    with pytest.raises(ValueError):
        await storage.queues.send("Not_A_Queue", "x")


async def test_memory_follows_its_clock(name: str) -> None:
    clock = ManualClock()
    queues = MemoryStorage(clock).queues
    await queues.send(name, "x", delay=60)
    clock.advance(59)
    assert await queues.receive(name) == []
    clock.advance(1)
    assert len(await queues.receive(name, visibility=30)) == 1
    clock.advance(30)
    assert (await queues.receive(name))[0].dequeue_count == 2
