"""A provider's errors are passed on, but not the name of the operator's account with it."""

import json
from typing import Any

import pytest

from shared_code.ai import requests
from shared_code.ai.ports import Refusal
from shared_code.ai.streams import Stream
from shared_code.errors import RateLimited, UpstreamFailed
from tests.unit.ai.scripted import ADA, Reply, chat, collect, delta, frame, opened, stage

ORGANIZATION, PROJECT = "org-" + "aB3" * 8, "proj_" + "xY9" * 8
LIMIT = f"Rate limit reached for gpt-4o in organization {ORGANIZATION} (project `{PROJECT}`): Limit 30000, Used 29000."
TOLD = "Rate limit reached for gpt-4o in organization org-*** (project `proj_***`): Limit 30000, Used 29000."
OVER: dict[str, Any] = {"message": LIMIT, "type": "tokens", "code": "rate_limit_exceeded"}


def private(text: object) -> bool:
    return ORGANIZATION not in str(text) and PROJECT not in str(text)


async def test_a_refusal() -> None:
    with pytest.raises(RateLimited, match="gpt-4o") as refused:
        await stage(Refusal(429, OVER, 60)).gateway.answer(ADA, requests.read("chat", chat()))
    assert refused.value.message == TOLD
    assert refused.value.extra["error"] == {**OVER, "message": TOLD}


async def test_a_stream_that_begins_with_it() -> None:
    with pytest.raises(UpstreamFailed) as refused:
        await opened(stage(Reply([frame({"error": OVER})])))
    assert private([refused.value.message, refused.value.extra])


async def test_a_stream_that_ends_with_it() -> None:
    answer = await opened(stage(Reply([delta(f"About {ORGANIZATION}"), frame({"error": OVER})])))
    frames = await collect(answer.frames())
    assert frames == [delta(f"About {ORGANIZATION}"), frame({"error": {**OVER, "message": TOLD}})], "what a model says is as it is"
    assert answer.failure is not None
    assert answer.failure.message == TOLD
    assert private(answer.failure.extra)


@pytest.mark.parametrize(
    "event",
    [
        {**OVER, "type": "error", "param": None, "sequence_number": 4},
        {"type": "response.failed", "response": {"status": "failed", "error": OVER}},
        {"type": "response.failed", "response": {"status": "failed", "error": LIMIT}},
    ],
)
async def test_events_of_the_responses_api(event: dict[str, Any]) -> None:
    said = frame({"type": "response.output_text.delta", "delta": "Hi"}, "response.output_text.delta")
    body = json.dumps({"input": "Hello", "stream": True}).encode()
    scene = stage(Reply([said, frame(event, event["type"])]))
    answer = await scene.gateway.answer(ADA, requests.read("responses", body))
    assert isinstance(answer, Stream)
    frames = await collect(answer.frames())
    assert frames[0] == said
    assert private(frames[1])
    assert b"org-***" in frames[1]
    assert answer.failure is not None
    assert private([answer.failure.message, answer.failure.extra])


def test_words_are_no_accounts() -> None:
    message = "An org-wide, org-chart-like or proj_name is none; nor is borg-" + "a" * 24
    assert Refusal(400, {"message": message, "param": None}).error == {"message": message, "param": None}


async def test_half_a_character_in_a_providers_words() -> None:
    with pytest.raises(RateLimited) as refused:
        await stage(Refusal(429, {"message": "limit \ud83d", "code": "c"}, 60)).gateway.answer(ADA, requests.read("chat", chat()))
    assert refused.value.message == "limit \ufffd"
