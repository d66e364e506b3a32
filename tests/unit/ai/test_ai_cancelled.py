"""A client may leave at any moment: whatever was held is settled exactly once, and the provider's work is cancelled."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from shared_code.ai import requests
from shared_code.ai.models import Hold, Model, Spender, Usage
from shared_code.ai.ports import NoAnswer, Refusal
from shared_code.ai.streams import Stream
from shared_code.web.sse import EventStream
from tests.unit.ai.scripted import ADA, HELLO, Notebook, Reply, Stage, chat, stage
from tests.unit.apps import until

MOMENTS = 60
"""Turns of the event loop after which the client leaves: more than the longest of these requests takes."""


async def turn() -> None:
    await asyncio.sleep(0)


class Slow(Notebook):
    """Holds and settles in several turns, as storage does."""

    async def hold(self, spender: Spender, candidates: Sequence[Model], worst: Usage, *, unpriced: str | None = None) -> Hold:
        await turn()
        return await super().hold(spender, candidates, worst, unpriced=unpriced)

    async def settle(self, hold: Hold, model: Model | None, usage: Usage) -> int:
        for _ in range(3):
            await turn()
        return await super().settle(hold, model, usage)


def slow(*parts: bytes) -> Reply:
    return Reply([each for part in parts for each in (turn, part)])


def scene_of() -> tuple[Stage, list[Reply]]:
    replies = [slow(), slow(*HELLO)]
    scene = stage(Refusal(500, {}), NoAnswer("no connection"), *replies)
    scene.meter = Slow()
    scene.gateway._meter = scene.meter
    return scene, replies


async def serve(scene: Stage, *, stream: bool) -> None:
    answer = await scene.gateway.answer(ADA, requests.read("chat", chat(stream=stream)))
    if isinstance(answer, Stream):

        async def receive() -> dict[str, str]:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: object) -> None:
            await turn()

        await EventStream(answer.frames(), close=answer.aclose)({"type": "http"}, receive, send)  # type: ignore[arg-type]  # ASGI's


@pytest.mark.parametrize("moment", range(MOMENTS))
async def test_whenever_the_client_leaves(moment: int) -> None:
    scene, replies = scene_of()
    serving = asyncio.ensure_future(serve(scene, stream=True))
    for _ in range(moment):
        await turn()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    await until(lambda: len(scene.meter.booked) >= len(scene.meter.held))
    for _ in range(20):
        await turn()
    assert len(scene.meter.booked) == len(scene.meter.held) <= 1
    assert all(reply.closed for reply in replies if reply.given), "no provider works for nobody"
    if replies[1].given:
        assert scene.meter.booked[0].model is not None
        assert scene.meter.booked[0].usage.input_tokens > 0


async def test_the_moments_cover_all_of_it() -> None:
    scene, _ = scene_of()
    serving = asyncio.ensure_future(serve(scene, stream=True))
    turns = 0
    while not serving.done():
        await turn()
        turns += 1
    await serving
    assert 20 < turns < MOMENTS
    assert len(scene.meter.booked) == 1
