"""Answers that take their time: server-sent events through every proxy on the way (SPEC §6)."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from .target import Broken, CannotTell, Target, part

FRONT_END_LIMIT = 230
"""Seconds without a byte after which Azure's front end ends a request."""
SETTLES_WITHIN = 60
LEAVES_AFTER = (0.0, 0.05, 0.2, 1.0)
"""Seconds from the call to its caller's leaving. One that has left before the model was asked has cost nothing, and is not counted."""
WORDS = "Count from 1 to 5000, each number in words on a line of its own. Do not stop before the end."


def five_minutes(target: Target) -> str:
    """One stream that lasts. A model that is done sooner says nothing about the rest of the time."""
    model = _model(target)
    if not target.options.long:
        raise CannotTell("lasts five minutes and costs tokens: say --long")
    began, last, gap, done = time.monotonic(), time.monotonic(), 0.0, False
    for line in _lines(target, {"model": model, "stream": True, "messages": [{"role": "user", "content": WORDS}]}):
        now = time.monotonic()
        gap, last = max(gap, now - last), now
        done = done or line == "data: [DONE]"
        if now - began >= target.options.stream_seconds:
            return f"{now - began:.0f} s, never more than {gap:.1f} s without a byte"
    if not done:
        raise Broken(f"the stream was cut after {time.monotonic() - began:.0f} s, without [DONE]")
    raise CannotTell(f"the model had said all after {last - began:.0f} s, and the stream ended as it should")


def leaves_early(target: Target) -> str:
    """A caller who leaves before the first byte: everything on the way passes that on, so that the call upstream is broken off. The app
    counts it all the same, by estimate, since its usage never came; and what was held of the budget is given back."""
    model = _model(target)
    before = _usage(target)
    body = json.dumps({"model": model, "stream": True, "max_tokens": 1024, "messages": [{"role": "user", "content": WORDS}]})

    def counted() -> _Usage | None:
        now = _usage(target)
        return now if now.requests > before.requests else None

    for seconds in LEAVES_AFTER:
        connection = target.connect()
        connection.request("POST", "/api/ai/v1/chat/completions", body, {**target.bearer, "Content-Type": "application/json"})
        time.sleep(seconds)
        connection.close()  # nothing was read
        try:
            after = target.eventually(counted, "what the abandoned call had used was counted", part=1 / len(LEAVES_AFTER))
            break
        except Broken as never:
            failure = never
    else:
        raise failure
    if after.estimated <= before.estimated:
        raise Broken("the call upstream went on to its end though its caller had left: something on the way does not pass that on")
    target.eventually(
        lambda: _usage(target).held <= before.held or None, "what the abandoned call had held of the budget was given back", 1
    )
    target.judged(target.client.get("/health"))
    return f"the call upstream was broken off, and counted; {'nothing of the budget stays held' if after.limited else 'there is no budget'}"


def parallel(target: Target) -> str:
    count = target.options.streams
    model = _model(target)
    body = {"model": model, "stream": True, "max_tokens": 32, "messages": [{"role": "user", "content": "Say hello."}]}

    def one(_: int) -> float:
        began = time.monotonic()
        first, done = 0.0, False
        for line in _lines(target, body):
            first = first or time.monotonic() - began
            done = done or line == "data: [DONE]"
        if not done:
            raise Broken("a stream ended without [DONE]")
        return first

    # Who answers is asked while the streams run: that is when there are as many instances as they need.
    with ThreadPoolExecutor(2 * count) as pool:
        streams = [pool.submit(one, number) for number in range(count)]
        asked = [pool.submit(_instance, target) for _ in range(count)]
        firsts, instances = sorted(stream.result() for stream in streams), _instances([each.result() for each in asked])
    return f"{count} at once, first bytes after {firsts[0]:.2f} to {firsts[-1]:.2f} s, {instances}"


def _instance(target: Target) -> str | None:
    try:
        return str(part(target.ask("GET", "/api/monitoring/resources"), "instance_id"))
    except CannotTell:
        return None


def _instances(found: list[str | None]) -> str:
    known = {each for each in found if each}
    return f"answered by {len(known)} instance(s)" if known else "by how many instances only an administrator's token can tell"


def _model(target: Target) -> str:
    models = part(target.ask("GET", "/api/ai/v1/models"), "data")
    if not models:
        raise CannotTell("there is no model")
    return str(part(models[0], "id"))


@dataclass(frozen=True)
class _Usage:
    requests: int
    estimated: int
    held: float
    """US dollars of the budget that are held for calls under way."""
    limited: bool
    """Whether there is a budget."""


def _usage(target: Target) -> _Usage:
    found = target.ask("GET", "/api/ai/usage")
    total, budget = part(found, "total"), part(found, "budget")
    return _Usage(
        int(part(total, "requests")),
        int(part(total, "estimated_requests")),
        float(part(budget, "held")),
        part(budget, "budget") is not None,
    )


def _lines(target: Target, body: dict[str, Any]) -> Iterator[str]:
    timeout = httpx.Timeout(30, read=FRONT_END_LIMIT + 10)
    with target.client.stream("POST", "/api/ai/v1/chat/completions", json=body, headers=target.bearer, timeout=timeout) as response:
        if response.status_code != 200:
            response.read()
            target.judged(response)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            raise Broken(f"a stream was asked for, and {response.headers.get('content-type')} came")
        yield from (line for line in response.iter_lines() if line)
