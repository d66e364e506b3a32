"""Every way in which an answer can end: what the client gets last, and what is booked, once."""

import asyncio
import json
from typing import Any

import pytest

from shared_code.ai import requests, streams
from shared_code.ai.attempts import Timeouts
from shared_code.ai.models import Usage
from shared_code.ai.ports import NoAnswer, Refusal
from shared_code.ai.service import Whole
from shared_code.ai.streams import Stream
from shared_code.errors import BudgetExceeded, LydianError, RateLimited, UpstreamFailed, UpstreamTimeout
from tests.unit.ai.scripted import ADA, DONE, HELLO, REPORTED, USAGE, Reply, Stage, chat, collect, delta, finish, frame, stage, whole
from tests.unit.apps import until


async def opened(scene: Stage, **body: Any) -> Stream:
    answer = await scene.gateway.answer(ADA, requests.read("chat", chat(stream=True, **body)))
    assert isinstance(answer, Stream)
    return answer


def error_of(last: bytes) -> dict[str, Any]:
    name, data = last.split(b"\n")[:2]
    assert name == b"event: error"
    assert last.endswith(b"\n\n")
    found: dict[str, Any] = json.loads(data.removeprefix(b"data: "))["error"]
    return found


def booked(scene: Stage) -> tuple[str | None, Usage]:
    [only] = scene.meter.booked
    return only.model, only.usage


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "tool_calls"])
async def test_an_answer_that_is_whole(reason: str) -> None:
    reply = Reply([delta("Hel"), delta("lo"), finish(reason), USAGE, DONE])
    scene = stage(reply)
    answer = await opened(scene)
    assert await collect(answer.frames()) == [delta("Hel"), delta("lo"), finish(reason), DONE], "our usage is not the client's"
    assert booked(scene) == ("large", REPORTED)
    assert answer.failure is None
    assert answer.watcher.finish_reason == reason
    assert reply.closed


async def test_who_asks_for_the_usage_gets_it() -> None:
    scene = stage(Reply(HELLO))
    frames = await collect((await opened(scene, stream_options={"include_usage": True})).frames())
    assert USAGE in frames
    assert scene.upstream.asked[0].body["stream_options"] == {"include_usage": True}


async def test_the_usage_is_booked_before_the_client_hears_the_end() -> None:
    scene = stage(Reply(HELLO))
    scene.meter.gate = asyncio.Event()
    frames = (await opened(scene)).frames()
    got = [await anext(frames) for _ in range(4)]
    end = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    assert not end.done()
    scene.meter.gate.set()
    assert await end == DONE
    assert [delta("Hel"), delta("lo")] == got[1:3]
    await frames.aclose()


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        pytest.param([delta("Hel"), NoAnswer("it broke off")], "upstream_failed", id="cut"),
        pytest.param([delta("Hel"), NoAnswer("it fell silent", timed_out=True)], "upstream_timeout", id="silent"),
        pytest.param([delta("Hel")], "upstream_failed", id="ends without a finish"),
        pytest.param([delta("Hel"), finish(), b"data: {"], "upstream_failed", id="ends within a frame"),
        pytest.param([delta("Hel"), finish(), NoAnswer("it broke off")], "upstream_failed", id="cut behind the finish"),
        pytest.param([delta("Hel"), RuntimeError("ours")], "internal_error", id="a mistake of ours"),
    ],
)
async def test_a_stream_that_breaks_ends_in_an_error(parts: list[Any], code: str) -> None:
    reply = Reply(parts)
    scene = stage(reply)
    answer = await opened(scene)
    frames = await collect(answer.frames())
    assert frames[0] == delta("Hel")
    assert error_of(frames[-1])["code"] == code
    assert not any(b"[DONE]" in each for each in frames)
    model, usage = booked(scene)
    assert model == "large"
    assert usage.estimated
    assert usage.output_tokens >= 1
    assert usage.input_tokens > 3
    assert answer.failure is not None
    assert reply.closed


async def test_a_provider_that_ends_with_an_error_is_passed_on_once() -> None:
    theirs = frame({"error": {"message": "overloaded", "type": "server_error", "code": "overloaded"}})
    scene = stage(Reply([delta("Hel"), theirs, delta("never")]))
    answer = await opened(scene)
    assert await collect(answer.frames()) == [delta("Hel"), theirs]
    assert isinstance(answer.failure, UpstreamFailed)
    assert booked(scene)[1].estimated


async def test_a_server_without_done_gets_one() -> None:
    scene = stage(Reply([delta("Hi"), finish(), USAGE]))
    assert (await collect((await opened(scene)).frames()))[-1] == DONE
    assert booked(scene) == ("large", REPORTED)


async def test_a_done_without_its_empty_line_is_an_end() -> None:
    scene = stage(Reply([delta("Hi"), finish(), b"data: [DONE]\n"]))
    assert (await collect((await opened(scene)).frames()))[-1] == DONE


async def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_code.ai.frames.MOST_BYTES", 1000)
    scene = stage(Reply([delta("Hel"), b"data: " + b"x" * 1001, DONE]))
    frames = await collect((await opened(scene)).frames())
    assert error_of(frames[-1])["code"] == "upstream_failed"


async def test_a_stream_may_not_last_for_ever() -> None:
    scene = stage(Reply([delta("a"), delta("b"), DONE]), timeouts=Timeouts(whole=0))
    answer = await opened(scene)
    assert error_of((await collect(answer.frames()))[-1])["code"] == "upstream_timeout"


async def test_azures_first_frame_without_choices_is_passed_on() -> None:
    filters = frame(
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False}}}]}
    )
    scene = stage(Reply([filters, delta("Hi"), finish("content_filter"), USAGE, DONE]))
    assert (await collect((await opened(scene)).frames()))[0] == filters


async def test_usage_in_the_last_frame_with_choices_stays_there() -> None:
    last = frame({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})
    scene = stage(Reply([delta("Hi"), last, DONE]))
    assert await collect((await opened(scene)).frames()) == [delta("Hi"), last, DONE]
    assert booked(scene) == ("large", Usage(3, 0, 1))


async def test_zeros_are_no_usage() -> None:
    zeros = frame({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}})
    scene = stage(Reply([delta("Hi"), finish(), zeros, DONE]))
    await collect((await opened(scene)).frames())
    assert booked(scene)[1].estimated


async def test_a_client_that_leaves_in_the_middle_cancels_and_pays_for_what_it_got() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    reply = Reply([delta("a" * 400), forever])
    scene = stage(reply)
    frames = (await opened(scene)).frames()
    await anext(frames)
    waiting = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert reply.closed
    model, usage = booked(scene)
    assert model == "large"
    assert usage.output_tokens == 100
    assert usage.estimated


async def test_a_client_that_leaves_between_two_frames() -> None:
    reply = Reply(HELLO)
    scene = stage(reply)
    frames = (await opened(scene)).frames()
    await anext(frames)
    await frames.aclose()
    assert reply.closed
    assert booked(scene)[0] == "large"


async def test_a_stream_that_nobody_reads_is_closed_and_booked() -> None:
    reply = Reply(HELLO)
    scene = stage(reply)
    answer = await opened(scene)
    await answer.aclose()
    await answer.aclose()
    assert reply.closed
    assert booked(scene)[1].output_tokens == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_before_the_first_byte_pays_for_its_input(stream: bool) -> None:
    asked = asyncio.Event()

    async def forever() -> None:
        asked.set()
        await asyncio.Event().wait()

    scene = stage(forever)
    answer = asyncio.ensure_future(scene.gateway.answer(ADA, requests.read("chat", chat(stream=stream))))
    await asked.wait()
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
    await until(lambda: scene.meter.booked)
    model, usage = booked(scene)
    assert (model, usage.output_tokens, usage.estimated) == ("large", 0, True)
    assert usage.input_tokens > 0


async def test_a_settlement_survives_a_second_cancellation() -> None:
    scene = stage(Reply(HELLO))
    scene.meter.gate = asyncio.Event()
    frames = (await opened(scene)).frames()
    await anext(frames)
    closing = asyncio.ensure_future(frames.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    scene.meter.gate.set()
    await until(lambda: scene.meter.booked)
    assert len(scene.meter.booked) == 1


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (Refusal(429, {"message": "slow down", "code": "rate_limit_exceeded"}, 30), RateLimited),
        (Refusal(500, {}), UpstreamFailed),
        (NoAnswer("no connection"), UpstreamFailed),
    ],
)
async def test_what_nobody_answers_costs_nothing(failure: Exception, raised: type[LydianError]) -> None:
    scene = stage(failure)  # type: ignore[arg-type]  # both are steps
    with pytest.raises(raised):
        await opened(scene)
    await until(lambda: scene.meter.booked)
    assert booked(scene) == (None, Usage())


async def test_what_times_out_may_have_cost_the_input() -> None:
    scene = stage(NoAnswer("no answer", timed_out=True))
    with pytest.raises(UpstreamTimeout):
        await opened(scene)
    await until(lambda: scene.meter.booked)
    model, usage = booked(scene)
    assert model == "sees", "the last that was asked"
    assert usage.estimated


async def test_over_budget_nothing_is_asked() -> None:
    scene = stage(whole())
    scene.meter.refusal = BudgetExceeded("Over.", retry_after=60)
    with pytest.raises(BudgetExceeded):
        await scene.gateway.answer(ADA, requests.read("chat", chat()))
    assert scene.upstream.asked == []
    assert scene.meter.booked == []


async def test_a_server_that_does_not_stream_is_a_failure() -> None:
    reply = whole()
    scene = stage(reply)
    with pytest.raises(UpstreamFailed):
        await opened(scene)
    assert reply.closed
    await until(lambda: scene.meter.booked)


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


async def test_a_connection_that_stays_open_behind_done_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "DRAINED_FOR", 0.001)

    async def forever() -> None:
        await asyncio.Event().wait()

    reply = Reply([*HELLO, forever])
    scene = stage(reply)
    assert (await collect((await opened(scene)).frames()))[-1] == DONE
    assert reply.closed


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


async def test_a_providers_error_event_is_passed_on() -> None:
    theirs = response_event("error", message="overloaded", code="server_error", param=None)
    scene = stage(Reply([theirs]))
    answer = await responses(scene)
    assert await collect(answer.frames()) == [theirs]
    assert answer.failure is not None
    assert answer.failure.message == "overloaded"


# --- before the first piece, nothing has gone to the client -------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="ends"),
        pytest.param([NoAnswer("it broke off")], id="breaks off"),
        pytest.param([frame({"error": {"message": "overloaded", "code": "overloaded"}}), DONE], id="begins with an error"),
        pytest.param([frame({"error": "overloaded"}, "error")], id="begins with an error's text"),
    ],
)
async def test_a_stream_that_fails_before_it_says_anything_is_had_from_another(parts: list[Any]) -> None:
    failed = [Reply(parts) for _ in range(3)]
    scene = stage(*failed, Reply(HELLO))
    answer = await opened(scene)
    assert (await collect(answer.frames()))[-1] == DONE
    assert scene.upstream.models == ["large"] * 3 + ["small"]
    assert all(reply.closed for reply in failed)
    assert booked(scene) == ("small", REPORTED)


async def test_who_thinks_for_long_is_believed() -> None:
    think = asyncio.Event()
    scene = stage(Reply([think.wait, *HELLO]), timeouts=Timeouts(first=0.001))
    frames = (await opened(scene)).frames()
    first = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    assert not first.done()
    think.set()
    assert await first == HELLO[0]
    await frames.aclose()
    assert scene.upstream.models == ["large"]


async def test_a_client_that_leaves_while_the_model_thinks() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    reply = Reply([forever])
    scene = stage(reply, timeouts=Timeouts(first=0.001))
    answer = await opened(scene)
    await answer.aclose()
    assert reply.closed
    assert booked(scene)[1].output_tokens == 0
    early = Reply([forever])
    scene = stage(early)
    opening = asyncio.ensure_future(opened(scene))
    await until(lambda: scene.upstream.asked)
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert early.closed
    await until(lambda: scene.meter.booked)
    assert booked(scene)[0] == "large"
