"""Chat over HTTP, with a real server of OpenAI's wire behind two instances of the app on one Azurite."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared_code.chat.finishing import LEASE
from shared_code.chat.tables import CHATS, message_key
from shared_code.chat.tree import place_of
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.ports import Merge
from tests.aiserver import AiServer, dropped, filtered, rate_limited, start_aiserver, text
from tests.azurite import AzuriteHandle, start_azurite
from tests.images import jpeg, photo
from tests.integration.support import NO_TLS, Host, User, eventually, problem, register, running_host
from tests.unit.apps import signing_pem

LONG = "word " * 80
"""A streamed answer of four seconds, with 100 ms between its frames: ten characters each."""


@dataclass(frozen=True)
class World:
    ai: AiServer
    azurite: AzuriteHandle
    first: Host
    second: Host
    settings: dict[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    ai, azurite = start_aiserver(), start_azurite()
    settings = {
        "SERVICES": "auth,ai,chat,files",
        "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string,
        "JWT_PRIVATE_KEY": signing_pem(),
        "AI_DEFAULT_BUDGET_USD": "5",
        **ai.settings(),
    }
    try:
        with (
            running_host(tmp_path_factory.mktemp("first"), **settings) as first,
            running_host(tmp_path_factory.mktemp("second"), **settings) as second,
        ):
            yield World(ai, azurite, first, second, settings)
    finally:
        azurite.stop()
        ai.stop()


@pytest.fixture
def ada(world: World) -> Iterator[User]:
    with register(world.first.url) as user:
        yield user


def elsewhere(user: User, host: Host) -> httpx.Client:
    """The same user at another instance."""
    return httpx.Client(base_url=host.url, headers={"Authorization": user.headers["authorization"]}, timeout=30, verify=NO_TLS)


def conversation(user: User, **body: Any) -> str:
    answer = user.post("/api/chat/conversations", json=body)
    assert answer.status_code == 201, answer.text
    return f"/api/chat/conversations/{answer.json()['id']}/messages"


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any, str]]:
    """(name, data, id) of each event as it comes."""
    fields: dict[str, str] = {}
    for line in lines:
        if line == "" and "data" in fields:
            yield fields["event"], json.loads(fields["data"]), fields["id"]
            fields = {}
        name, _, value = line.partition(": ")
        fields[name] = value


def asked(user: User, path: str, content: str, **body: Any) -> list[tuple[str, Any, str]]:
    """Ask, and hear it to its end."""
    with user.stream("POST", path, json={"content": content, **body}) as answer:
        assert answer.status_code == 200, answer.read()
        return list(events(answer.iter_lines()))


def spent(user: User) -> Decimal:
    return Decimal(str(user.get("/api/ai/usage").raise_for_status().json()["budget"]["spent"]))


def test_an_answer_its_cost_its_title_and_where_it_is_found(world: World, ada: User) -> None:
    world.ai.serve(text("capital", "Paris is the capital of France.", tick=30, chunk=5))
    path = conversation(ada)
    first, *deltas, last = asked(ada, path, "What is the capital of France?")
    assert (first[0], last[0]) == ("message", "done")
    assert "".join(data["text"] for _, data, _ in deltas) == last[1]["message"]["content"] == "Paris is the capital of France."
    assert len(deltas) > 1, "it comes in pieces"
    cost = Decimal(str(last[1]["message"]["usage"]["cost"]))
    assert cost > 0
    about = path.removesuffix("/messages")
    assert eventually(lambda: ada.get(about).json()["title"], what="a title")
    eventually(lambda: spent(ada) >= cost, what="settlement")
    found = eventually(lambda: ada.get("/api/chat/search", params={"q": "PARIS capital"}).json()["items"], what="search")
    assert last[1]["message"]["id"] in {each["message_id"] for each in found}


@pytest.mark.parametrize(
    ("content", "terminal", "status", "reason", "paid"),
    [
        ("ends early", "done", "complete", "length", True),
        ("filtered later", "done", "complete", "content_filter", True),
        ("filtered at once", "error", "failed", "content_filter", False),
        ("cut", "error", "failed", None, True),
        ("too many", "error", "failed", None, False),
        ("dropped", "error", "failed", None, None),
    ],
)
def test_every_end(world: World, ada: User, content: str, terminal: str, status: str, reason: str | None, paid: bool | None) -> None:
    world.ai.serve(
        text("ends early", "This ends bef", finishReason="length"),
        text("filtered later", "This is", finishReason="content_filter"),
        filtered("filtered at once"),
        text("cut", LONG, cut_after=4),
        rate_limited("too many", retry_after=0),
        dropped("dropped"),
    )
    path = conversation(ada, title="t")  # no other request is made for a title
    heard = asked(ada, path, content)
    assert [name for name, _, _ in heard if name not in ("message", "delta")] == [terminal] == [heard[-1][0]]
    message = heard[-1][1]["message"]
    assert (message["status"], message["finish_reason"]) == (status, reason)
    assert ada.get(path).json()["items"][-1] == message, "what is stored is what was said"
    code = {"filtered at once": "content_filter", "too many": "rate_limit_exceeded"}.get(content, "upstream_failed")
    if terminal == "error":
        assert heard[-1][1]["problem"]["code"] == message["error"]["code"] == code
    if paid is not None:
        assert (message["usage"] is not None) is paid
        expected = Decimal(str(message["usage"]["cost"])) if paid else Decimal(0)
        eventually(lambda: spent(ada) == expected, what=f"{expected}")


def test_over_budget(world: World, ada: User) -> None:
    path = conversation(ada)
    with register(world.first.url, "admin@example.com") as admin:
        assert admin.put(f"/api/ai/budgets/{ada.user_id}", json={"monthly_usd": "0.000001"}).is_success
    name, data, _ = eventually(lambda: refused(ada, path), 20, "the budget")
    assert (name, data["problem"]["status"], data["message"]["status"]) == ("error", 429, "failed")
    answer = ada.post(path, json={"content": "x", "stream": False})
    assert problem(answer, 429, "insufficient_quota")["assistant_message"]["error"]["code"] == "insufficient_quota"


def refused(user: User, path: str) -> tuple[str, Any, str] | None:
    last = asked(user, path, "x")[-1]
    return last if last[0] == "error" else None


def test_the_answer_goes_on_without_its_reader_and_is_followed_elsewhere(world: World, ada: User) -> None:
    world.ai.serve(text("go on", LONG, tick=100, chunk=10))
    path = conversation(ada, title="t")
    with ada.stream("POST", path, json={"content": "go on"}) as answer:
        heard = events(answer.iter_lines())
        answer_id = next(heard)[1]["assistant_message_id"]
        got, place = "", "0"
        for _ in range(3):
            _, data, place = next(heard)
            got += data["text"]
    with elsewhere(ada, world.second) as second:
        for host in (second, ada):  # a tab that is dropped again, and comes back to the first
            with host.stream("GET", f"{path}/{answer_id}/stream", headers={"Last-Event-ID": place}) as answer:
                for name, data, identifier in events(answer.iter_lines()):
                    if name == "delta":
                        got, place = got + data["text"], identifier
                    if host is second and len(got) > 150:
                        break
        assert got == LONG
        assert (name, data["message"]["content"], data["message"]["status"]) == ("done", LONG, "complete")


def test_a_client_that_leaves_before_the_first_byte(world: World, ada: User) -> None:
    path = conversation(ada, title="t")
    with pytest.raises(httpx.TimeoutException):
        ada.post(path, json={"content": "gone at once"}, timeout=0.001)

    def settled() -> bool:
        found = ada.get(path).json()["items"]
        return [each["status"] for each in found] in ([], ["complete", "complete"])

    eventually(settled, what="nothing, or all of it")


def test_stop_from_another_instance(world: World, ada: User) -> None:
    world.ai.serve(text("without end", LONG * 5, tick=100, chunk=10))
    path = conversation(ada, title="t")
    with ada.stream("POST", path, json={"content": "without end"}) as answer, elsewhere(ada, world.second) as second:
        heard = events(answer.iter_lines())
        answer_id = next(heard)[1]["assistant_message_id"]
        assert next(heard)[0] == "delta"
        stopped = second.post(f"{path}/{answer_id}/stop")
        assert stopped.elapsed < timedelta(seconds=2.5), stopped.elapsed
        message = stopped.json()
        assert (message["status"], message["finish_reason"]) == ("stopped", "stopped")
        assert (LONG * 5).startswith(message["content"])
        assert message["content"] != ""
        last = list(heard)[-1]
        assert (last[0], last[1]["message"]) == ("done", message)
    cost = Decimal(str(message["usage"]["cost"]))
    eventually(lambda: spent(ada) == cost, what="what was used until then")


def test_files_come_all_the_way(world: World, ada: User) -> None:
    picture = ada.stored(jpeg(photo(64, 48)), "photo.jpg")["id"]
    note = ada.stored("Grüße".encode(), "note.txt")["id"]
    path = conversation(ada, title="t", model="local-large")
    assert asked(ada, path, "What is this?", attachments=[picture, note])[-1][0] == "done"
    sent = world.ai.requests("What is this?")[-1]["body"]["messages"][-1]["content"]
    assert [part["type"] for part in sent] == ["image_url", "text", "text"]
    assert sent[0]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert sent[1]["text"] == "File note.txt:\nGrüße"
    problem(ada.post(path, json={"content": "x", "model": "local-small", "attachments": [picture]}), 422, "model_without_vision")
    with register(world.first.url) as bob:
        theirs = conversation(bob)
        problem(bob.post(theirs, json={"content": "x", "attachments": [picture]}), 404, "file_not_found")
        problem(bob.get(path), 404, "conversation_not_found")


def test_an_instance_that_is_killed_leaves_a_failed_answer(world: World, ada: User, tmp_path: Path) -> None:
    world.ai.serve(text("die", LONG * 5, tick=50, chunk=10))
    path = conversation(ada, title="t")
    with (
        running_host(tmp_path, **world.settings) as third,
        elsewhere(ada, third) as doomed,
        doomed.stream("POST", path, json={"content": "die"}) as answer,
    ):
        heard = events(answer.iter_lines())
        answer_id = next(heard)[1]["assistant_message_id"]
        eventually(lambda: len(ada.get(path).json()["items"][-1]["content"]) > 20, what="stored text")
        third.process.kill()
        third.process.wait(10)
        with pytest.raises(httpx.HTTPError):
            list(heard)
    running = ada.get(path).json()["items"][-1]
    assert running["status"] == "streaming", "a moment ago it was alive"
    asyncio.run(age(world.azurite, ada.user_id, path.split("/")[4], answer_id))
    swept = httpx.post(f"{world.second.url}/admin/functions/chat_sweep", json={}, timeout=30, verify=NO_TLS)
    assert swept.is_success, swept.text

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = ada.get(path).json()["items"][-1]
        return found if found["status"] != "streaming" else None

    message = eventually(ended, what="the sweep")
    assert message is not None
    assert (message["status"], message["error"]["code"], message["content"]) == ("failed", "answer_interrupted", running["content"])
    with ada.stream("GET", f"{path}/{answer_id}/stream", headers={"Last-Event-ID": "10"}) as answer:
        text_left, last = list(events(answer.iter_lines()))
    assert text_left[1]["text"] == running["content"][10:]
    assert (last[0], last[1]["problem"]["code"]) == ("error", "answer_interrupted")


async def age(azurite: AzuriteHandle, user_id: str, conversation_id: str, message_id: str) -> None:
    """As if the time in which a writer counts as alive had passed."""
    place = place_of(message_id)
    assert place is not None
    storage = AzureStorage.from_connection_string(azurite.connection_string)
    key = message_key(conversation_id, place)
    row = await storage.tables.get(CHATS, user_id, key)
    assert row is not None
    beat = row.values["beat_at"]
    await storage.tables.apply(CHATS, user_id, Merge(key, {"beat_at": beat - LEASE}))  # type: ignore[operator]  # our own column
    for shard in range(4):
        for entry in await storage.tables.query("chatwork", f"running:{shard}"):
            at = entry.values["at"]
            await storage.tables.apply("chatwork", entry.partition, Merge(entry.key, {"at": at - LEASE}))  # type: ignore[operator]  # likewise
    await storage.aclose()


def test_deleting_the_account_takes_it_all(world: World) -> None:
    with closing(register(world.first.url)) as user:
        path = conversation(user)
        asked(user, path, "x" * 17_000)
        archive = user.get("/api/auth/export")
        assert f"chat/{path.split('/')[4]}.json".encode() in archive.content
        assert user.request("DELETE", "/api/auth/me", json={"password": "correct horse battery"}).status_code in (202, 204)

        async def left() -> int:
            storage = AzureStorage.from_connection_string(world.azurite.connection_string)
            rows = await storage.tables.query(CHATS, user.user_id)
            blobs = [blob async for blob in storage.blobs.list("chat", f"{user.user_id}/")]
            await storage.aclose()
            return len(rows) + len(blobs)

        eventually(lambda: asyncio.run(left()) == 0, 30, "removal")
