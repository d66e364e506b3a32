"""Storage calls of a streamed answer: how many before its first text, and how many in all, with a budget.

    python bench/ai_storage_calls.py [requests]

All calls are counted, on the wire, between the app and Azurite, whoever makes them and whether the request waits for them or not:
auth's and the gateway's. What the app writes or reads by the clock, without any request (``CLOCK``), is left out. Requests come one
after the other, each when the last one's settlement is over; then each after a pause, since much of what an instance knows it knows
for seconds. What an instance knows nothing of yet is shown apart: a process's first request, and an account's first.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterable

from ai_latency import RATE, serve_answers, start_app
from ai_load import Target, at_rate, session, stream
from counting import CountingProxy
from support import Setup, banner, call, register, spread, table, verdict

PAUSES = ((7, 5), (70, 1))
"""Seconds without a request, longer than a lookup and than a slice of the budget are kept for; and how often."""
CLOCK = ("GET notices", "traffic", "instances")
"""Notices are read every three seconds; traffic and the list of instances are written every minute."""
QUIET, PATIENCE = 0.4, 3.0
"""Seconds without a call that tell that a settlement is over, and the most to wait for them."""
LONG = 8
"""Seconds at RATE."""


async def settle(proxy: CountingProxy) -> None:
    """Until no call has come for a while; what comes by the clock (notices, slices that are given back) may come at any time."""
    seen, since, began = len(proxy.calls), time.monotonic(), time.monotonic()
    while time.monotonic() - since < QUIET and time.monotonic() - began < PATIENCE:
        await asyncio.sleep(0.05)  # between looks; bounded by the line above
        if len(proxy.calls) != seen:
            seen, since = len(proxy.calls), time.monotonic()


Counted = tuple[list[str], list[str]]
"""The calls before the first text, and those until all was quiet again."""


async def ask(target: Target, proxy: CountingProxy, number: int = 0) -> Counted:
    async with session() as client:
        await settle(proxy)
        start, marks = len(proxy.calls), list[int]()
        await stream(client, target, number, "quick", lambda: marks.append(len(proxy.calls)))
        await settle(proxy)
    return by_request(proxy.calls[start : marks[0]]), by_request(proxy.calls[start:])


def by_request(calls: list[str]) -> list[str]:
    return [call for call in calls if not any(part in call for part in CLOCK)]


async def ask_often(target: Target, proxy: CountingProxy, count: int, pause: float = 0) -> list[Counted]:
    found = []
    for number in range(count):
        await asyncio.sleep(pause)
        found.append(await ask(target, proxy, number))
    return found


def shown(calls: Iterable[list[str]]) -> str:
    counted = Counter(call for each in calls for call in each)
    return ", ".join(f"{count} × {call}" for call, count in counted.most_common()) or "none"


def main(count: int) -> None:
    banner("Storage calls of a streamed answer")
    rows, most = list[tuple[str, ...]](), 0
    with Setup() as setup:
        azurite = setup.azurite()
        proxy = CountingProxy(azurite)
        setup.callback(proxy.close)
        model = serve_answers(setup)
        app, several = start_app(setup, model, azurite, AZURE_STORAGE_CONNECTION_STRING=proxy.connection_string)

        def note(what: str, found: list[Counted]) -> int:
            before = [len(first) for first, _ in found]
            rows.append((what, spread(before, 0), spread([len(whole) for _, whole in found], 1), shown(first for first, _ in found)))
            return max(before)

        note("a process's first request", [asyncio.run(ask(Target("", several.url, several.keys[:1]), proxy))])
        for what in ("API key", "session"):
            token = register(app, 1)[0]
            if what == "API key":
                token = call(f"{app.url}/api/auth/keys", token, b'{"name": "bench", "scopes": ["ai"]}')["key"]
            target = Target("Lydian", several.url, [token])
            note(f"{what}: an account's first", [asyncio.run(ask(target, proxy))])
            most = max(most, note(f"{what}: {count} more", asyncio.run(ask_often(target, proxy, count))))
            for pause, times in PAUSES:
                most = max(most, note(f"{what}: after {pause} s each", asyncio.run(ask_often(target, proxy, times, pause))))
        asyncio.run(at_rate(several, RATE, 1, "quick"))
        start = len(proxy.calls)
        asyncio.run(at_rate(several, RATE, LONG, "quick"))
        in_all = len(proxy.calls) - start
    table(("calls", "before the first text", "in all", "which, before it"), rows)
    print(f"at {RATE} requests/s of {len(several.keys)} accounts, in all, a request: {in_all / (RATE * LONG):.2f}")
    verdict("allowed calls before the first text / ours at most, of an account that the instance knows", 1.0 / max(most, 1), 1.0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
