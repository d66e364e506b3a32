"""Storage calls of a streamed answer: how many before its first text, and how many in all, with a budget.

    python bench/ai_storage_calls.py [requests]

They are counted on the wire, between the app and Azurite; requests come one after the other, each when the last one's settlement
is over. The first of a user and of a key read what later ones find in memory, so the first few are shown apart.
"""

import asyncio
import sys
import time
from collections import Counter

from ai_latency import serve_answers, start_app
from ai_load import Target, session, stream
from counting import CountingProxy
from support import Setup, banner, spread, table, verdict

FIRST = 3
QUIET, PATIENCE = 0.4, 5.0
"""Seconds without a call that tell that a settlement is over, and the most to wait for them."""


async def settle(proxy: CountingProxy) -> None:
    """Until no call has come for a while; what comes by the clock (leases, caches that expire) may come at any time."""
    seen, since, began = len(proxy.calls), time.monotonic(), time.monotonic()
    while time.monotonic() - since < QUIET and time.monotonic() - began < PATIENCE:
        await asyncio.sleep(0.05)  # between looks; bounded by the line above
        if len(proxy.calls) != seen:
            seen, since = len(proxy.calls), time.monotonic()


async def measure(target: Target, proxy: CountingProxy, count: int) -> tuple[list[list[str]], list[list[str]]]:
    """For each request: the calls before its first text, and those until all was quiet again."""
    before, whole = list[list[str]](), list[list[str]]()
    async with session() as client:
        for number in range(count):
            await settle(proxy)
            start, marks = len(proxy.calls), list[int]()
            await stream(client, target, number, "quick", lambda marks=marks: marks.append(len(proxy.calls)))
            await settle(proxy)
            before.append(proxy.calls[start : marks[0]])
            whole.append(proxy.calls[start:])
    return before, whole


def shown(calls: list[list[str]]) -> str:
    counted = Counter(call.partition("(")[0] for each in calls for call in each)
    return ", ".join(f"{count} × {call}" for call, count in counted.most_common()) or "none"


def main(count: int) -> None:
    banner("Storage calls of a streamed answer")
    with Setup() as setup:
        azurite = setup.azurite()
        proxy = CountingProxy(azurite)
        setup.callback(proxy.close)
        model = serve_answers(setup)
        _, target = start_app(setup, model, azurite, AZURE_STORAGE_CONNECTION_STRING=proxy.connection_string)
        target = Target(target.name, target.url, target.keys[:1])
        before, whole = asyncio.run(measure(target, proxy, FIRST + count))
    rows = [
        ("the first", str(len(before[0])), str(len(whole[0]))),
        (f"the next {FIRST - 1}", spread([len(each) for each in before[1:FIRST]], 1), spread([len(each) for each in whole[1:FIRST]], 1)),
        (f"{count} more", spread([len(each) for each in before[FIRST:]], 1), spread([len(each) for each in whole[FIRST:]], 1)),
    ]
    table(("calls", "before the first text", "in all"), rows)
    print(f"before the first text, once warm: {shown(before[FIRST:])}")
    print(f"in all, once warm: {shown(whole[FIRST:])}")
    # Keys and sessions are looked up again every five seconds, whatever the route is.
    most = max(sum("/ai" in call for call in each) for each in before[FIRST:])
    print(f"the gateway's own before the first text, at most: {most}")
    verdict("allowed calls of the gateway before the first text / ours, once warm", 1.0 / max(most, 1), 1.0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
