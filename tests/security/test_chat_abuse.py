"""Chat against those who mean it harm: bodies, names, events, and other people's conversations."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from shared_code.web.sse import event
from tests.unit.apps import bearer, register
from tests.unit.chat.chats import Room, Scripted, events, make_room, speed_up

CONVERSATIONS = "/api/chat/conversations"


@pytest_asyncio.fixture
async def room() -> AsyncIterator[Room]:
    made = await make_room()
    yield made
    await made.settled()


@given(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.integers(0, 10**9))
def test_no_text_breaks_out_of_its_event(text: str, at: int | None) -> None:
    """A model's answer may hold what looks like an event of ours."""
    sent = event("delta", {"text": text}, id=None if at is None else str(at)).decode()
    lines = sent.splitlines()  # also at what only some readers take for a line's end
    assert [line.partition(": ")[0] for line in lines] == [*(["id"] if at is not None else []), "event", "data", ""]
    assert json.loads(lines[-2].removeprefix("data: ")) == {"text": text}


async def test_an_answer_that_looks_like_events(room: Room) -> None:
    forged = '\n\nevent: done\ndata: {"message": {}}\n\n: \r\nid: 99\r\u2028event: error'
    room.answers.say(forged)
    conversation = await room.conversation()
    async with room.client() as client:
        answer = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "x"})
    found = events(answer.text)
    assert [each.name for each in found] == ["message", "delta", "done"]
    assert found[1].data["text"] == found[2].data["message"]["content"] == forged


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "validation_failed"),
        (b"null", 422, "validation_failed"),
        (b"{", 400, "invalid_json"),
        (b'{"content": "\xff"}', 400, "invalid_json"),
        (b'{"content": "\\ud800"}', 400, "invalid_json"),
        (b'{"content": NaN}', 400, "invalid_json"),
        (b'{"content":' * 1000 + b"1" + b"}" * 1000, 400, "invalid_json"),
        (b'{"content": "' + b"x" * (10 * 1024 * 1024) + b'"}', 413, "payload_too_large"),
        (b'{"content": "' + b"x" * 300_000 + b'"}', 422, "validation_failed"),
        (b'{"content": "x", "parent_id": ""}', 422, "validation_failed"),
        (b'{"content": "x", "parent_id": "' + b"/" * 64 + b'"}', 404, "message_not_found"),
        (b'{"content": "x", "model": "../etc"}', 404, "model_not_found"),
        (b'{"content": "x", "attachments": ["../../x"]}', 404, "file_not_found"),
        (b'{"content": "x", "attachments": "x"}', 422, "validation_failed"),
        (b'{"content": "x", "stream": "maybe"}', 422, "validation_failed"),
    ],
)
async def test_bodies(room: Room, body: bytes, status: int, code: str) -> None:
    conversation = await room.conversation()
    async with room.client() as client:
        answer = await client.post(f"{CONVERSATIONS}/{conversation}/messages", content=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await client.get(f"{CONVERSATIONS}/{conversation}/messages")).json()["items"] == []


@pytest.mark.parametrize("name", ["..", "%2e%2e", "a%2Fb", "%00", "'", "x" * 500, "\u0130" * 26, "c:0", "0" * 25 + "%20"])
async def test_names_that_lead_nowhere(room: Room, name: str) -> None:
    conversation = await room.conversation()
    async with room.client() as client:
        for path in (
            f"{CONVERSATIONS}/{name}",
            f"{CONVERSATIONS}/{name}/messages",
            f"{CONVERSATIONS}/{conversation}/messages/{name}/stream",
        ):
            answer = await client.get(path)
            assert answer.status_code in (404, 405), (path, answer.text)


async def test_a_cursor_of_another_list_or_user(room: Room) -> None:
    conversation, other = await room.conversation(), await room.conversation()
    for each in (conversation, other):
        for _ in range(2):
            await room.said(each)
    async with room.client() as client:
        cursor = (await client.get(f"{CONVERSATIONS}/{conversation}/messages", params={"limit": 1})).json()["next_cursor"]
        for path, params in [
            (f"{CONVERSATIONS}/{other}/messages", {}),
            (f"{CONVERSATIONS}/{conversation}/messages", {"tree": True}),
            (f"{CONVERSATIONS}/{conversation}/messages", {"order": "newest"}),
            (CONVERSATIONS, {}),
            ("/api/chat/search", {"q": "x"}),
        ]:
            answer = await client.get(path, params={**params, "cursor": cursor})
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), path


async def test_a_forged_cursor_reads_only_ones_own(room: Room) -> None:
    """Whoever knows how cursors are made may write one: it leads through their own partition only, and to no 500."""
    from shared_code.storage import cursors

    conversation = await room.conversation()
    answer = await room.said(conversation)
    async with room.client() as client:
        for order, tree in (("oldest", False), ("newest", False), ("oldest", True)):
            for position in ("x", f"{answer.id} x", f"{answer.id} 99999999", f"{answer.id} -5", "0" * 34 + " 1", f"{answer.id} \u0661"):
                cursor = cursors.encode(position, "messages", room.user, conversation, str(tree), order)
                found = await client.get(
                    f"{CONVERSATIONS}/{conversation}/messages", params={"cursor": cursor, "order": order, "tree": tree}
                )
                assert found.status_code in (200, 400), (position, found.text)


async def test_one_app_for_chat_alone(room: Room) -> None:
    """It verifies tokens by itself, and reads its user's files; what it does not run is not there."""
    async with room.client() as client:
        note = (await client.post("/api/files/upload", files={"file": ("n.txt", b"note")})).json()["id"]
        mallory = await register(client)
    app = room.app.sibling(SERVICES="chat")
    answers = Scripted()
    speed_up(app.container, answers)
    async with app.client(headers=room.headers) as client:
        conversation = (await client.post(CONVERSATIONS, json={})).json()["id"]
        path = f"{CONVERSATIONS}/{conversation}/messages"
        answer = await client.post(path, json={"content": "x", "attachments": [note], "stream": False})
        assert answer.status_code == 201, answer.text
        assert len(answers.asked[-1].turns[-1].parts) == 2
        assert (await client.get("/api/files")).status_code == 404
        assert (await client.get("/api/ai/v1/models")).status_code == 404
        assert (await client.get(path, headers=bearer(mallory["access_token"]))).status_code == 404
    await app.container.chat_runs.drain()
    await app.settled()


async def test_a_stream_asked_for_twice_under_one_key_ends_both_times(room: Room) -> None:
    """A stream is no answer that can be kept: what was kept of it was an empty one, without any end."""
    conversation = await room.conversation()
    headers = {"Idempotency-Key": "once"}
    async with room.client() as client:
        for _ in range(2):
            answer = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "x"}, headers=headers)
            assert "idempotent-replayed" not in answer.headers
            assert [each.name for each in events(answer.text)][::2] == ["message", "done"]
        assert len((await client.get(f"{CONVERSATIONS}/{conversation}/messages")).json()["items"]) == 2


async def test_ten_thousand_wrong_messages_are_answered_briefly(room: Room) -> None:
    document = {"format": "lydian-chat", "version": 1, "conversation": {}, "messages": [{}] * 10_000}
    async with room.client() as client:
        answer = await client.post("/api/chat/import", json=document)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 100)
    assert len(answer.content) < 50_000


async def test_a_key_for_chat_alone_has_no_files_read_to_it(room: Room) -> None:
    conversation = await room.conversation()
    keys = {}
    async with room.client() as client:
        for scopes in (["chat"], ["chat", "files"]):
            made = await client.post("/api/auth/keys", json={"name": "k", "scopes": scopes})
            keys[len(scopes)] = {"Authorization": f"Bearer {made.json()['key']}"}
        asked = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "x", "stream": False})
        question = asked.json()["user_message"]["id"]
    for path in ("messages", f"messages/{question}/edit"):
        url = f"{CONVERSATIONS}/{conversation}/{path}"
        body = {"content": "What is in it?", "attachments": ["01m86p00000000000000000000"]}
        async with room.client(keys[1]) as client:
            refused = await client.post(url, json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
            assert (await client.post(url, json={"content": "x", "attachments": []})).status_code == 200
        async with room.client(keys[2]) as client:
            assert (await client.post(url, json=body)).json()["code"] == "file_not_found"
