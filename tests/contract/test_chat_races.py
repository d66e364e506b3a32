"""Chat on each adapter, with two instances of the app beside each other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest_asyncio

from shared_code.chat.conversations import Conversations
from shared_code.chat.import_schemas import ImportRequest
from shared_code.chat.messages import Messages
from shared_code.chat.models import Conversation, Message
from shared_code.chat.paging import Paging
from shared_code.chat.ports import Payer
from shared_code.clock import SystemClock
from shared_code.storage.events import InProcessEvents
from shared_code.storage.ports import Storage
from tests.contract.conftest import eventually, outcomes
from tests.unit.apps import TestContainer, WatchedTables, settings_of
from tests.unit.chat.chats import Room, Scripted, heard, speed_up

PARALLEL = 100


@dataclass(frozen=True)
class Two:
    first: TestContainer
    second: TestContainer
    answers: Scripted
    user: str

    def room(self, container: TestContainer) -> Room:
        return Room(None, self.answers, self.user, {}, {}, container)  # type: ignore[arg-type]  # there is no app, only what serves one

    def turns(self, count: int) -> list[TestContainer]:
        return [self.second if number % 2 else self.first for number in range(count)]

    async def conversation(self) -> Conversation:
        return await self.first.chat_managing.create(self.user, title="t", model=None, system=None)

    async def everything(self, conversation: str) -> list[Message]:
        found, after = list[Message](), None
        while True:
            page, after = await self.second.chat_paging.page(self.user, conversation, tree=True, newest_first=False, after=after, limit=100)
            found += page
            if after is None:
                return found


@pytest_asyncio.fixture
async def two(storage: Storage) -> AsyncIterator[Two]:
    answers, clock = Scripted(), SystemClock()
    made = [TestContainer(settings_of(), storage=storage, clock=clock) for _ in range(2)]
    for container in made:
        speed_up(container, answers, 0.2)
    yield Two(made[0], made[1], answers, f"u{uuid4().hex[:20]}")
    for container in made:
        await container.chat_runs.drain()
        assert isinstance(container.events, InProcessEvents)
        await container.events.drain()


async def test_100_parallel_messages_each_get_their_place(two: Two) -> None:
    conversation = await two.conversation()
    started = await asyncio.gather(
        *(
            container.chat.ask(Payer(two.user), conversation.id, f"Q{number}", client_id=f"c{number}")
            for number, container in enumerate(two.turns(PARALLEL))
        )
    )
    for container in (two.first, two.second):
        await container.chat_runs.drain()
    found = await two.everything(conversation.id)
    by_id = {each.id: each for each in found}
    assert len(by_id) == len(found) == 2 * PARALLEL
    assert sorted(each.content for each in found if each.role == "user") == sorted(f"Q{number}" for number in range(PARALLEL))
    assert all((each.status, each.content) == ("complete", "Hello.") for each in found if each.role == "assistant")
    for each in started:
        assert by_id[each.answer_id].parent_id == each.question_id
    head = (await two.first.chat_conversations.get(two.user, conversation.id)).head_id
    path, _ = await two.first.chat_paging.page(two.user, conversation.id, tree=False, newest_first=True, after=None, limit=100)
    assert path[0].id == head
    assert [each.parent_id for each in path[:-1]] == [each.id for each in path[1:]], "each follows the one before it"
    listed = await two.second.chat_conversations.rows(two.user, archived=False, after=None, limit=10)
    assert [each.id for _, each in listed] == [conversation.id], "it stands in the list once"


async def test_one_client_id_at_both_instances_asks_once(two: Two) -> None:
    conversation = await two.conversation()
    started = await asyncio.gather(
        *(container.chat.ask(Payer(two.user), conversation.id, "Hi", client_id="same") for container in two.turns(8))
    )
    assert len({(each.question_id, each.answer_id) for each in started}) == 1
    assert sum(not each.again for each in started) == 1
    for container in (two.first, two.second):
        await container.chat_runs.drain()
    assert len(await two.everything(conversation.id)) == 2
    assert len(two.answers.asked) == 1


async def test_one_wins_who_ends_an_answer(two: Two) -> None:
    go = asyncio.Event()
    two.answers.say("abc", go)
    conversation = await two.conversation()
    begun = await two.first.chat.ask(Payer(two.user), conversation.id, "Hi")
    message = await two.second.chat_messages.bare(two.user, conversation.id, begun.answer_id)

    async def end() -> None:
        go.set()

    failed = replace(message, status="failed", finish_reason="judged", content="abc")
    await outcomes(
        two.second.chat.stop(two.user, conversation.id, begun.answer_id),
        two.second.chat_finishing.finish(two.user, failed),
        two.second.chat_finishing.finish(two.user, failed),
        end(),
    )
    await two.first.chat_runs.drain()
    seen = await asyncio.gather(*(heard(two.room(container), conversation.id, begun.answer_id) for container in (two.first, two.second)))
    assert seen[0][1].status == seen[1][1].status != "streaming"
    assert seen[0][1].finish_reason == seen[1][1].finish_reason


async def test_another_instance_follows_and_stops(two: Two) -> None:
    two.answers.say("Grüße 😀 ", "und ", asyncio.Event(), "never")
    conversation = await two.conversation()
    begun = await two.first.chat.ask(Payer(two.user), conversation.id, "Hi")
    following = asyncio.create_task(heard(two.room(two.second), conversation.id, begun.answer_id, 6))

    async def stored() -> bool:
        return (await two.second.chat_messages.bare(two.user, conversation.id, begun.answer_id)).content == "Grüße 😀 und "

    await eventually(stored)
    stopped = await two.second.chat.stop(two.user, conversation.id, begun.answer_id)
    text, message = await following
    assert (text, message.content, message.status) == ("😀 und ", "Grüße 😀 und ", "stopped")
    assert message == replace(stopped, etag=message.etag)


async def test_changes_and_messages_at_once(two: Two) -> None:
    conversation = await two.conversation()
    results = await outcomes(
        *(container.chat.ask(Payer(two.user), conversation.id, f"Q{number}") for number, container in enumerate(two.turns(6))),
        *(
            container.chat_managing.change(two.user, conversation.id, {"title": f"T{number}", "archived": number % 2 == 0})
            for number, container in enumerate(two.turns(6))
        ),
    )
    assert not [each for each in results if isinstance(each, BaseException)]
    found = await two.first.chat_conversations.get(two.user, conversation.id)
    lists = [await two.first.chat_conversations.rows(two.user, archived=archived, after=None, limit=10) for archived in (False, True)]
    [(_, listed)] = [each for rows in lists for each in rows]
    assert replace(listed, etag="") == replace(found, etag=""), "the list shows it as it is"
    for container in (two.first, two.second):
        await container.chat_runs.drain()


async def test_long_texts_and_a_whole_account_goes(two: Two) -> None:
    two.answers.say("z" * 40_000)
    conversation = await two.conversation()
    await two.first.chat.ask(Payer(two.user), conversation.id, "ü" * 20_000, model="seeing")
    await two.first.chat_runs.drain()
    question, answer = await two.everything(conversation.id)
    assert (question.content, answer.content) == ("ü" * 20_000, "z" * 40_000)
    events = two.first.events
    assert isinstance(events, InProcessEvents)
    await events.drain()
    found = await two.second.chat_search.find(two.user, "zzzz", after=None, limit=5)
    assert [hit.message_id for hit in found.hits] == [answer.id]
    assert "chat" in await two.first.holders_of(two.user)
    assert await two.second.chat_removal.owner(two.user)
    assert await two.second.chat_removal.owner(two.user), "twice is once"
    assert "chat" not in await two.first.holders_of(two.user)
    assert [blob async for blob in two.first.storage.blobs.list("chat", f"{two.user}/")] == []


async def test_a_page_of_a_long_conversation_costs_what_one_of_a_short_one_does(two: Two) -> None:
    tables = WatchedTables(two.second.storage.tables)
    paging = Paging(Conversations(tables, two.second.clock), Messages(tables, two.second.chat_contents, two.second.chat_finishing.settle))
    for size in (20, 400):
        messages = [
            {
                "id": f"m{number:05}",
                "parent_id": f"m{number - 1:05}" if number else None,
                "role": ("user", "assistant")[number % 2],
                "content": "x",
                "created_at": f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z",
            }
            for number in range(size)
        ]
        document = {"format": "lydian-chat", "version": 1, "conversation": {"title": "t"}, "messages": messages}
        made = await two.first.chat_importing.run(two.user, ImportRequest.model_validate(document))
        for newest_first in (False, True):
            tables.calls.clear()
            page, _ = await paging.page(two.user, made.id, tree=False, newest_first=newest_first, after=None, limit=20)
            assert [each.content for each in page] == ["x"] * 20
            assert tables.calls == ["get chats", "query chats"]
