"""Clients that leave: the provider's work is cancelled, and what was generated is booked, once."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from shared_code.ai import requests
from shared_code.ai.attempts import Timeouts
from shared_code.ai.charge import QUEUED, SPEED
from tests.unit.ai.scripted import (
    ADA,
    HELLO,
    REPORTED,
    Reply,
    booked,
    chat,
    collect,
    delta,
    opened,
    stage,
)
from tests.unit.apps import until


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


@pytest.mark.parametrize(("seconds", "tokens"), [(0.9, 0), (10.5, 10 * SPEED), (1_000_000, 1000)])
async def test_who_does_not_wait_for_a_whole_answer_pays_for_the_time(monkeypatch: pytest.MonkeyPatch, seconds: float, tokens: int) -> None:
    """The provider has been writing all the while, and bills it: a budget that sees nothing of it is no budget."""
    asked = asyncio.Event()

    async def forever() -> None:
        asked.set()
        await asyncio.Event().wait()

    scene = stage(Reply([forever], "application/json"))
    began = time.monotonic()
    answering = asyncio.ensure_future(scene.gateway.answer(ADA, requests.read("chat", chat())))
    await asked.wait()
    monkeypatch.setattr("shared_code.ai.charge.time", SimpleNamespace(monotonic=lambda: began + seconds))
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await until(lambda: scene.meter.booked)
    usage = booked(scene)[1]
    assert (usage.output_tokens, usage.estimated) == (tokens, True)


@pytest.mark.parametrize("speaks", [True, False])
async def test_who_leaves_before_the_end_pays_for_what_was_thought(monkeypatch: pytest.MonkeyPatch, speaks: bool) -> None:
    """A model that thinks for long and says little would be nearly free for whoever leaves before the usage comes."""
    now = [1000.0]

    async def thinks() -> None:
        now[0] += QUEUED + 10

    async def forever() -> None:
        now[0] += 100 if speaks else 0
        await asyncio.Event().wait()

    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("shared_code.ai.charge.time", clock)
    monkeypatch.setattr("shared_code.ai.streams.time", clock)
    reply = Reply([b": thinking\n\n", thinks, *([delta("a" * 400)] if speaks else []), forever])
    scene = stage(reply)
    stream = await opened(scene)
    frames = stream.frames()
    for _ in range(2 if speaks else 1):
        await anext(frames)
    waiting = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    usage = booked(scene)[1]
    assert usage.output_tokens == 10 * SPEED + (100 if speaks else 0)
    assert stream.usage == usage


async def test_who_stays_pays_what_the_provider_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]

    async def thinks() -> None:
        now[0] += 100

    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("shared_code.ai.charge.time", clock)
    monkeypatch.setattr("shared_code.ai.streams.time", clock)
    scene = stage(Reply([b": thinking\n\n", thinks, *HELLO]))
    stream = await opened(scene)
    await collect(stream.frames())
    await stream.aclose()
    assert booked(scene)[1] == stream.usage == REPORTED
