"""Every way in which a streamed chat completion can end: what the client gets last, and what is booked, once."""

import asyncio
from typing import Any

import pytest

from shared_code.ai import requests, streams
from shared_code.ai.attempts import Timeouts
from shared_code.ai.models import Usage
from shared_code.ai.ports import NoAnswer, Refusal
from shared_code.errors import BudgetExceeded, LydianError, RateLimited, UpstreamFailed, UpstreamTimeout
from tests.unit.ai.scripted import (
    ADA,
    DONE,
    HELLO,
    REPORTED,
    USAGE,
    Reply,
    booked,
    chat,
    collect,
    delta,
    error_of,
    finish,
    frame,
    opened,
    stage,
    whole,
)
from tests.unit.apps import until


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


async def test_a_connection_that_stays_open_behind_done_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "DRAINED_FOR", 0.001)

    async def forever() -> None:
        await asyncio.Event().wait()

    reply = Reply([*HELLO, forever])
    scene = stage(reply)
    assert (await collect((await opened(scene)).frames()))[-1] == DONE
    assert reply.closed


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


async def test_an_error_in_place_of_a_stream_is_had_from_another() -> None:
    failed = [Reply([b'{"error": {"message": "overloaded"}}'], "application/json") for _ in range(3)]
    scene = stage(*failed, Reply(HELLO))
    assert (await collect((await opened(scene)).frames()))[-1] == DONE
    assert scene.upstream.models == ["large"] * 3 + ["small"]


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


async def test_a_provider_that_falls_silent_near_the_end_of_its_time() -> None:
    """The time of a request ends also while nothing comes."""

    async def forever() -> None:
        await asyncio.Event().wait()

    reply = Reply([delta("Hel"), forever])
    scene = stage(reply, timeouts=Timeouts(whole=0.05))
    async with asyncio.timeout(5):
        last = (await collect((await opened(scene)).frames()))[-1]
    assert error_of(last)["code"] == "upstream_timeout"
    assert reply.closed
    assert booked(scene)[0] == "large"
