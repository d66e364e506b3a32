"""Answers whose writer dies, is stopped from elsewhere, or is beaten to the end: one ends it, and what it stored is what is seen."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from shared_code.chat.finishing import BEAT, LEASE
from shared_code.chat.models import Message
from shared_code.chat.running import FLUSH
from shared_code.chat.tables import CHATS, SHARDS, WORK, key_of, text_values
from shared_code.errors import NotFound
from shared_code.storage.ports import Merge, Operation
from tests.unit.chat.chats import TICK, Room, Step, eventually, heard, until


async def begun(room: Room, text: str = "So far") -> tuple[str, str]:
    """A conversation and its answer, which says ``text`` and then nothing; the text is stored."""
    room.answers.say(text, asyncio.Event(), "never")
    conversation = await room.conversation()
    started = await room.container.chat.ask(room.payer, conversation, "Hi")
    await stored(room, conversation, started.answer_id, text)
    return conversation, started.answer_id


async def stored(room: Room, conversation: str, answer: str, text: str) -> None:
    async def there() -> bool:
        return (await room.container.chat_messages.bare(room.user, conversation, answer)).content == text

    await eventually(there)


async def kill(room: Room) -> None:
    """As a process ends that is killed: nothing is written any more."""
    for task in room.container.chat_runs._tasks:
        task.cancel()
    await asyncio.gather(*room.container.chat_runs._tasks, return_exceptions=True)


async def running(room: Room) -> int:
    return sum([len(await room.app.storage.tables.query(WORK, f"running:{shard}")) for shard in range(SHARDS)])


async def test_a_dead_instance_leaves_a_failed_answer_with_its_text(room: Room) -> None:
    conversation, answer = await begun(room)
    await kill(room)
    other = room.sibling()
    assert (await other.container.chat_messages.get(room.user, conversation, answer)).status == "streaming", "it may be alive"
    room.app.clock.advance(LEASE.total_seconds() + 1)
    assert await other.container.chat_finishing.sweep() == 1
    message = await other.container.chat_messages.bare(room.user, conversation, answer)
    assert (message.status, message.content, message.error and message.error.code) == ("failed", "So far", "answer_interrupted")
    assert await running(room) == 0
    assert await other.container.chat_finishing.sweep() == 0


@pytest.mark.parametrize("how", ["get", "page", "tree", "follow", "stop"])
async def test_who_looks_at_it_ends_it_too(room: Room, how: str) -> None:
    conversation, answer = await begun(room)
    await kill(room)
    other = room.sibling()
    room.app.clock.advance(LEASE.total_seconds() + 1)
    match how:
        case "get":
            message = await other.container.chat_messages.get(room.user, conversation, answer)
        case "page":
            message = (await other.path(conversation))[-1]
        case "tree":
            message = next(each for each in await other.path(conversation, tree=True) if each.id == answer)
        case "follow":
            text, message = await heard(other, conversation, answer, 3)
            assert text == "far"
        case _:
            message = await other.container.chat.stop(room.user, conversation, answer)
    assert (message.status, message.content) == ("failed", "So far")


async def test_a_slow_writer_is_not_taken_for_dead(room: Room) -> None:
    conversation, answer = await begun(room)

    async def beaten() -> bool:
        return (await room.container.chat_messages.bare(room.user, conversation, answer)).beat_at == room.app.clock.now()

    for _ in range(8):
        room.app.clock.advance(BEAT.total_seconds())
        await eventually(beaten)
        assert await room.container.chat_finishing.sweep() == 0
    await room.container.chat.stop(room.user, conversation, answer)


async def test_a_writer_that_was_taken_for_dead_gives_up(room: Room) -> None:
    conversation, answer = await begun(room)
    other = room.sibling()
    message = await other.container.chat_messages.bare(room.user, conversation, answer)
    ended = await other.container.chat_finishing.finish(room.user, replace(message, status="failed", finish_reason="judged"))
    await room.container.chat_runs.drain()
    text, seen = await heard(room, conversation, answer)
    assert (text, seen.finish_reason, seen.status) == ("So far", "judged", "failed")
    assert ended.id == seen.id
    assert room.answers.closed == 1, "the model's server is told to stop"


async def test_stop_from_another_instance(room: Room) -> None:
    conversation, answer = await begun(room)
    message = await room.sibling().container.chat.stop(room.user, conversation, answer)
    assert (message.status, message.content, message.finish_reason) == ("stopped", "So far", "stopped")
    assert message.usage is not None, "its writer ended it: it knows what was used"
    assert room.answers.closed == 1
    assert await running(room) == 0


async def test_stop_of_an_answer_whose_instance_died_a_moment_ago(room: Room) -> None:
    conversation, answer = await begun(room)
    await kill(room)
    message = await room.sibling().container.chat.stop(room.user, conversation, answer)
    assert (message.status, message.content) == ("stopped", "So far")


async def test_stop_before_the_first_word(room: Room) -> None:
    room.answers.say(asyncio.Event(), "never")
    conversation = await room.conversation()
    started = await room.container.chat.ask(room.payer, conversation, "Hi")
    await until(lambda: bool(room.answers.asked))
    message = await room.container.chat.stop(room.user, conversation, started.answer_id)
    assert (message.status, message.content) == ("stopped", "")
    room.answers.say("next")
    assert (await room.said(conversation, "And now?")).content == "next"
    assert [turn.role for turn in room.answers.asked[-1].turns] == ["user", "user"], "an answer without a word is no turn"


async def test_deleting_a_conversation_ends_its_answer(room: Room) -> None:
    conversation, answer = await begun(room)
    await room.container.chat_managing.delete(room.user, conversation)
    await room.settled()
    assert room.answers.closed == 1
    with pytest.raises(NotFound):
        await room.container.chat_messages.get(room.user, conversation, answer)
    assert [row.key for row in await room.app.storage.tables.query(CHATS, room.user)] == []
    room.app.clock.advance(60)
    await room.container.chat_finishing.sweep()
    assert await running(room) == 0


async def test_a_growing_text_is_written_at_most_twice_a_second(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """In looks of TICK instead of half a second, with ten pieces in each."""
    assert 2 * FLUSH >= 1
    assert room.app.sibling().container.chat_runs._flush == FLUSH
    loop, steps, times = asyncio.get_running_loop(), list[Step](), list[float]()
    for number in range(100):
        piece = asyncio.Event()
        loop.call_later(number * TICK / 10, piece.set)
        steps += [piece, "word "]
    room.answers.say(*steps)
    conversation = await room.conversation()
    started = await room.container.chat.ask(room.payer, conversation, "Hi")
    apply = room.app.tables.apply

    async def timed(table: str, partition: str, operation: Operation) -> str:
        if table == CHATS and isinstance(operation, Merge):
            times.append(loop.time())
        return await apply(table, partition, operation)

    monkeypatch.setattr(room.app.tables, "apply", timed)
    message = await room.container.chat_following.ended(room.user, conversation, started.answer_id)
    assert message.content == "word " * 100
    assert len(times) > 1, "others can follow it"
    assert all(later - earlier > 0.9 * TICK for earlier, later in itertools.pairwise(times))


async def test_an_entry_without_its_message_is_swept(room: Room) -> None:
    writes = 0

    def die(verb: str, table: str) -> None:
        nonlocal writes
        if verb == "write" and table == CHATS:
            writes += 1
            raise asyncio.CancelledError

    conversation = await room.conversation()
    room.app.tables.before = die
    with pytest.raises(asyncio.CancelledError):
        await room.container.chat.ask(room.payer, conversation, "Hi")
    room.app.tables.before = lambda verb, table: None
    assert writes == 1
    assert await running(room) == 1
    room.app.clock.advance(LEASE.total_seconds() + 1)
    assert await room.container.chat_finishing.sweep() == 0
    assert await running(room) == 0
    assert await room.path(conversation, tree=True) == []


async def test_who_ends_it_for_its_writer_keeps_what_was_stored_meanwhile(room: Room) -> None:
    conversation, answer = await begun(room)
    await kill(room)
    message = await room.container.chat_messages.bare(room.user, conversation, answer)
    for more in (" and more", " and much more" * 2000):
        await room.app.storage.tables.apply(CHATS, room.user, Merge(key_of(message), dict(text_values(message.content + more))))
    ended = await room.container.chat_finishing.finish(room.user, replace(message, status="stopped"))
    assert ended.content == message.content + more
    assert (await room.container.chat_messages.get(room.user, conversation, answer)).content == ended.content


async def test_an_answer_that_cannot_be_kept_fails(room: Room) -> None:
    conversation, answer = await begun(room)

    def fail(verb: str, table: str) -> None:
        room.app.tables.before = lambda verb, table: None
        raise RuntimeError("a mistake of ours")

    room.app.tables.before = fail
    await room.container.chat_runs.drain()
    text, message = await heard(room, conversation, answer)
    assert (text, message.status, message.error and message.error.code) == ("So far", "failed", "internal_error")


async def test_the_end_is_written_although_its_first_answer_is_lost(room: Room) -> None:
    """The batch took place, and its sender was told that its ETag did not match: its own first try was before it."""
    conversation, answer = await begun(room)
    message: Message = await room.container.chat_messages.bare(room.user, conversation, answer)
    first = await room.container.chat_finishing.finish(room.user, replace(message, status="stopped"))
    again = await room.container.chat_finishing.finish(room.user, replace(message, status="failed"))
    assert (first.status, again.status) == ("stopped", "stopped")
    row = await room.app.storage.tables.get(CHATS, room.user, key_of(message))
    assert row is not None
    assert row.values["status"] == "stopped"
    await until(lambda: not room.container.chat_runs._tasks)
