"""Who is asked, how often, and what becomes of refusals; circuit breakers."""

import asyncio
from typing import Any

import pytest

from shared_code import errors
from shared_code.ai import attempts, requests
from shared_code.ai.attempts import UNASKED_AFTER, Timeouts, to_domain
from shared_code.ai.breaker import FIRST, LONGEST, OPENS_AFTER, TRIAL, Breakers
from shared_code.ai.ports import NoAnswer, Refusal
from shared_code.ai.service import Whole
from tests.unit.ai.scripted import ADA, DONE, HELLO, Reply, Stage, chat, collect, opened, stage, whole
from tests.unit.apps import until

BUSY, BROKEN, GONE = Refusal(429, {"message": "slow down"}), Refusal(500, {"message": "oops"}), NoAnswer("no connection")
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}]


async def ask(scene: Stage, **body: Any) -> Whole:
    answer = await scene.gateway.answer(ADA, requests.read("chat", chat(**body)))
    assert isinstance(answer, Whole)
    return answer


@pytest.mark.parametrize("failure", [Refusal(408, {}), Refusal(409, {}), BUSY, BROKEN, Refusal(503, {}), GONE])
async def test_what_may_pass_is_tried_again(failure: Any) -> None:
    scene = stage(failure, failure, whole())
    assert (await ask(scene)).model.name == "large"
    assert scene.upstream.models == ["large"] * 3


async def test_then_the_fallbacks_in_order() -> None:
    scene = stage(*[BROKEN] * 3, *[GONE] * 3, whole())
    answer = await ask(scene, max_tokens=500)
    assert scene.upstream.models == ["large"] * 3 + ["small"] * 3 + ["sees"]
    assert answer.model.name == "sees"
    assert scene.meter.booked[0].model == "sees", "whoever answers is paid"
    assert [each.body["max_tokens"] for each in scene.upstream.asked] == [500] * 3 + [100] * 3 + [500]
    assert [each.body["model"] for each in scene.upstream.asked][2:4] == ["large-2", "small"]


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_a_refusal_of_the_request_is_final(status: int) -> None:
    scene = stage(Refusal(status, {"message": "no such tool", "code": "bad", "param": "tools"}))
    with pytest.raises(errors.LydianError, match="no such tool") as raised:
        await ask(scene)
    assert raised.value.extra["error"]["param"] == "tools"
    assert scene.upstream.models == ["large"]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_of_us_goes_to_the_next_and_tells_the_caller_nothing(status: int) -> None:
    refusal = Refusal(status, {"message": "Incorrect key provided: key-of-ours", "code": "invalid_api_key"})
    scene = stage(refusal, whole())
    assert (await ask(scene)).model.name == "small"
    scene = stage(refusal)
    with pytest.raises(errors.UpstreamFailed) as raised:
        await ask(scene)
    assert "key-of-ours" not in raised.value.message
    assert raised.value.extra == {}
    assert scene.upstream.models == ["large", "small", "sees"]


async def test_the_providers_quota_is_not_the_callers() -> None:
    scene = stage(Refusal(429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}))
    with pytest.raises(errors.UpstreamFailed) as raised:
        await ask(scene)
    assert raised.value.code == "upstream_quota_exhausted"
    assert scene.upstream.models == ["large", "small", "sees"], "waiting does not mend it"


async def test_a_time_out_is_not_waited_for_twice() -> None:
    scene = stage(NoAnswer("silent", timed_out=True), whole())
    assert (await ask(scene)).model.name == "small"


async def test_images_go_to_fallbacks_that_see() -> None:
    scene = stage(*[GONE] * 3, whole())
    assert (await ask(scene, messages=IMAGE)).model.name == "sees"
    [(candidates, worst)] = scene.meter.held
    assert [model.name for model in candidates] == ["large", "sees"]
    assert worst.output_tokens == 1000


async def test_the_meter_may_leave_fallbacks_out() -> None:
    scene = stage(BROKEN)
    scene.meter.allowed = lambda models: models[:1]
    with pytest.raises(errors.UpstreamFailed):
        await ask(scene)
    assert scene.upstream.models == ["large"] * 3


async def test_retry_after_is_honoured_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(attempts.asyncio, "sleep", sleep)
    scene = stage(Refusal(429, {}, 2.0), whole())
    await ask(scene)
    assert slept == [2.0]
    scene = stage(Refusal(429, {}, 60.0), whole(), whole())
    assert (await ask(scene)).model.name == "small", "so long is left for the fallback"
    assert (await ask(scene)).model.name == "small", "and the model is left alone meanwhile"
    assert len(slept) == 1
    scene.time[0] = LONGEST + 1
    assert (await ask(scene)).model.name == "large"


async def test_pauses_grow_with_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(attempts.asyncio, "sleep", sleep)
    scene = stage(GONE, GONE, whole())
    scene.gateway._attempts._pause = 1.0
    await ask(scene)
    assert 0.5 <= slept[0] <= 1.0 <= slept[1] <= 2.0
    for _ in range(10):
        scene = stage(GONE, whole())
        scene.gateway._attempts._pause = 1.0
        await ask(scene)
    assert len(set(slept)) > 3, "not all equally long"


async def test_all_attempts_together_have_a_time() -> None:
    scene = stage(Refusal(429, {}, 4.0), timeouts=Timeouts(begin=0.5))
    with pytest.raises(errors.RateLimited) as raised:
        await ask(scene)
    assert raised.value.retry_after == 4
    assert scene.upstream.models == ["large", "small", "sees"], "each once: no time for a pause of four seconds"
    assert all(each.within <= 0.5 for each in scene.upstream.asked)


async def test_an_attempt_is_given_its_own_time() -> None:
    scene = stage(whole())
    await ask(scene)
    assert scene.upstream.asked[0].within == pytest.approx(Timeouts().plain, abs=1)
    with pytest.raises(errors.UpstreamFailed):
        await scene.gateway.answer(ADA, requests.read("chat", chat(stream=True)))
    assert scene.upstream.asked[1].within == pytest.approx(Timeouts().stream, abs=1)


@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        (Refusal(400, {"message": "m", "code": "content_filter"}), errors.InvalidRequest, "content_filter"),
        (Refusal(400, {}), errors.InvalidRequest, "invalid_request"),
        (Refusal(402, {}), errors.InvalidRequest, "invalid_request"),
        (Refusal(409, {}), errors.Conflict, "conflict"),
        (Refusal(413, {}), errors.TooLarge, "payload_too_large"),
        (Refusal(415, {}), errors.UnsupportedType, "unsupported_type"),
        (Refusal(422, {"code": "odd"}), errors.InvalidInput, "odd"),
        (Refusal(429, {}), errors.RateLimited, "rate_limit_exceeded"),
        (Refusal(408, {}), errors.UpstreamTimeout, "upstream_timeout"),
        (Refusal(504, {}), errors.UpstreamTimeout, "upstream_timeout"),
        (Refusal(503, {}), errors.Unavailable, "upstream_unavailable"),
        (Refusal(500, {}), errors.UpstreamFailed, "upstream_failed"),
        (Refusal(302, {}), errors.UpstreamFailed, "upstream_failed"),
        (NoAnswer("x"), errors.UpstreamFailed, "upstream_failed"),
        (NoAnswer("x", timed_out=True), errors.UpstreamTimeout, "upstream_timeout"),
    ],
)
def test_failures_in_our_own_terms(failure: Exception, kind: type[errors.LydianError], code: str) -> None:
    found = to_domain(failure)
    assert type(found) is kind
    assert found.code == code
    assert found.message


async def test_a_model_that_keeps_failing_is_left_alone_and_tried_again() -> None:
    scene = stage(BROKEN)
    for _ in range(OPENS_AFTER):
        with pytest.raises(errors.UpstreamFailed):
            await ask(scene, model="small")
    asked = len(scene.upstream.asked)
    assert asked == OPENS_AFTER * attempts.TRIES, "tries of one request count once"
    with pytest.raises(errors.Unavailable) as raised:
        await ask(scene, model="small")
    assert raised.value.retry_after >= 1
    assert len(scene.upstream.asked) == asked, "nobody was asked"
    scene.time[0] += 2 * FIRST + 1
    scene.upstream.steps = [whole()]
    assert (await ask(scene, model="small")).model.name == "small"


def test_a_breaker() -> None:
    now = [0.0]
    breakers = Breakers(lambda: now[0])
    for _ in range(OPENS_AFTER - 1):
        breakers.bad("m")
    assert breakers.allows("m")
    breakers.bad("m")
    assert not breakers.allows("m")
    assert breakers.allows("other")
    assert breakers.wait("m") == FIRST
    now[0] = FIRST
    assert breakers.allows("m"), "a trial"
    assert not breakers.allows("m"), "one at a time"
    now[0] += TRIAL
    assert breakers.allows("m"), "the trial is lost"
    breakers.bad("m")
    assert breakers.wait("m") == 2 * FIRST
    for _ in range(10):
        breakers.bad("m")
    assert breakers.wait("m") == LONGEST
    breakers.good("m")
    assert breakers.allows("m")
    assert breakers.wait("m") == 0


async def test_cancelled_while_it_waits_for_another_try() -> None:
    scene = stage(Refusal(429, {}, 4.0))
    asking = asyncio.ensure_future(ask(scene))
    await until(lambda: scene.upstream.asked)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(scene.upstream.asked) == 1


async def test_who_refuses_us_is_soon_left_alone_and_who_refuses_a_request_is_not() -> None:
    scene = stage(Refusal(401, {}))
    for _ in range(OPENS_AFTER):
        with pytest.raises(errors.UpstreamFailed):
            await ask(scene, model="small")
    with pytest.raises(errors.Unavailable, match="left alone"):
        await ask(scene, model="small")
    scene = stage(Refusal(400, {}))
    for _ in range(2 * OPENS_AFTER):
        with pytest.raises(errors.InvalidRequest):
            await ask(scene, model="small")
    assert len(scene.upstream.asked) == 2 * OPENS_AFTER


NO_OPTIONS = Refusal(422, {"message": "Extra inputs are not permitted"}, names_usage=True)


async def test_a_server_that_refuses_to_be_asked_for_the_usage_is_not_asked() -> None:
    """Mistral's: the caller has not asked for what is refused."""
    scene = stage(*[step for _ in range(UNASKED_AFTER) for step in (NO_OPTIONS, Reply(HELLO))], Reply(HELLO))
    for _ in range(UNASKED_AFTER + 1):
        assert (await collect((await opened(scene)).frames()))[-1] == DONE
    asked = ["stream_options" in each.body for each in scene.upstream.asked]
    assert asked == [True, False] * UNASKED_AFTER + [False], "in the end it is not even tried"
    assert scene.upstream.models == ["large"] * (2 * UNASKED_AFTER + 1)


async def test_who_refuses_it_once_is_asked_again() -> None:
    scene = stage(*[step for _ in range(UNASKED_AFTER + 1) for step in (NO_OPTIONS, Reply(HELLO), Reply(HELLO))])
    for _ in range(2 * (UNASKED_AFTER + 1)):
        await collect((await opened(scene)).frames())
    assert ["stream_options" in each.body for each in scene.upstream.asked] == [True, False, True] * (UNASKED_AFTER + 1)


async def test_who_asks_for_the_usage_hears_that_it_is_refused() -> None:
    scene = stage(NO_OPTIONS)
    with pytest.raises(errors.InvalidInput):
        await opened(scene, stream_options={"include_usage": True})
    assert len(scene.upstream.asked) == 1
