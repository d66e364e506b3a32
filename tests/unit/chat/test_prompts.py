"""What a model gets: history within its window, files that it can use, and the request for a title."""

import asyncio
import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_code.chat import attachments
from shared_code.chat.attachments import MAX_IMAGE_BYTES, Attachments, Room
from shared_code.chat.history import room_for_input, tokens, turn_tokens
from shared_code.chat.models import Message
from shared_code.chat.ports import FileFacts, Image, ModelFacts, Payer, Prompt, Text, Turn
from shared_code.chat.titles import cleaned
from shared_code.container.chat_ports import _message
from shared_code.errors import InvalidInput, NotFound, TooLarge, UpstreamFailed
from tests.images import jpeg, photo
from tests.unit.chat import chats
from tests.unit.chat.chats import until

PLAIN = ModelFacts("plain", 8000, 1000, vision=False)
SEEING = ModelFacts("seeing", 8000, 1000, vision=True)


def texts(prompt: Prompt) -> list[str]:
    return ["".join(part.text for part in turn.parts if isinstance(part, Text)) for turn in prompt.turns]


async def test_history_is_cut_oldest_first(room: chats.Room) -> None:
    conversation = await room.conversation(model="tiny", system="S")
    for number in range(20):
        room.answers.say(f"answer {number} " + "a" * 60)
        await room.said(conversation, f"question {number} " + "q" * 60)
    prompt = room.answers.asked[-1]
    assert texts(prompt)[-1].startswith("question 19")
    assert texts(prompt)[-2].startswith("answer 18")
    assert 1 < len(prompt.turns) < 39
    assert prompt.system == "S"
    used = tokens("S") + sum(map(turn_tokens, prompt.turns))
    assert used <= room_for_input(room.answers.models["tiny"]) < used + 70, "as much as fits"


async def test_a_long_history_is_read_in_pages(room: chats.Room) -> None:
    conversation = await room.conversation(model="seeing")
    for number in range(60):
        await room.said(conversation, f"q{number}")
    assert texts(room.answers.asked[-1])[::2] == [f"q{number}" for number in range(60)]
    started = await room.container.chat.edit(room.payer, conversation, (await room.path(conversation))[20].id, "other")
    await room.container.chat_following.ended(room.user, conversation, started.answer_id)
    assert texts(room.answers.asked[-1])[::2] == [*(f"q{number}" for number in range(10)), "other"]


async def test_a_failed_answer_is_no_part_of_the_history(room: chats.Room) -> None:
    conversation = await room.conversation()
    room.answers.refusals.append(UpstreamFailed("no"))
    await room.said(conversation, "One")
    room.answers.say("Half", UpstreamFailed("cut"))
    await room.said(conversation, "Two")
    await room.said(conversation, "Three")
    assert texts(room.answers.asked[-1]) == ["One", "Two", "Half", "Three"]


async def test_files_over_http(room: chats.Room) -> None:
    async with room.client() as client:
        picture = (await client.post("/api/files/upload", files={"file": ("p.jpg", jpeg(photo(40, 30)))})).json()["id"]
        note = (await client.post("/api/files/upload", files={"file": ("n.txt", b"note")})).json()["id"]
        pdf = (await client.post("/api/files/upload", files={"file": ("d.pdf", b"%PDF-1.7\n%%EOF")})).json()["id"]
        made = (await client.post("/api/chat/conversations", json={})).json()["id"]
        path = f"/api/chat/conversations/{made}/messages"

        async def sent(**body: object) -> tuple[int, str]:
            answer = await client.post(path, json={"content": "See?", "stream": False, **body})
            return answer.status_code, answer.json().get("code", "")

        assert await sent(attachments=[picture]) == (422, "model_without_vision")
        assert await sent(attachments=[pdf], model="seeing") == (422, "unsupported_attachment")
        assert await sent(attachments=[note, note]) == (422, "duplicate_attachment")
        theirs = (await client.post("/api/files/upload", files={"file": ("n.txt", b"note")}, headers=room.other)).json()["id"]
        assert await sent(attachments=[theirs]) == (404, "file_not_found")
        assert room.answers.asked == []
        assert await sent(attachments=[picture, note], model="seeing") == (201, "")
        image, text, words = room.answers.asked[-1].turns[-1].parts
        assert isinstance(image, Image)
        assert (text, words) == (Text("File n.txt:\nnote"), Text("See?"))
        stored = (await client.get(path)).json()["items"][0]
        assert stored["attachments"] == [picture, note]
        await client.delete(f"/api/files/{note}")
        assert await sent(content="And?") == (201, "")
        assert texts(room.answers.asked[-1])[0] == "[File: p.jpg][A file that has been deleted]See?"
        again = await client.post(f"{path}/{stored['id']}/edit", json={"content": "Without", "attachments": [], "stream": False})
        assert again.json()["user_message"]["attachments"] == []
        edit = {"content": "Otherwise", "model": "seeing", "stream": False}
        kept = await client.post(f"{path}/{stored['id']}/edit", json=edit)
        assert kept.json()["user_message"]["attachments"] == [picture, note], "what has gone since is no reason to refuse the words"
        assert texts(room.answers.asked[-1])[-1] == "[A file that has been deleted]Otherwise"
        bare = {"content": "", "model": "seeing", "stream": False}
        assert (await client.post(f"{path}/{stored['id']}/edit", json=bare)).status_code == 422
        assert (await client.post(f"{path}/{stored['id']}/edit", json={**bare, "attachments": [picture]})).status_code == 201
        refused = await client.post(f"{path}/{stored['id']}/edit", json={**edit, "attachments": [picture, note]})
        assert (refused.status_code, refused.json()["code"]) == (404, "file_not_found")
        assert await sent(content="", attachments=[picture], model="seeing") == (201, "")
        assert [type(part) for part in room.answers.asked[-1].turns[-1].parts] == [Image]


class Shelf:
    """Chat's port for files."""

    def __init__(self, *files: tuple[str, str, int]) -> None:
        self.files = {file_id: FileFacts(file_id, f"{file_id}.x", kind, size) for file_id, kind, size in files}

    async def look(self, owner_id: str, file_id: str) -> FileFacts:
        if file_id not in self.files:
            raise NotFound
        return self.files[file_id]

    async def read(self, owner_id: str, file_id: str, *, limit: int) -> tuple[str, bytes]:
        facts = await self.look(owner_id, file_id)
        if facts.size > limit:
            raise TooLarge
        return facts.content_type, b"x" * facts.size


async def test_files_beyond_the_limits_are_only_named(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(("big", "image/png", MAX_IMAGE_BYTES + 1), ("a", "image/png", 60), ("b", "image/png", 60), ("t", "text/plain", 300_000))
    shown = Attachments(shelf)
    message = Message("m", "c", None, "user", "x", None, attachments=("big", "a", "b", "gone"))  # type: ignore[arg-type]  # its time does not matter
    assert await shown.parts("u", message, SEEING, Room(100)) == [
        Text("[File: big.x]"),
        Image("image/png", b"x" * 60),
        Text("[File: b.x]"),
        Text("[A file that has been deleted]"),
    ]
    for attached, model, code in [
        (["t"], PLAIN, "attachment_too_large"),
        (["a"], PLAIN, "model_without_vision"),
        ([str(n) for n in range(attachments.MAX_ATTACHMENTS + 1)], SEEING, "too_many_attachments"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            await shown.check("u", attached, model)
        assert caught.value.code == code


def test_turns_as_the_gateway_takes_them() -> None:
    assert _message(Turn("user", (Text("a"), Text("b")))) == {"role": "user", "content": "a\n\nb"}
    assert _message(Turn("user", (Image("image/png", b"x"), Text("b")))) == {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(b'x').decode()}"}},
            {"type": "text", "text": "b"},
        ],
    }


@given(st.text())
def test_tokens_are_counted_on_the_safe_side(text: str) -> None:
    assert tokens(text) * 3 >= len(text.encode("utf-8", "surrogatepass"))


async def test_a_title_of_the_users_own_wins(room: chats.Room) -> None:
    go = asyncio.Event()
    room.answers.say("a", go)
    conversation = await room.conversation()
    started = await room.container.chat.ask(room.payer, conversation, "Hi")
    async with room.client() as client:
        await client.patch(f"/api/chat/conversations/{conversation}", json={"title": "Mine"})
        go.set()
        await room.container.chat_following.ended(room.user, conversation, started.answer_id)
        await room.settled()
        assert (await client.get(f"/api/chat/conversations/{conversation}")).json()["title"] == "Mine"
        assert len(room.answers.prompts) == 1, "no model is asked"
        await client.patch(f"/api/chat/conversations/{conversation}", json={"title": None})
        await room.said(conversation, "Again")
        await room.settled()
        assert (await client.get(f"/api/chat/conversations/{conversation}")).json()["title"] == "A title"


async def test_without_a_model_for_it_the_question_is_the_title(room: chats.Room, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = await room.conversation()
    real = room.answers.ask

    async def refuse(prompt: Prompt) -> object:
        if prompt.system and "title" in prompt.system:
            raise UpstreamFailed("no")
        return await real(prompt)

    monkeypatch.setattr(room.answers, "ask", refuse)
    await room.said(conversation, "  Why is the sky blue?\nTell me. " + "x" * 100)
    await room.settled()
    found = await room.container.chat_conversations.get(room.user, conversation)
    assert found.title == ("Why is the sky blue? Tell me. " + "x" * 100)[:60]


async def test_a_title_is_by_the_model_that_answered(room: chats.Room) -> None:
    """An API key may be limited to that one, and it need not be the conversation's."""
    room.answers.model_of_answers = "seeing"
    conversation = await room.conversation()
    await room.said(conversation, "Hi", model="seeing")
    await room.settled()
    assert [prompt.model for prompt in room.answers.prompts] == ["seeing", "seeing"]


def test_titles_are_one_clean_line() -> None:
    assert cleaned(' "A  fine\ntitle." ') == "A fine title"
    assert cleaned("x" * 500) == "x" * 200


async def test_a_client_that_leaves_while_it_begins_leaves_an_answer_that_is_written(room: chats.Room) -> None:
    conversation = await room.conversation()
    asking: asyncio.Task[object] | None = None

    def leave(verb: str, table: str) -> None:
        if verb == "write" and table == "chatwork" and asking is not None:
            asking.cancel()

    room.app.tables.before = leave
    asking = asyncio.create_task(room.container.chat.ask(Payer(room.user), conversation, "Hi"))
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: not room.container.chat._beginning)
    room.app.tables.before = lambda verb, table: None
    await room.container.chat_runs.drain()
    assert [(each.status, each.content) for each in await room.path(conversation)] == [("complete", "Hi"), ("complete", "Hello.")]
