"""SPEC §7 over HTTP, on memory."""

import asyncio
import json

import httpx
import pytest

from shared_code.chat.models import Message
from shared_code.chat.running import MAX_OF_ONE, MAX_RUNNING, Run
from shared_code.errors import RateLimited, UpstreamFailed
from tests.unit.apps import bearer, make_app, register
from tests.unit.chat.chats import Room, events, until

CONVERSATIONS = "/api/chat/conversations"


async def started(client: httpx.AsyncClient, **body: object) -> str:
    answer = await client.post(CONVERSATIONS, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{CONVERSATIONS}/{answer.json()['id']}"
    return str(answer.json()["id"])


def problem(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_conversation_from_its_beginning_to_its_end(room: Room) -> None:
    async with room.client() as client:
        conversation = await started(client, system="Be brief.")
        answer = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "Hi"})
        assert answer.headers["content-type"].startswith("text/event-stream")
        first, *deltas, last = events(answer.text)
        assert first.name == "message"
        assert set(first.data) == {"user_message_id", "assistant_message_id"}
        assert [each.name for each in deltas] == ["delta"] * len(deltas)
        assert "".join(each.data["text"] for each in deltas) == "Hello."
        assert [each.id for each in (first, deltas[-1], last)] == ["0", "6", "6"]
        message = last.data["message"]
        assert last.name == "done"
        assert {name: message[name] for name in ("role", "status", "content", "finish_reason", "error", "model")} == {
            "role": "assistant", "status": "complete", "content": "Hello.", "finish_reason": "stop", "error": None, "model": "plain",
        }  # fmt: skip
        assert message["usage"] == {
            "input_tokens": 12, "cached_tokens": 0, "output_tokens": 3, "total_tokens": 15, "cost": 0.000045, "estimated": False,
        }  # fmt: skip
        assert message["parent_id"] == first.data["user_message_id"]
        await room.settled()
        found = (await client.get(f"{CONVERSATIONS}/{conversation}")).json()
        assert (found["title"], found["head_id"]) == ("A title", first.data["assistant_message_id"])
        listed = (await client.get(f"{CONVERSATIONS}/{conversation}/messages")).json()
        assert [each["content"] for each in listed["items"]] == ["Hi", "Hello."]
        assert listed["next_cursor"] is None
        assert (await client.delete(f"{CONVERSATIONS}/{conversation}")).status_code == 204
        problem(await client.get(f"{CONVERSATIONS}/{conversation}"), 404, "conversation_not_found")
        problem(await client.get(f"{CONVERSATIONS}/{conversation}/messages"), 404, "conversation_not_found")
    assert room.answers.asked[0].system == "Be brief."


async def test_without_a_stream(room: Room) -> None:
    async with room.client() as client:
        conversation = await started(client)
        answer = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "Hi", "stream": False})
        assert answer.status_code == 201
        assert {name: each["content"] for name, each in answer.json().items()} == {"user_message": "Hi", "assistant_message": "Hello."}


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_is_refused_before_its_first_word(room: Room, stream: bool) -> None:
    room.answers.refusals.append(RateLimited("Your budget is used up.", retry_after=60, code="insufficient_quota"))
    async with room.client() as client:
        conversation = await started(client)
        answer = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "Hi", "stream": stream})
        if stream:
            names = [each.name for each in events(answer.text)]
            assert names == ["message", "error"]
            found = events(answer.text)[-1].data
            body, message = found["problem"], found["message"]
            assert body["request_id"] == answer.headers["x-request-id"]
        else:
            assert answer.status_code == 429
            body = answer.json()
            message = body["assistant_message"]
        assert (body["status"], body["code"], body["detail"]) == (429, "insufficient_quota", "Your budget is used up.")
        assert message["status"] == "failed"
        assert message["error"]["code"] == "insufficient_quota"
        again = await client.post(f"{CONVERSATIONS}/{conversation}/messages/{message['id']}/regenerate", json={"stream": False})
        assert again.json()["assistant_message"]["content"] == "Hello."
        assert again.json()["assistant_message"]["parent_id"] == message["parent_id"]


async def test_an_answer_that_is_cut_keeps_what_was_said(room: Room) -> None:
    room.answers.say("Half an ", UpstreamFailed("The connection was cut."))
    async with room.client() as client:
        conversation = await started(client)
        answer = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "Hi"})
        last = events(answer.text)[-1]
        assert (last.name, last.data["problem"]["status"], last.data["message"]["content"]) == ("error", 502, "Half an ")
        again = await client.get(f"{CONVERSATIONS}/{conversation}/messages/{last.data['message']['id']}/stream")
        assert [each.name for each in events(again.text)] == ["message", "delta", "error"]


async def test_a_fault_of_ours_leaks_nothing(room: Room) -> None:
    room.answers.say("x", ValueError("secret path /etc"))
    async with room.client() as client:
        conversation = await started(client)
        answer = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "Hi"})
    assert "secret" not in answer.text
    assert events(answer.text)[-1].data["problem"]["code"] == "internal_error"


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_the_model_ends_early_is_done(room: Room, reason: str) -> None:
    room.answers.finish_reason = reason
    async with room.client() as client:
        conversation = await started(client)
        answer = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "Hi"})
    message = events(answer.text)[-1].data["message"]
    assert (message["status"], message["finish_reason"]) == ("complete", reason)


async def test_a_client_id_that_was_here_before_leads_to_the_first_result(room: Room) -> None:
    body = {"content": "Hi", "client_id": "c1", "stream": False}
    async with room.client() as client:
        conversation = await started(client)
        first = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json=body)
        again = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json=body)
        assert first.json() == again.json()
        streamed = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={**body, "stream": True})
        assert events(streamed.text)[-1].data["message"] == first.json()["assistant_message"]
        keyed = {"content": "Bye", "stream": False}
        one, two = [
            await client.post(f"{CONVERSATIONS}/{conversation}/messages", json=keyed, headers={"Idempotency-Key": "k"}) for _ in range(2)
        ]
        assert one.json() == two.json()
        assert two.headers["idempotent-replayed"] == "true"
    assert len(room.answers.asked) == 2


async def test_an_answer_too_long_for_the_idempotency_table_is_asked_for_once(room: Room) -> None:
    room.answers.say("long " * 20_000)
    async with room.client() as client:
        conversation = await started(client)
        url, headers = f"{CONVERSATIONS}/{conversation}/messages", {"Idempotency-Key": "k"}
        one, two = [await client.post(url, json={"content": "Hi", "stream": False}, headers=headers) for _ in range(2)]
    assert one.json() == two.json()
    assert len(room.answers.asked) == 1


async def test_edit_and_regenerate_make_siblings(room: Room) -> None:
    async with room.client() as client:
        conversation = await started(client)
        url = f"{CONVERSATIONS}/{conversation}/messages"
        first = (await client.post(url, json={"content": "One", "stream": False})).json()
        question, answer = first["user_message"]["id"], first["assistant_message"]["id"]
        edited = (await client.post(f"{url}/{question}/edit", json={"content": "Two", "stream": False})).json()
        assert edited["user_message"]["parent_id"] is None
        assert [each["content"] for each in (await client.get(url)).json()["items"]] == ["Two", "Hello."]
        room.answers.say("Again")
        again = events((await client.post(f"{url}/{answer}/regenerate")).text)
        assert again[0].data["user_message_id"] == question
        assert [each["content"] for each in (await client.get(url)).json()["items"]] == ["One", "Again"]
        everything = (await client.get(url, params={"tree": True})).json()["items"]
        assert sorted(each["content"] for each in everything) == ["Again", "Hello.", "Hello.", "One", "Two"]
        shown = await client.patch(f"{CONVERSATIONS}/{conversation}", json={"head_id": edited["assistant_message"]["id"]})
        assert shown.json()["head_id"] == edited["assistant_message"]["id"]
        assert [each["content"] for each in (await client.get(url)).json()["items"]] == ["Two", "Hello."]
        problem(await client.post(f"{url}/{answer}/edit", json={"content": "x"}), 422, "not_a_question")


async def test_paging_from_either_end(room: Room) -> None:
    async with room.client() as client:
        conversation = await started(client)
        for number in range(4):
            await room.said(conversation, f"Q{number}")
        for order in ("oldest", "newest"):
            found, cursor, pages = [], None, 0
            while pages == 0 or cursor:
                params = {"limit": 3, "order": order, **({"cursor": cursor} if cursor else {})}
                page = (await client.get(f"{CONVERSATIONS}/{conversation}/messages", params=params)).json()
                found += [each["content"] for each in page["items"]]
                cursor, pages = page["next_cursor"], pages + 1
            expected = [text for number in range(4) for text in (f"Q{number}", "Hello.")]
            assert found == (expected if order == "oldest" else expected[::-1])
            assert pages == 3
        problem(await client.get(f"{CONVERSATIONS}/{conversation}/messages", params={"cursor": "made-up"}), 400, "invalid_cursor")


async def test_the_list_by_newest_activity(room: Room) -> None:
    async with room.client() as client:
        made = [await started(client, title=f"T{number}") for number in range(5)]
        await room.said(made[1])
        await client.patch(f"{CONVERSATIONS}/{made[3]}", json={"archived": True})
        await client.patch(f"{CONVERSATIONS}/{made[0]}", json={"title": "renamed"})
        page = (await client.get(CONVERSATIONS, params={"limit": 2})).json()
        rest = (await client.get(CONVERSATIONS, params={"limit": 2, "cursor": page["next_cursor"]})).json()
        assert [each["title"] for each in page["items"] + rest["items"]] == ["T1", "T4", "T2", "renamed"]
        assert rest["next_cursor"] is None
        archived = (await client.get(CONVERSATIONS, params={"archived": True})).json()["items"]
        assert [each["title"] for each in archived] == ["T3"]
        assert (await client.get(CONVERSATIONS, headers=room.other)).json() == {"items": [], "next_cursor": None}


async def test_nobody_else_finds_any_of_it(room: Room) -> None:
    conversation = await room.conversation()
    answer = await room.said(conversation)
    url = f"{CONVERSATIONS}/{conversation}"
    missing = f"{CONVERSATIONS}/{'0' * 26}"
    async with room.client(room.other) as client:
        for method, path, body in [
            ("GET", "", None), ("PATCH", "", {"title": "x"}), ("DELETE", "", None), ("GET", "/messages", None), ("GET", "/export", None),
            ("POST", "/messages", {"content": "x"}), ("POST", f"/messages/{answer.id}/stop", None),
            ("POST", f"/messages/{answer.id}/regenerate", {}), ("POST", f"/messages/{answer.id}/edit", {"content": "x"}),
            ("GET", f"/messages/{answer.id}/stream", None),
        ]:  # fmt: skip
            theirs, nobodys = [await client.request(method, base + path, json=body) for base in (url, missing)]
            assert theirs.status_code == nobodys.status_code == 404, (method, path, theirs.text)
            assert theirs.json()["code"] == nobodys.json()["code"]
    async with room.client() as client:
        mine = await room.conversation()
        problem(await client.get(f"{CONVERSATIONS}/{mine}/messages/{answer.id}/stream"), 404, "message_not_found")
        problem(
            await client.post(f"{CONVERSATIONS}/{mine}/messages", json={"content": "x", "parent_id": answer.id}), 404, "message_not_found"
        )
        problem(await client.patch(f"{CONVERSATIONS}/{mine}", json={"head_id": answer.id}), 404, "message_not_found")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "validation_failed"),
        ({"content": ""}, 422, "validation_failed"),
        ({"content": "  \n"}, 422, "validation_failed"),
        ({"content": "a\x00b"}, 422, "validation_failed"),
        ({"content": 1}, 422, "validation_failed"),
        ([], 422, "validation_failed"),
        ({"content": "x", "parent_id": "nothing"}, 404, "message_not_found"),
        ({"content": "x", "parent_id": "0" * 34}, 404, "message_not_found"),
        ({"content": "x", "model": "unknown"}, 404, "model_not_found"),
        ({"content": "x", "attachments": ["nothing"]}, 404, "file_not_found"),
        ({"content": "x", "attachments": [str(n) for n in range(11)]}, 422, "validation_failed"),
        ({"content": "x", "client_id": ""}, 422, "validation_failed"),
        ({"content": "x" * 30_000}, 422, "context_length_exceeded"),
        ({"content": "x" * 1_100_000}, 413, "payload_too_large"),
    ],
)
async def test_bad_questions_store_nothing(room: Room, body: object, status: int, code: str) -> None:
    async with room.client() as client:
        conversation = await started(client)
        problem(await client.post(f"{CONVERSATIONS}/{conversation}/messages", json=body), status, code)
        assert (await client.get(f"{CONVERSATIONS}/{conversation}/messages", params={"tree": True})).json()["items"] == []
    assert room.answers.prompts == []


async def test_bad_changes(room: Room) -> None:
    async with room.client() as client:
        conversation = await started(client, title="T", model="plain", system="S")
        url = f"{CONVERSATIONS}/{conversation}"
        problem(await client.patch(url, json={"archived": None}), 422, "validation_failed")
        problem(await client.patch(url, json={"title": ""}), 422, "validation_failed")
        problem(await client.patch(url, json={"model": "unknown"}), 404, "model_not_found")
        problem(await client.post(CONVERSATIONS, json={"model": "unknown"}), 404, "model_not_found")
        problem(await client.get(f"{CONVERSATIONS}/nothing"), 404, "conversation_not_found")
        assert (await client.patch(url, json={})).json()["title"] == "T"
        taken_back = (await client.patch(url, json={"title": None, "model": None, "system": None})).json()
        assert (taken_back["title"], taken_back["model"], taken_back["system"]) == (None, None, None)


async def test_following_from_any_place(room: Room) -> None:
    go = asyncio.Event()
    room.answers.say("abc", go, "def")
    async with room.client() as client:
        conversation = await started(client)
        begun = await room.container.chat.ask(room.payer, conversation, "Hi")
        url = f"{CONVERSATIONS}/{conversation}/messages/{begun.answer_id}/stream"
        follower = asyncio.create_task(client.get(url, headers={"Last-Event-ID": "2"}))
        run = room.container.chat_runs.find(begun.answer_id)
        assert run is not None
        await until(lambda: run.length == 3)
        go.set()
        found = events((await follower).text)
        assert "".join(each.data["text"] for each in found[:-1]) == "cdef"
        assert (found[-1].name, found[-1].id) == ("done", "6")
        whole = events((await client.get(url)).text)
        assert [each.name for each in whole] == ["message", "delta", "done"]
        assert [each.name for each in events((await client.get(url, headers={"Last-Event-ID": "6"})).text)] == ["done"]
        problem(await client.get(url, headers={"Last-Event-ID": "-1"}), 400, "invalid_last_event_id")
        question = whole[0].data["user_message_id"]
        problem(await client.get(url.replace(run.message.id, question)), 409, "not_an_answer")
        assert (await client.head(url)).status_code == 200


async def test_stop_keeps_what_was_said(room: Room) -> None:
    room.answers.say("So far", asyncio.Event(), "never")
    async with room.client() as client:
        conversation = await started(client)
        url = f"{CONVERSATIONS}/{conversation}/messages"
        asked = asyncio.create_task(client.post(url, json={"content": "Hi"}))
        await until(lambda: bool(room.container.chat_runs._running))
        [run] = room.container.chat_runs._running.values()
        await until(lambda: run.length == 6)
        stopped = await client.post(f"{url}/{run.message.id}/stop")
        assert (stopped.json()["status"], stopped.json()["content"], stopped.json()["usage"]["output_tokens"]) == ("stopped", "So far", 3)
        last = events((await asked).text)[-1]
        assert (last.name, last.data["message"]) == ("done", stopped.json())
        assert (await client.post(f"{url}/{run.message.id}/stop")).json() == stopped.json()
        problem(await client.post(f"{url}/{run.message.parent_id}/stop"), 409, "not_an_answer")
    assert room.answers.closed == 1


async def test_too_many_answers_at_once(room: Room) -> None:
    conversation = await room.conversation()
    others = Run("somebody else", Message("", "", None, "assistant", "", room.app.clock.now()))
    room.container.chat_runs._running = dict.fromkeys(map(str, range(MAX_RUNNING)), others)
    async with room.client() as client:
        problem(await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "x"}), 503, "busy")
    room.container.chat_runs._running.clear()


async def test_nobody_takes_all_the_answers_of_a_process(room: Room) -> None:
    end, conversations = asyncio.Event(), [await room.conversation() for _ in range(MAX_OF_ONE + 1)]
    for _ in conversations:
        room.answers.say(end, "Done.")
    async with room.client() as client, room.client(room.other) as other:
        for conversation in conversations[:-1]:
            await room.container.chat.ask(room.payer, conversation, "x")
        refused = await client.post(f"{CONVERSATIONS}/{conversations[-1]}/messages", json={"content": "x"})
        problem(refused, 429, "too_many_answers")
        assert int(refused.headers["retry-after"]) > 0
        theirs = asyncio.ensure_future(other.post(f"{CONVERSATIONS}/{await started(other)}/messages", json={"content": "x"}))
        await until(lambda: len(room.answers.asked) == MAX_OF_ONE + 1)
        end.set()
        assert events((await theirs).text)[-1].name == "done"
        await room.settled()
        assert events((await client.post(f"{CONVERSATIONS}/{conversations[-1]}/messages", json={"content": "x"})).text)[-1].name == "done"


async def test_without_any_model_what_is_stored_can_be_read() -> None:
    app = make_app()
    async with app.client() as client:
        client.headers.update(bearer((await register(client))["access_token"]))
        conversation = await started(client)
        assert (await client.get(CONVERSATIONS)).json()["items"][0]["id"] == conversation
        problem(await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "x"}), 503, "chat_not_configured")


async def test_an_api_key_needs_the_scope(room: Room) -> None:
    async with room.client() as client:
        keys = {}
        for scope in ("chat", "files"):
            made = await client.post("/api/auth/keys", json={"name": scope, "scopes": [scope]})
            keys[scope] = {"Authorization": f"Bearer {made.json()['key']}"}
        assert (await client.get(CONVERSATIONS, headers=keys["chat"])).status_code == 200
        problem(await client.get(CONVERSATIONS, headers=keys["files"]), 403, "insufficient_scope")
        conversation = await started(client)
        answer = await client.post(f"{CONVERSATIONS}/{conversation}/messages", json={"content": "x", "stream": False}, headers=keys["chat"])
        assert answer.status_code == 201
        assert room.answers.asked[-1].payer.key_id is not None
        assert (await client.get(CONVERSATIONS, headers={"Authorization": ""})).status_code == 401


async def test_the_openapi_document_knows_every_route(room: Room) -> None:
    async with room.client() as client:
        paths = json.loads((await client.get("/openapi.json")).text)["paths"]
    assert {path for path in paths if path.startswith("/api/chat")} == {
        CONVERSATIONS, f"{CONVERSATIONS}/{{conversation_id}}", f"{CONVERSATIONS}/{{conversation_id}}/messages",
        f"{CONVERSATIONS}/{{conversation_id}}/export", "/api/chat/search", "/api/chat/import",
        *(f"{CONVERSATIONS}/{{conversation_id}}/messages/{{message_id}}/{verb}" for verb in ("regenerate", "edit", "stop", "stream")),
    }  # fmt: skip
