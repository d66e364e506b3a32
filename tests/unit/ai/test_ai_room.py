"""Large answers in one piece: all of a process together have a bound, small ones do not wait for them, and all is paid for."""

import gc
import json

import pytest

from shared_code.ai import requests
from shared_code.ai.ports import NoAnswer
from shared_code.ai.room import SMALL, Room
from shared_code.ai.service import Whole
from shared_code.errors import Busy, UpstreamFailed
from tests.unit.ai.scripted import ADA, REPORTED, WHOLE, Reply, Stage, chat, stage, whole
from tests.unit.ai.test_ai_routes import COMPLETIONS, assert_openai_error, serving
from tests.unit.apps import bearer, register, until

SIZE = 2 * 1024 * 1024
USAGE = json.dumps(WHOLE["usage"]).encode()


def large() -> Reply:
    text = b'{"choices": [], "x": "' + b"x" * (SIZE - 35 - len(USAGE)) + b'", "usage": ' + USAGE + b"}"
    assert len(text) == SIZE
    return Reply([text[:SMALL], text[SMALL:]], "application/json")


async def asked(scene: Stage) -> Whole:
    answer = await scene.gateway.answer(ADA, requests.read("chat", chat()))
    assert isinstance(answer, Whole)
    return answer


async def test_large_answers_have_a_bound_together() -> None:
    scene = stage(large(), large(), large(), whole(), large())
    scene.gateway._room = room = Room(2 * SIZE + SIZE // 2)
    first, second = await asked(scene), await asked(scene)
    with pytest.raises(Busy) as refused:
        await asked(scene)
    assert refused.value.retry_after == 5
    await until(lambda: len(scene.meter.booked) == 3)
    assert scene.meter.booked[2].model == "large", "the provider has made it, and bills it"
    assert scene.meter.booked[2].usage.estimated
    await asked(scene)  # a small one needs no room
    first.held.release()
    first.held.release()
    third = await asked(scene)
    assert [each.usage for each in (first, second, third)] == [REPORTED] * 3
    assert room.left == SIZE // 2
    del first, second, third
    gc.collect()
    assert room.left == 2 * SIZE + SIZE // 2, "an answer that nobody was there for keeps nothing"


@pytest.mark.parametrize("end", [NoAnswer("it broke off"), b"no JSON"])
async def test_what_was_no_answer_keeps_no_room(end: bytes | NoAnswer) -> None:
    scene = stage(Reply([b"x" * SIZE, end], "application/json"))
    scene.gateway._room = room = Room(2 * SIZE)
    with pytest.raises(UpstreamFailed):
        await asked(scene)
    assert room.left == 2 * SIZE


async def test_room_is_free_when_the_answer_is_sent() -> None:
    reply = large()
    app, _ = serving(reply, reply)
    app.container.ai._room = room = Room(SIZE)
    async with app.client() as client:
        token = bearer((await register(client))["access_token"])
        answer = await client.post(COMPLETIONS, content=chat(), headers=token)
        assert answer.content == b"".join(reply.parts)  # type: ignore[arg-type]  # it has nothing but bytes
        assert answer.headers["content-length"] == str(SIZE)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-lydian-model"] == "large"
        assert room.left == SIZE
        room.left -= 1
        refused = await client.post(COMPLETIONS, content=chat(), headers=token)
    assert_openai_error(refused, 503, "busy")
    assert refused.headers["retry-after"] == "5"
