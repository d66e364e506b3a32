"""Search: what is found, at once and after the index has it; what is deleted is not; and what it says of its limits."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from shared_code.chat import search, search_index
from shared_code.chat.search import AT_ONCE, Found, fold, snippet
from shared_code.chat.tables import CONTAINER
from shared_code.storage.events import InProcessEvents
from tests.unit.chat.chats import Room, until

SEARCH = "/api/chat/search"


async def found(room: Room, q: str, headers: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
    async with room.client(headers) as client:
        answer = await client.get(SEARCH, params={"q": q, **params})
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result


async def index(room: Room) -> list[str]:
    return [blob.name async for blob in room.app.storage.blobs.list(CONTAINER, f"{room.user}/index/")]


async def test_questions_answers_and_titles(room: Room) -> None:
    room.answers.say("The Straße is long.")
    conversation = await room.conversation(title="Geography of Köln")
    answer = await room.said(conversation, "How long is it?")
    for settled in (False, True):
        if settled:
            await room.settled()
        [hit] = (await found(room, "LONG strasse"))["items"]
        assert (hit["message_id"], hit["conversation_id"], hit["role"]) == (answer.id, conversation, "assistant")
        assert hit["snippet"] == "The Straße is long."
        assert [each["message_id"] for each in (await found(room, "koln geo"))["items"]] == []
        [hit] = (await found(room, "köln geo"))["items"]
        assert (hit["message_id"], hit["title"], hit["role"]) == (None, "Geography of Köln", None)
        assert {each["role"] for each in (await found(room, "long"))["items"]} == {"user", "assistant"}
        assert (await found(room, "long shot"))["items"] == []
        assert (await found(room, "long", room.other))["items"] == []
    assert len(await index(room)) == 1
    assert (await found(room, "long"))["limits"] == {
        "messages_searched": 2, "messages_waiting": 0, "messages_dropped": 0, "messages_cut": 0,
        "titles_searched": 1, "older_titles": False,
    }  # fmt: skip


async def test_a_deleted_conversation_is_found_no_more(room: Room) -> None:
    kept, deleted = await room.conversation(), await room.conversation(title="fish")
    for each in (kept, deleted):
        await room.said(each, "fish")
    await room.settled()
    events = room.container.events
    assert isinstance(events, InProcessEvents)
    async with room.client() as client:
        room.container.__dict__["events"] = InProcessEvents(lambda service, event: asyncio.sleep(0))  # the job has not run yet
        del room.container.__dict__["chat_managing"]
        await client.delete(f"/api/chat/conversations/{deleted}")
    assert {each["conversation_id"] for each in (await found(room, "fish"))["items"]} == {kept}
    assert await room.container.chat_removal.conversation(room.user, deleted)
    state = await room.container.chat_index.state(room.user)
    lines = [line for part in state.parts for line in await room.container.chat_index.lines(part)]
    assert {line.conversation_id for line in lines} == {kept}
    assert len(await index(room)) == 1
    assert await room.container.chat_removal.conversation(room.user, deleted), "twice is once"


async def test_pages(room: Room) -> None:
    conversation = await room.conversation()
    for number in range(5):
        await room.said(conversation, f"fish {number}")
        room.app.clock.advance(1)
    await room.settled()
    seen, cursor = [], None
    while True:
        page = await found(room, "fish", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [each["snippet"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"fish {number}" for number in reversed(range(5))]


@pytest.mark.parametrize("q", ["", " ", "x" * 201])
async def test_searches_for_nothing(room: Room, q: str) -> None:
    async with room.client() as client:
        answer = await client.get(SEARCH, params={"q": q})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_parts_are_filled_and_the_oldest_goes(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "PART_CHARACTERS", 20)
    monkeypatch.setattr(search_index, "MAX_PARTS", 2)
    conversation = await room.conversation(title="t")
    for number in range(6):
        room.answers.say("ok")
        await room.said(conversation, f"number {number} here")
        await room.settled()
    state = await room.container.chat_index.state(room.user)
    assert len(state.parts) == 2
    assert len(await index(room)) == 2, "what was replaced is gone"
    limits = (await found(room, "number"))["limits"]
    assert limits["messages_dropped"] == state.dropped > 0
    assert limits["messages_searched"] + limits["messages_dropped"] == 12
    assert [each["snippet"] for each in (await found(room, "number"))["items"]][:1] == ["number 5 here"]


async def test_what_is_behind_the_limit_of_a_message(room: Room) -> None:
    conversation = await room.conversation(model="seeing")
    await room.said(conversation, "begin " + "x" * search_index.MAX_TEXT + " end")
    await room.settled()
    assert len((await found(room, "begin"))["items"]) == 1
    assert (await found(room, "end"))["items"] == []
    assert (await found(room, "begin"))["limits"]["messages_cut"] == 1


async def test_two_jobs_at_once_and_one_that_died(room: Room) -> None:
    room.container.__dict__["events"] = InProcessEvents(lambda service, event: asyncio.sleep(0))
    conversation = await room.conversation(title="t")
    for number in range(3):
        await room.said(conversation, f"fish {number}")
    chat_index = room.container.chat_index
    written = await chat_index._write(room.user, [])  # as one that died before it was named anywhere
    await asyncio.gather(*(chat_index.update(room.user) for _ in range(4)))
    state = await chat_index.state(room.user)
    lines = [line.message_id for part in state.parts for line in await chat_index.lines(part)]
    assert len(lines) == len(set(lines)) == 6
    assert await chat_index.waiting(room.user, 10) == []
    assert set(await index(room)) == {part.blob for part in state.parts} | {written.blob}
    assert await chat_index.update(room.user)
    room.app.clock.advance(3601)
    await chat_index.forget(room.user, "another")
    assert set(await index(room)) == {part.blob for part in state.parts}
    assert (await chat_index.lines(replace(state.parts[0], blob="gone"))) == []


async def test_what_waits_is_counted_to_the_last(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.container.chat_index, "update", lambda owner_id: asyncio.sleep(0, True))  # the job takes in nothing
    monkeypatch.setattr(search, "MAX_WAITING", 3)
    monkeypatch.setattr(search_index, "COUNTED", 2)
    conversation = await room.conversation(title="t")
    for number in range(5):
        await room.said(conversation, f"fish {number}")
    limits = (await found(room, "fish"))["limits"]
    assert (limits["messages_searched"], limits["messages_waiting"]) == (3, 7)


@pytest.mark.parametrize("archived", [False, True])
async def test_titles_that_were_not_looked_at_are_told_of(room: Room, archived: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_TITLES", 4)
    for number in range(3):
        room.app.clock.advance(1)
        made = await room.conversation(title=f"fish {number}")
        async with room.client() as client:
            await client.patch(f"/api/chat/conversations/{made}", json={"archived": archived})
    page = await found(room, "fish")
    assert [each["title"] for each in page["items"]] == ["fish 2", "fish 1"]
    assert (page["limits"]["titles_searched"], page["limits"]["older_titles"]) == (2, True)


def test_snippets() -> None:
    assert snippet("a\n b", ["b"]) == "a b"
    long = "x" * 300 + " needle " + "y" * 300
    shown = snippet(long, ["needle"])
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert "needle" in shown
    assert fold("ＦＩＳＨ ﬁsh") == "fish fish"


async def test_a_few_searches_at_a_time(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds a user's whole index in memory."""
    searching_in, under_way, most, go = room.container.chat_search, 0, 0, asyncio.Event()
    find = searching_in._find

    async def counted(*args: Any) -> Found:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await go.wait()
        under_way -= 1
        return await find(*args)

    monkeypatch.setattr(searching_in, "_find", counted)
    searching = [asyncio.ensure_future(searching_in.find(room.user, "x", after=None, limit=1)) for _ in range(3 * AT_ONCE)]
    await until(lambda: under_way == AT_ONCE)
    go.set()
    await asyncio.gather(*searching)
    assert most == AT_ONCE
