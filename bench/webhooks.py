"""Acknowledging Stripe's events: how many a second, and how long one waits at a moderate rate, over HTTP on a real Azurite.

    python bench/webhooks.py [events per round]

The peer (bench/peer/webhook.py) is a minimal handler that checks the same signature and inserts one row; the app stores three
rows in one batch, so that an event is kept once and found again, and asks a queue for the processing. That queue's trigger is off
on both sides of the measure: on Azure it runs on instances of its own, and it has nothing to do with the acknowledgment.
Rounds alternate, and each few get an Azurite of their own: it looks rows up one by one.
"""

import asyncio
import json
import os
import statistics
import sys
import time

import aiohttp
from support import HERE, Server, Setup, banner, free_ports, median, paired, spread, table, verdict

from local.stripe.webhooks import sign

ROUNDS, ROUNDS_ON_ONE_AZURITE = 6, 2
AT_ONCE = 16
RATE = 40
"""Events a second of the moderate rate: what a shop of a hundred payments a minute gets, five times over."""
SECONDS = 5
GOAL_P95 = 25.0  # milliseconds
GOAL_RATIO = 0.4
"""Of the peer's acknowledgments a second: its storage writes one row, the app's three and a message, in two calls that follow
each other, since an event that is not stored must not be asked for."""
SECRET = "whsec_" + "0123456789abcdef"


def body() -> bytes:
    """An event of a real one's size, 3 KB."""
    subject = {"id": f"pi_{os.urandom(12).hex()}", "object": "payment_intent", "padding": "x" * 2600}
    kind, now = "payment_intent.succeeded", int(time.time())
    return json.dumps({"id": f"evt_{os.urandom(12).hex()}", "type": kind, "created": now, "data": {"object": subject}}).encode()


async def send(session: aiohttp.ClientSession, url: str) -> float:
    """Milliseconds until the acknowledgment."""
    content = body()
    headers = {"stripe-signature": sign(content, [SECRET], int(time.time())), "content-type": "application/json"}
    began = time.perf_counter()
    async with session.post(url, data=content, headers=headers) as answer:
        found = await answer.json()
        assert (answer.status, found["duplicate"]) == (200, False), found
    return (time.perf_counter() - began) * 1000


async def flood(url: str, count: int) -> float:
    """Acknowledgments a second with AT_ONCE connections."""
    async with aiohttp.ClientSession() as session:

        async def several() -> None:
            for _ in range(count // AT_ONCE):
                await send(session, url)

        await send(session, url)
        began = time.perf_counter()
        await asyncio.gather(*(several() for _ in range(AT_ONCE)))
        return count // AT_ONCE * AT_ONCE / (time.perf_counter() - began)


async def moderate(url: str) -> list[float]:
    """Milliseconds of each of RATE a second, sent when its time has come, whether or not the last is answered."""
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(send(session, url) for _ in range(4)))  # connections
        began, sent = asyncio.get_running_loop().time(), list[asyncio.Task[float]]()
        for number in range(RATE * SECONDS):
            await asyncio.sleep(max(0.0, began + number / RATE - asyncio.get_running_loop().time()))
            sent.append(asyncio.create_task(send(session, url)))
        return list(await asyncio.gather(*sent))


def percentile(times: list[float], of: int) -> float:
    return statistics.quantiles(times, n=100)[of - 1]


def start(setup: Setup) -> tuple[str, str, Server]:
    azurite = setup.azurite()
    app = setup.app(
        azurite,
        SERVICES="payments",
        STRIPE_SECRET_KEY="sk_test_" + "0123456789abcdef",
        STRIPE_API_BASE="http://127.0.0.1:9",
        STRIPE_WEBHOOK_SECRET=SECRET,
        **{"AzureWebJobs.payments_events.Disabled": "true"},
    )
    port = free_ports(1)[0]
    peer = setup.start(
        [sys.executable, str(HERE / "peer" / "webhook.py"), str(port)],
        port,
        "/health",
        {"STORAGE": azurite.connection_string, "SECRET": SECRET},
    )
    return f"{app.url}/api/webhooks/stripe", f"{peer.url}/webhook", app


def main(count: int) -> None:
    banner("Acknowledging Stripe's events")
    ours, theirs, ours_p50, ours_p95, theirs_p95, cpu = ([] for _ in range(6))
    for _ in range(ROUNDS // ROUNDS_ON_ONE_AZURITE):
        with Setup() as setup:
            ours_url, theirs_url, app = start(setup)
            for url in (ours_url, theirs_url):  # imports, tables and queues are no part of it
                asyncio.run(flood(url, AT_ONCE * 2))
            for _ in range(ROUNDS_ON_ONE_AZURITE):
                before = app.cpu()
                ours.append(asyncio.run(flood(ours_url, count)))
                cpu.append((app.cpu() - before) / count * 1000)
                theirs.append(asyncio.run(flood(theirs_url, count)))
                times = asyncio.run(moderate(ours_url))
                ours_p50.append(percentile(times, 50))
                ours_p95.append(percentile(times, 95))
                theirs_p95.append(percentile(asyncio.run(moderate(theirs_url)), 95))
    rows = [
        (f"acknowledgments/s, {AT_ONCE} at a time", spread(ours, 0), spread(theirs, 0)),
        (f"p95 at {RATE}/s, ms", spread(ours_p95, 1), spread(theirs_p95, 1)),
        (f"median at {RATE}/s, ms", spread(ours_p50, 1), ""),
        ("the app's CPU of one, ms", spread(cpu, 1), ""),
    ]
    table(("", "Lydian", "peer"), rows)
    verdict("acknowledgments/s", paired(ours, theirs), GOAL_RATIO)
    verdict("p95 beside the peer's", paired(theirs_p95, ours_p95), GOAL_RATIO)
    verdict(f"{GOAL_P95:.0f} ms / p95", GOAL_P95 / median(ours_p95), 1.0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 480)
