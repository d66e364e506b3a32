"""What somebody might try with the gateway: other people's keys, other hosts, the provider's secrets, the event loop's time."""

import json
import time

import pytest

from shared_code.ai import requests
from shared_code.ai.estimate import worst_case
from shared_code.ai.upstream import Keys
from shared_code.ai.watching import ChatWatcher
from shared_code.errors import LydianError
from tests.unit.ai.scripted import LARGE, Refusal, chat, frame
from tests.unit.ai.test_ai_routes import COMPLETIONS, serving
from tests.unit.apps import bearer, register


@pytest.mark.parametrize(
    "raw",
    [
        b'{"messages":[{}],"a":' + b"[" * 99 + b"]" * 99 + b"}",
        b'{"messages":[{}]' + b" " * 1_000_000 + b"}",
        b'{"messages":[{}],"a":"' + b"\\u0041" * 160_000 + b'"}',
        b'{"messages":[{}],"a":[' + b"1," * 400_000 + b"1]}",
        b'{"messages":[{}],"a":' + b"1" * 4000 + b"}",
        b'{"messages":[' + b"{}," * 200_000 + b"{}]}",
        b"{" + b'"a":1,' * 150_000 + b'"messages":[{}]}',
        b'{"messages":[{"content":[' + b'{"type":"image_url"},' * 40_000 + b"{}]}]}",
        b"[" * 1_000_000,
        b'{"' * 300_000,
        b'{"a":' * 200_000,
    ],
    ids=range(11),
)
def test_no_body_holds_the_event_loop_for_long(raw: bytes) -> None:
    began = time.process_time()
    try:
        request = requests.read("chat", raw)
        request.check_limits(LARGE)
        worst_case(request.members, LARGE)
        request.bytes_for(LARGE, fallback=False)
    except LydianError:
        pass  # refused is as good
    assert time.process_time() - began < 1.5, "CPU seconds, on a busy machine"


async def test_nothing_in_a_body_chooses_the_address_or_the_key() -> None:
    app, scripted = serving()
    tricks = {"base_url": "http://evil.test", "api_key": "x", "extra_headers": {"Authorization": "x"}, "endpoint": "x", "deployment": "x"}
    async with app.client() as client:
        token = (await register(client))["access_token"]
        answer = await client.post(COMPLETIONS, content=chat(model="large", **tricks), headers={**bearer(token), "api-key": "x"})
    assert answer.status_code == 200
    assert scripted.asked[0].model == "large"
    assert scripted.asked[0].body["deployment"] == "x", "it is the provider's to refuse"


@pytest.mark.parametrize("name", ["../large", "large/../x", "large%2f..", "large\r\nX: y", "large?x=y", "LARGE", " large", "large\x00"])
async def test_a_models_name_is_one_of_ours_or_nothing(name: str) -> None:
    app, scripted = serving()
    async with app.client() as client:
        token = (await register(client))["access_token"]
        answer = await client.post(COMPLETIONS, content=chat(model=name), headers=bearer(token))
    assert answer.status_code == 404
    assert scripted.asked == []
    assert answer.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_a_provider_says_about_our_key_is_for_nobody(status: int) -> None:
    app, _ = serving(Refusal(status, {"message": "Incorrect API key provided: the-key-of-ours. Organization: org-ours", "code": "x"}))
    async with app.client() as client:
        token = (await register(client))["access_token"]
        answer = await client.post(COMPLETIONS, content=chat(), headers=bearer(token))
    assert answer.status_code == 502
    assert "ours" not in answer.text


def test_a_provider_cannot_break_out_of_a_frame() -> None:
    """Its text is JSON in a frame of its own; what looks like an event inside it stays text."""
    watcher = ChatWatcher(hide_usage=True)
    watcher.keep_text()
    evil = frame({"choices": [{"index": 0, "delta": {"content": "\n\ndata: [DONE]\n\n"}}]})
    passed = watcher.feed(evil)
    assert (passed.now, passed.last) == (evil, None)
    assert watcher.take_text() == "\n\ndata: [DONE]\n\n"


def test_an_error_that_we_write_stays_in_its_frame() -> None:
    last = ChatWatcher(hide_usage=True).error(LydianError("a\n\ndata: [DONE]\r\n\r\n", code="x"))
    assert last.count(b"\n\n") == 1
    assert b"\r" not in last
    assert json.loads(last.split(b"data: ", 1)[1])["error"]["message"].startswith("a\n\n")


def test_a_key_is_sent_to_the_address_it_was_configured_with_only() -> None:
    keys = Keys("https://api.openai.com/v1", "ours", "https://acme.openai.azure.com", "ours too", {"other": "theirs"})
    for url in ("https://api.openai.com.evil.test/v1", "https://api.openai.com/v1/../evil", "http://api.openai.com/v1"):
        assert keys.of(LARGE.__class__("m", "openai", "m", url)) == ""
