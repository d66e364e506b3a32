"""Answers that take their time: server-sent events through every proxy on the way (SPEC §6)."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from .target import Broken, CannotTell, Target, part

FRONT_END_LIMIT = 230
"""Seconds without a byte after which Azure's front end ends a request."""
SETTLES_WITHIN = 60
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
    """A caller who leaves before the first byte: the call upstream is cancelled, and what was held of the budget is given back."""
    model = _model(target)
    before, limited = _held(target)
    body = {"model": model, "stream": True, "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]}
    connection = target.connect()
    connection.request("POST", "/api/ai/v1/chat/completions", json.dumps(body), {**target.bearer, "Content-Type": "application/json"})
    connection.close()  # nothing was read
    target.eventually(lambda: _held(target)[0] <= before or None, "what the abandoned call had held of the budget was given back", 1)
    target.judged(target.client.get("/health"))
    return f"the app goes on; {'nothing of the budget stays held' if limited else 'this account has no budget, so that nothing was held'}"


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


def _held(target: Target) -> tuple[float, bool]:
    """US dollars of the budget that are held for calls under way, and whether there is a budget at all."""
    budget = part(target.ask("GET", "/api/ai/usage"), "budget")
    return float(part(budget, "held")), part(budget, "budget") is not None


def _lines(target: Target, body: dict[str, Any]) -> Iterator[str]:
    timeout = httpx.Timeout(30, read=FRONT_END_LIMIT + 10)
    with target.client.stream("POST", "/api/ai/v1/chat/completions", json=body, headers=target.bearer, timeout=timeout) as response:
        if response.status_code != 200:
            response.read()
            target.judged(response)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            raise Broken(f"a stream was asked for, and {response.headers.get('content-type')} came")
        yield from (line for line in response.iter_lines() if line)
