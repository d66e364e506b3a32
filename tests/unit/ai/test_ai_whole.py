"""Answers in one piece, and the Responses API: how they end, and what is booked."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from shared_code.ai import requests
from shared_code.ai.attempts import Timeouts
from shared_code.ai.models import Usage
from shared_code.ai.ports import NoAnswer
from shared_code.ai.service import Whole
from shared_code.ai.streams import Stream
from shared_code.errors import UpstreamFailed, UpstreamTimeout
from tests.unit.ai.scripted import (
    ADA,
    REPORTED,
    Reply,
    Stage,
    booked,
    chat,
    collect,
    error_of,
    frame,
    stage,
    whole,
)
from tests.unit.apps import until


async def test_an_answer_in_one_piece_is_passed_on_byte_for_byte() -> None:
    text = b'{"choices": [ ], "x": 1.0e5, "usage": {"prompt_tokens": 7, "completion_tokens": 2}}'
    scene = stage(Reply([text[:20], text[20:]], "application/json"))
    answer = await scene.gateway.answer(ADA, requests.read("chat", chat()))
    assert isinstance(answer, Whole)
    assert answer.body == text
    assert booked(scene) == ("large", Usage(7, 0, 2))
    assert answer.cost == 9


async def test_an_answer_in_one_piece_without_usage_is_estimated() -> None:
    scene = stage(whole({"choices": [{"message": {"content": "x" * 400}}]}))
    answer = await scene.gateway.answer(ADA, requests.read("chat", chat()))
    assert isinstance(answer, Whole)
    assert answer.usage.estimated
    assert answer.usage.output_tokens >= 100


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
async def test_an_answer_that_is_no_object(body: bytes) -> None:
    scene = stage(Reply([body], "application/json"))
    with pytest.raises(UpstreamFailed):
        await scene.gateway.answer(ADA, requests.read("chat", chat()))
    await until(lambda: scene.meter.booked)
    assert booked(scene)[0] is None


@pytest.mark.parametrize("error", [{"message": "overloaded", "code": 502}, "overloaded"])
async def test_an_error_under_the_status_of_a_success_is_an_error_and_costs_nothing(error: Any) -> None:
    scene = stage(whole({"error": error}))
    with pytest.raises(UpstreamFailed, match="overloaded") as raised:
        await scene.gateway.answer(ADA, requests.read("chat", chat()))
    assert raised.value.extra["error"]["message"] == "overloaded"
    await until(lambda: scene.meter.booked)
    assert booked(scene)[0] is None


async def test_an_answer_that_has_an_error_beside_what_it_says_is_an_answer() -> None:
    scene = stage(whole({"object": "response", "status": "incomplete", "error": None, "output": []}))
    assert isinstance(await scene.gateway.answer(ADA, requests.read("chat", chat())), Whole)


async def test_an_answer_in_one_piece_that_breaks_off_or_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = stage(Reply([b"{", NoAnswer("it broke off")], "application/json"))
    with pytest.raises(UpstreamFailed):
        await scene.gateway.answer(ADA, requests.read("chat", chat()))
    await until(lambda: scene.meter.booked)
    assert scene.meter.booked[0].usage.estimated  # the provider bills what it has begun
    monkeypatch.setattr("shared_code.ai.service.MOST_BYTES", 5)
    with pytest.raises(UpstreamFailed, match="too large"):
        await stage(whole()).gateway.answer(ADA, requests.read("chat", chat()))


async def test_an_answer_in_one_piece_that_takes_too_long() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    scene = stage(Reply([forever], "application/json"), timeouts=Timeouts(plain=0.01))
    with pytest.raises(UpstreamTimeout):
        await scene.gateway.answer(ADA, requests.read("chat", chat()))


async def test_a_large_answer_is_read_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_code.ai.service._INLINE", 10)
    scene = stage(whole())
    await scene.gateway.answer(ADA, requests.read("chat", chat()))
    assert booked(scene) == ("large", REPORTED)


# --- the Responses API ------------------------------------------------------------------------------------------------------


def response_event(kind: str, **data: Any) -> bytes:
    return frame({"type": kind, **data}, kind)


async def responses(scene: Stage, **body: Any) -> Stream:
    answer = await scene.gateway.answer(ADA, requests.read("responses", json.dumps({"input": "Hello", "stream": True, **body}).encode()))
    assert isinstance(answer, Stream)
    return answer


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
async def test_a_response_ends_with_its_own_event(kind: str) -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 4}}
    said = response_event("response.output_text.delta", delta="Hi", sequence_number=3)
    last = response_event(kind, response={"status": kind[9:], "usage": usage, "error": {"message": "no"} if "failed" in kind else None})
    scene = stage(Reply([said, last, b"never"]))
    answer = await responses(scene)
    assert await collect(answer.frames()) == [said, last]
    assert booked(scene) == ("large", REPORTED)
    assert (answer.failure is not None) == (kind == "response.failed")
    assert scene.upstream.asked[0].body["store"] is False


async def test_a_response_that_is_cut_off_ends_in_both_forms_of_an_error() -> None:
    scene = stage(Reply([response_event("response.output_text.delta", delta="Hi", sequence_number=3), frame("[DONE]"), b": comment\n\n"]))
    frames = await collect((await responses(scene)).frames())
    assert error_of(frames[-1])["code"] == "upstream_failed"
    event = json.loads(frames[-1].split(b"\n")[1].removeprefix(b"data: "))
    assert (event["type"], event["sequence_number"]) == ("error", 4)
    assert frames[1] == b": comment\n\n", "the [DONE] of another API is left out"


THEIRS = [
    response_event("error", message="overloaded", code="server_error", param=None),
    response_event("error", error={"type": "server_error", "message": "overloaded", "code": "server_error", "param": None}),
]


@pytest.mark.parametrize("theirs", THEIRS)
async def test_a_providers_error_event_is_passed_on(theirs: bytes) -> None:
    said = response_event("response.output_text.delta", delta="Hi", sequence_number=3)
    scene = stage(Reply([said, theirs]))
    answer = await responses(scene)
    assert await collect(answer.frames()) == [said, theirs]
    assert answer.failure is not None
    assert answer.failure.message == "overloaded"


@pytest.mark.parametrize("theirs", THEIRS)
async def test_a_response_that_begins_with_an_error_is_had_from_another(theirs: bytes) -> None:
    last = response_event("response.completed", response={"status": "completed"})
    scene = stage(*[Reply([theirs]) for _ in range(3)], Reply([last]))
    assert await collect((await responses(scene)).frames()) == [last]
    assert scene.upstream.models == ["large"] * 3 + ["small"]


VECTOR = b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[' + b"0.125," * 50_000 + b"1]}]"


@pytest.mark.parametrize(
    ("end", "usage", "read"),
    [
        (b',"model":"v","usage":{"prompt_tokens":8,"total_tokens":8}}\n', Usage(8, 0, 0), False),
        (b', "usage" : {"prompt_tokens": 8, "total_tokens": 8}, "id": "x" }', Usage(8, 0, 0), False),
        (b',"usage":{"prompt_tokens":8,"details":{}}}', Usage(8, 0, 0), True),
        (b',"x":"],\\"usage\\":{\\"prompt_tokens\\":1}}","usage":{"prompt_tokens":8,"total_tokens":8,"d":[]}}', Usage(8, 0, 0), True),
    ],
)
async def test_millions_of_numbers_are_passed_on_unread(monkeypatch: pytest.MonkeyPatch, end: bytes, usage: Usage, read: bool) -> None:
    """Reading them stops everything else for as long as it takes, and what is wanted of them stands at the end."""
    whole_read = []
    loads = json.loads

    def watched(text: bytes) -> Any:
        whole_read.append(len(text) > 100_000)
        return loads(text)

    monkeypatch.setattr("shared_code.ai.service.json", SimpleNamespace(loads=watched, dumps=json.dumps))
    scene = stage(Reply([VECTOR + end], "application/json"))
    answer = await scene.gateway.answer(ADA, requests.read("chat", chat()))
    assert isinstance(answer, Whole)
    assert answer.body == VECTOR + end
    assert booked(scene)[1] == usage
    assert any(whole_read) == read
