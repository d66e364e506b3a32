"""A process that dies at any write, a write whose answer is lost, an account that is deleted: what is left is harmless, and goes."""

import asyncio
import io
import itertools
import json
import zipfile

import pytest

from shared_code.chat.finishing import LEASE
from shared_code.chat.removal import ABANDONED
from shared_code.chat.tables import CHATS, CONTAINER, REMAINS, WORK
from shared_code.errors import Busy, StorageUnavailable
from shared_code.storage.ports import EtagMismatch
from tests.unit.apps import PASSWORD
from tests.unit.chat.chats import Room, make_room


class Death(BaseException):
    """The process is gone: nothing of it handles this."""


def dying(room: Room, at: int) -> list[int]:
    """From write number ``at`` on nothing is written any more; [how many were]."""
    count = [0]

    def die(verb: str, table: str) -> None:
        if verb == "write":
            count[0] += 1
            if count[0] >= at:
                raise Death

    room.app.tables.before = die
    return count


async def kill(room: Room) -> None:
    tasks = [*room.container.chat_runs._tasks, *room.container.chat._beginning]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def check(room: Room, conversation: str) -> None:
    """What holds whatever has happened."""
    other = room.sibling()
    room.app.clock.advance(ABANDONED.total_seconds() + LEASE.total_seconds())
    await other.container.chat_finishing.sweep()
    await other.container.chat_removal.sweep()
    await other.app.settled()
    rows = await room.app.storage.tables.query(WORK)
    assert rows == [], "nothing runs, and nothing remains"
    found = await other.container.chat_conversations.find(room.user, conversation)
    everything = await other.app.storage.tables.query(CHATS, room.user, limit=1000)
    if found is None:
        assert [row.key for row in everything if row.key != "x"] == []
        assert [blob.name async for blob in room.app.storage.blobs.list(CONTAINER, f"{room.user}/{conversation}")] == []
        return
    messages = await other.path(conversation, tree=True)
    assert all(each.status != "streaming" for each in messages)
    assert {each.parent_id for each in messages} <= {None, *(each.id for each in messages)}
    assert found.head_id is None if not messages else found.head_id in {each.id for each in messages}
    assert len([row for row in everything if row.key.startswith("a:")]) == 1


async def test_a_process_that_dies_at_any_write_of_an_answer() -> None:
    for at in itertools.count(1):
        room = await make_room()
        conversation = await room.conversation()
        room.answers.say("some ", "text " * 5000)
        count = dying(room, at)
        try:
            await room.container.chat.ask(room.payer, conversation, "long " * 4000, model="seeing", client_id="c")
        except Death:
            pass
        await asyncio.gather(*room.container.chat_runs._tasks, return_exceptions=True)
        finished = count[0] < at
        await kill(room)
        await check(room, conversation)
        if finished:
            break
    assert at > 3


async def test_a_process_that_dies_at_any_write_of_a_deletion() -> None:
    for at in itertools.count(1):
        room = await make_room()
        conversation = await room.conversation(title="t")
        room.answers.say("text " * 5000)
        await room.said(conversation)
        await room.settled()
        count = dying(room, at)
        try:
            await room.container.chat_managing.delete(room.user, conversation)
            await room.container.chat_removal.conversation(room.user, conversation)
        except Death:
            pass
        died = count[0] >= at
        await asyncio.gather(*room.container.events._running, return_exceptions=True)  # type: ignore[attr-defined]  # events in process
        await check(room, conversation)
        if not died:
            break
    assert at > 3


async def test_a_question_whose_answer_from_storage_was_lost(room: Room) -> None:
    """The adapter tries again after a lost answer, and meets its own first try."""
    conversation = await room.conversation()
    batches = 0

    def lose(verb: str, table: str) -> None:
        nonlocal batches
        if verb == "write" and table == CHATS:
            batches += 1
            if batches == 1:
                raise EtagMismatch

    room.app.tables.after = lose
    message = await room.said(conversation)
    assert message.status == "complete"
    assert [each.content for each in await room.path(conversation, tree=True)] == ["Hi", "Hello."]
    await room.said(conversation, "x" * 17_000, client_id="c")
    again = await room.container.chat.ask(room.payer, conversation, "y" * 17_000, client_id="c")
    assert again.again


async def test_too_many_at_once_is_busy_and_leaves_no_blob(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = await room.conversation(title="t")
    monkeypatch.setattr("shared_code.chat.conversations.random.uniform", lambda low, high: 0)

    def lose(verb: str, table: str) -> None:
        if verb == "write" and table == CHATS:
            raise EtagMismatch

    room.app.tables.before = lose
    with pytest.raises(Busy):
        await room.container.chat.ask(room.payer, conversation, "x" * 17_000)
    for change in (
        room.container.chat_managing.change(room.user, conversation, {"title": "x"}),
        room.container.chat_managing.delete(room.user, conversation),
    ):
        with pytest.raises(Busy):
            await change
    room.app.tables.before = lambda verb, table: None
    assert [blob.name async for blob in room.app.storage.blobs.list(CONTAINER, room.user)] == []
    assert await room.path(conversation) == []


async def test_an_end_that_cannot_be_stored_is_left_to_the_sweep(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_code.chat.finishing.TRIES", 2)
    conversation = await room.conversation()

    def refuse(verb: str, table: str) -> None:
        if verb == "write" and table == CHATS and room.container.chat_runs._running:
            raise StorageUnavailable("away")

    go = asyncio.Event()
    room.answers.say(go, "text")
    started = await room.container.chat.ask(room.payer, conversation, "Hi")
    room.app.tables.before = refuse
    go.set()
    await room.container.chat_runs.drain()
    room.app.tables.before = lambda verb, table: None
    room.app.clock.advance(LEASE.total_seconds() + 1)
    found = await room.container.chat_messages.get(room.user, conversation, started.answer_id)
    assert (found.status, found.error and found.error.code) == ("failed", "answer_interrupted")


async def test_an_account_that_is_deleted_and_its_archive(room: Room) -> None:
    first = await room.conversation(title="One")
    await room.said(first, "Hi " * 6000, model="seeing")
    second = await room.conversation(title="Two")
    async with room.client() as client:
        await client.patch(f"/api/chat/conversations/{second}", json={"archived": True})
        await room.settled()
        archive = zipfile.ZipFile(io.BytesIO((await client.get("/api/auth/export")).content))
        named = {name for name in archive.namelist() if name.startswith("chat/")}
        assert named == {f"chat/{first}.json", f"chat/{second}.json"}
        document = json.loads(archive.read(f"chat/{first}.json"))
        assert [each["content"] for each in document["messages"]] == ["Hi " * 6000, "Hello."]
        made = await client.post("/api/chat/import", json=document)
        assert made.status_code == 201
        assert (await client.request("DELETE", "/api/auth/me", json={"password": PASSWORD})).status_code == 204
    await room.settled()
    assert await room.app.storage.tables.query(CHATS, room.user) == []
    assert await room.app.storage.tables.query(WORK, REMAINS) == []
    assert [blob.name async for blob in room.app.storage.blobs.list(CONTAINER, room.user)] == []


async def test_removal_goes_on_where_its_time_was_over(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = await room.conversation(title="t")
    await room.said(conversation)
    await room.settled()
    over = iter([True, True])
    monkeypatch.setattr(room.container.chat_removal, "_timer", lambda: lambda: next(over, False))
    await room.container.chat_managing.delete(room.user, conversation)
    await room.settled()
    assert await room.app.storage.tables.query(WORK, REMAINS) == []
    assert [row.key for row in await room.app.storage.tables.query(CHATS, room.user) if row.key != "x"] == []
    with pytest.raises(ValueError, match="knows no event"):
        await room.container.chat_events.handle({"kind": "unheard of"})


async def test_the_timers_do_what_they_say(room: Room) -> None:
    functions = {function.get_function_name(): function for function in room.app.functions.get_functions()}
    for name in ("chat_sweep", "chat_purge"):
        await functions[name].get_user_function()(None)
    assert "chat_events" not in functions, "memory has no queues"
