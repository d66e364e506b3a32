"""Export and import: nothing is lost on the way round, and what is made up is refused whole."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_code.chat.importing import batches
from shared_code.chat.removal import ABANDONED
from shared_code.chat.tables import CHATS, CONTAINER, REMAINS, WORK
from shared_code.storage.ports import Delete
from tests.unit.apps import bearer, make_app, register
from tests.unit.chat.chats import Room, make_room

IMPORT = "/api/chat/import"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    size = draw(st.integers(0, 12))
    messages = []
    for number in range(size):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        usage = {"input_tokens": draw(st.integers(0, 99)), "cached_tokens": 0, "output_tokens": draw(st.integers(0, 99)),
                 "cost": draw(st.sampled_from([0, 0.000001, 12.5, 999_999_999.999999])), "estimated": draw(st.booleans())}  # fmt: skip
        messages.append({
            "id": f"m{number}",
            "parent_id": None if parent is None else f"m{parent}",
            "role": draw(st.sampled_from(["user", "assistant"])),
            "content": draw(TEXTS) * draw(st.sampled_from([1, 1, 1, 2000])),
            "model": draw(st.none() | st.just("plain")),
            "status": draw(st.sampled_from(["complete", "stopped", "failed"])),
            "usage": draw(st.none() | st.just(usage)),
            "finish_reason": draw(st.none() | st.just("stop")),
            "error": draw(st.none() | st.just({"kind": "unavailable", "code": "c", "detail": "d"})),
            "attachments": draw(st.sampled_from([[], ["f-1", "f_2"]])),
            "created_at": f"2026-01-01T00:00:{draw(st.integers(0, 59)):02}.{draw(st.integers(0, 999)):03}Z",
        })  # fmt: skip
    head = draw(st.sampled_from(messages))["id"] if messages else None
    title = draw(st.none() | st.just("A title"))
    about = {"title": title, "titled_by": "user" if title else "", "model": None, "system": draw(st.none() | TEXTS),
             "archived": draw(st.booleans()), "head_id": head, "created_at": "2025-12-31T23:59:59.123Z"}  # fmt: skip
    return {"format": "lydian-chat", "version": 1, "conversation": about, "messages": draw(st.permutations(messages))}


def normal(document: dict[str, Any]) -> Any:
    """The same whatever ids say: each message with the way that leads to it, siblings in their order."""
    by_id = {each["id"]: each for each in document["messages"]}
    order = sorted(by_id.values(), key=lambda each: (each["created_at"], each["id"]))
    number = {each["id"]: at for at, each in enumerate(order)}

    def plain(each: dict[str, Any]) -> dict[str, Any]:
        usage = each.get("usage")
        kept = {name: value for name, value in each.items() if name not in ("id", "parent_id", "conversation_id", "usage")}
        kept["usage"] = usage and {name: value for name, value in usage.items() if name != "total_tokens"}
        kept["parent"] = number.get(each["parent_id"])
        return kept

    about = {name: document["conversation"][name] for name in ("title", "titled_by", "model", "system", "archived", "created_at")}
    return about, number.get(document["conversation"]["head_id"]), [plain(each) for each in order]


async def exported(room: Room, conversation: str) -> dict[str, Any]:
    async with room.client() as client:
        answer = await client.get(f"/api/chat/conversations/{conversation}/export")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_nothing_is_lost_on_the_way_round(document: dict[str, Any]) -> None:
    async def run() -> None:
        room = await make_room()
        async with room.client() as client:
            made = await client.post(IMPORT, json=document)
            assert made.status_code == 201, made.text
            first = await exported(room, made.json()["id"])
            assert normal(first) == normal(document)
            again = await client.post(IMPORT, json=first)
            second = await exported(room, again.json()["id"])
            assert normal(second) == normal(document)
            assert [each["content"] for each in second["messages"]] == [each["content"] for each in first["messages"]]
            listed = (await client.get("/api/chat/conversations", params={"archived": document["conversation"]["archived"]})).json()
            assert {made.json()["id"], again.json()["id"]} == {each["id"] for each in listed["items"]}
        await room.settled()

    asyncio.run(run())


async def test_an_old_conversation_comes_in_as_the_newest_in_the_list(room: Room) -> None:
    await room.conversation()
    room.app.clock.advance(1)  # ids of one millisecond are in no order
    document = {"format": "lydian-chat", "version": 1, "conversation": {"created_at": "2001-02-03T04:05:06Z"}, "messages": []}
    async with room.client() as client:
        made = (await client.post(IMPORT, json=document)).json()
        assert made["created_at"] == "2001-02-03T04:05:06.000Z"
        assert (await client.get("/api/chat/conversations")).json()["items"][0]["id"] == made["id"]
        document["conversation"] = {"created_at": "2999-02-03T04:05:06Z"}
        assert (await client.post(IMPORT, json=document)).json()["code"] == "invalid_time"


async def test_a_conversation_of_ones_own_goes_round_and_on(room: Room) -> None:
    conversation = await room.conversation(system="Be kind.")
    first = await room.said(conversation, "One")
    await room.container.chat.regenerate(room.payer, conversation, first.id)
    await room.settled()
    await room.said(conversation, "Two " * 10_000, model="seeing")
    before = await exported(room, conversation)
    async with room.client() as client:
        made = (await client.post(IMPORT, json=before)).json()
    after = await exported(room, made["id"])
    assert normal(after) == normal(before)
    assert [each["created_at"] for each in after["messages"]] == [each["created_at"] for each in before["messages"]], "in their order"
    assert (await room.said(made["id"], "Three", model="seeing")).content == "Hello."
    assert [turn.role for turn in room.answers.asked[-1].turns] == ["user", "assistant", "user", "assistant", "user"]


def message(**given: Any) -> dict[str, Any]:
    return {"id": "a", "role": "user", "content": "x", "created_at": "2026-01-01T00:00:00Z", **given}


def document(*messages: dict[str, Any], **about: Any) -> dict[str, Any]:
    return {"format": "lydian-chat", "version": 1, "conversation": about, "messages": list(messages)}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (document(message(), message()), "duplicate_id"),
        (document(message(parent_id="b")), "unknown_parent"),
        (document(message(parent_id="a")), "circular_parents"),
        (document(message(parent_id="b"), message(id="b", parent_id="a")), "circular_parents"),
        (document(message(), head_id="b"), "unknown_head"),
        (document(head_id="b"), "unknown_head"),
        (document(message(created_at="9999-01-01T00:00:00Z")), "invalid_time"),
        (document(message(created_at="1601-01-01T00:00:00Z")), "validation_failed"),
        (document(message(created_at="2026-01-01T00:00:00")), "validation_failed"),
        (document(message(created_at=5)), "validation_failed"),
        (document(message(role="system")), "validation_failed"),
        (document(message(status="unheard of")), "validation_failed"),
        (document(message(usage={"input_tokens": -1})), "validation_failed"),
        (document(message(usage={"input_tokens": 10**30})), "validation_failed"),
        (document(message(content="a\x00")), "validation_failed"),
        (document(message(attachments=["../x"])), "validation_failed"),
        (document(message(attachments=["a b"])), "validation_failed"),
        (document(message(), system="x" * 16_001), "validation_failed"),
        ({**document(), "version": 2}, "validation_failed"),
        ({**document(), "format": "other"}, "validation_failed"),
        ([], "validation_failed"),
        (document(*[message(id=f"m{n}") for n in range(10_001)]), "validation_failed"),
    ],
)
async def test_what_is_made_up_is_refused_whole(room: Room, body: Any, code: str) -> None:
    async with room.client() as client:
        answer = await client.post(IMPORT, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text[:500]
    assert await room.app.storage.tables.query(CHATS, room.user) == []
    assert await room.app.storage.tables.query(WORK, REMAINS) == []


async def test_too_large_and_too_deep(room: Room) -> None:
    async with room.client() as client:
        large = json.dumps(document(*[message(id=f"m{n}", content="x" * 1_000_000) for n in range(10)]))
        assert (await client.post(IMPORT, content=large)).status_code == 413
        deep = '{"a":' * 1000 + "1" + "}" * 1000
        assert (await client.post(IMPORT, content=deep)).json()["code"] == "invalid_json"
        fits = json.dumps(document(*[message(id=f"m{n}", content="y" * 250_000) for n in range(8)]))
        assert (await client.post(IMPORT, content=fits)).status_code == 201


async def test_an_import_that_dies_leaves_nothing(room: Room) -> None:
    def die(verb: str, table: str) -> None:
        if verb == "write" and table == CHATS:
            raise asyncio.CancelledError

    room.app.tables.after = die
    body = document(*[message(id=f"m{n}", content="z" * 20_000) for n in range(3)])
    async with room.client() as client:
        assert (await client.post(IMPORT, json=body)).status_code == 499
    room.app.tables.after = lambda verb, table: None
    assert await room.app.storage.tables.query(CHATS, room.user) != []
    room.app.clock.advance(ABANDONED.total_seconds() + 1)
    assert await room.container.chat_removal.sweep() == 1
    await room.app.settled()
    assert await room.app.storage.tables.query(CHATS, room.user) == []
    assert [blob.name async for blob in room.app.storage.blobs.list(CONTAINER)] == []
    assert await room.container.chat_removal.sweep() == 0


async def test_markdown_is_what_is_shown(room: Room) -> None:
    conversation = await room.conversation(title="On\nfish", system="Be kind.\n\nAnd short.")
    first = await room.said(conversation, "One")
    room.answers.say("**Two**")
    await room.container.chat.regenerate(room.payer, conversation, first.id)
    await room.settled()
    async with room.client() as client:
        answer = await client.get(f"/api/chat/conversations/{conversation}/export", params={"format": "markdown"})
        assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
        assert f'filename="conversation-{conversation}.md"' in answer.headers["content-disposition"]
        assert answer.text == (
            "# On fish\n\n> Be kind.\n>\n> And short.\n\n## You, 2026-01-01T00:00:00.000Z\n\nOne\n\n"
            "## plain, 2026-01-01T00:00:00.000Z\n\n**Two**\n"
        )
        empty = await room.conversation()
        shown = await client.get(f"/api/chat/conversations/{empty}/export", params={"format": "markdown"})
        assert shown.text == "# Conversation\n"
        assert (await client.head(f"/api/chat/conversations/{empty}/export")).status_code == 200
        assert (await client.get(f"/api/chat/conversations/{empty}/export", params={"format": "pdf"})).status_code == 422


@given(st.lists(st.integers(0, 400_000), max_size=300))
def test_batches_hold_what_storage_takes(sizes: list[int]) -> None:
    packed = batches([(size, Delete(str(number))) for number, size in enumerate(sizes)])
    assert [each.key for batch in packed for each in batch] == [str(number) for number in range(len(sizes))]
    assert all(0 < len(batch) <= 96 for batch in packed)
    assert all(len(batch) == 1 or sum(sizes[int(each.key)] for each in batch) <= 600_000 for batch in packed)


async def test_imports_have_a_rate_of_their_own() -> None:
    app = make_app(CHAT_IMPORT_RATE="2/60")
    elsewhere = app.sibling(CHAT_IMPORT_RATE="2/60")
    async with app.client() as client, elsewhere.client() as other:
        ada, bob = [bearer((await register(client))["access_token"]) for _ in range(2)]
        for each in (client, other):
            made = await each.post(IMPORT, json=document(message()), headers={**ada, "Idempotency-Key": "once"})
            assert made.status_code == 201  # the second is the first one's answer, and counts as none
        assert (await other.post(IMPORT, json=document(message(parent_id="b")), headers=ada)).status_code == 422
        refused = await client.post(IMPORT, json=document(message()), headers=ada)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["ratelimit-limit"] == "2"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert (await client.post(IMPORT, json=document(message()), headers=bob)).status_code == 201
        listed = (await client.get("/api/chat/conversations", headers=ada)).json()["items"]
        assert len(listed) == 1
        app.clock.advance(seconds=61)
        assert (await client.post(IMPORT, json=document(message()), headers=ada)).status_code == 201
