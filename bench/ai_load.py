"""Load for the AI benchmarks: streamed chat completions, and when their first text came."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp

MODEL = "local-large"


@dataclass(frozen=True)
class Target:
    """Who is asked: ``path`` is the one of chat completions, ``keys`` are used in turns."""

    name: str
    url: str
    keys: Sequence[str]


def body(prompt: str) -> bytes:
    message = {"role": "user", "content": prompt}
    return json.dumps({"model": MODEL, "stream": True, "max_tokens": 200, "messages": [message]}).encode()


def has_text(line: bytes) -> bool:
    """Whether this line of a stream carries text, and not only who speaks."""
    if not line.startswith(b"data:") or b"content" not in line:
        return False
    choices = json.loads(line[5:]).get("choices") or [{}]
    return bool(choices[0].get("delta", {}).get("content"))


async def stream(
    session: aiohttp.ClientSession, target: Target, number: int, prompt: str, at_first: Callable[[], None] = lambda: None
) -> float:
    """Ask and read to the end. Milliseconds to the first text, at which ``at_first`` is called."""
    headers = {"Authorization": f"Bearer {target.keys[number % len(target.keys)]}", "Content-Type": "application/json"}
    began, first, last = time.perf_counter(), 0.0, b""
    async with session.post(target.url, data=body(prompt), headers=headers) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{target.name} answers {answer.status}: {(await answer.text())[:500]}")
        async for line in answer.content:
            if not first and has_text(line):
                first = time.perf_counter() - began
                at_first()
            last = line.strip() or last
    if not first or last != b"data: [DONE]":
        raise RuntimeError(f"{target.name}: a stream ended with {last!r}")
    return first * 1000


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=60))


async def at_rate(target: Target, rate: float, seconds: float, prompt: str) -> list[float]:
    """Milliseconds to the first text of each of ``rate`` streams a second, begun when its time has come whether or not the last
    has ended."""
    async with session() as client:
        await asyncio.gather(*(stream(client, target, number, prompt) for number in range(4)))  # connections
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), list[asyncio.Task[float]]()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            sent.append(asyncio.create_task(stream(client, target, number, prompt)))
        return list(await asyncio.gather(*sent))


async def flood(target: Target, at_once: int, seconds: float, prompt: str) -> float:
    """Whole streams a second, with ``at_once`` open at any time."""
    done = 0
    async with session() as client:
        limit = time.perf_counter() + seconds

        async def several() -> None:
            nonlocal done
            while time.perf_counter() < limit:
                await stream(client, target, done, prompt)
                done += 1

        began = time.perf_counter()
        await asyncio.gather(*(several() for _ in range(at_once)))
        return done / (time.perf_counter() - began)


async def together(target: Target, count: int, prompt: str) -> None:
    """So many streams at one time, to their end."""
    async with session() as client:
        await asyncio.gather(*(stream(client, target, number, prompt) for number in range(count)))


def percentile(times: Sequence[float], of: int) -> float:
    return statistics.quantiles(times, n=100)[of - 1]
