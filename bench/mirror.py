"""The first page of a customer's payments, with 100 and with 10,000 of them, over HTTP on a real Azurite.

    python bench/mirror.py [requests per round]

The peer is the storage alone: the same page asked of Azurite by the same query, without the app, in rounds that alternate with
the app's. What grows with it is Azurite's, which looks rows up one by one; real Table storage seeks in one partition's sorted rows.
"""

import asyncio
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from support import AzuriteHandle, Server, Setup, banner, call, median, page_times, paired, register, spread, table, verdict

from shared_code.payments.customers import CUSTOMER_KEY, OWNER_KEY, TABLE
from shared_code.payments.objects import INDEX, INDEX_KEY, MIRROR, key_of, values_of
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.ports import Insert, Operation, Row, Upsert

ROUNDS = 6
SIZES = (100, 10_000)
PAGE = 20
GOAL_SHARE = 0.25
"""The storage's part of a first page that we want at least at 10,000: the rest is HTTP, sign-in and JSON."""
GOAL_GROWTH = 0.9
"""Growth of the query alone through growth of the page: below it the app itself would be growing."""
CUSTOMER = "cus_bench"
START = 1_700_000_000


@dataclass
class Side:
    """One Azurite with so many payments of one customer, and an app before it."""

    azurite: AzuriteHandle
    app: Server
    token: str


def payment(number: int) -> dict[str, object]:
    return {
        "id": f"pi_bench{number:08}",
        "object": "payment_intent",
        "status": "succeeded",
        "created": START + number * 60,
        "customer": CUSTOMER,
        "amount": 100 + number,
        "currency": "usd",
        "client_secret": f"pi_bench{number:08}_secret_{number:024}",
        "description": "A payment of the benchmark",
        "metadata": {"order": str(number), "source": "bench"},
        "latest_charge": {"amount_refunded": 0},
    }


async def fill(azurite: AzuriteHandle, user_id: str, count: int) -> None:
    """What webhooks would have written."""
    storage, now = AzureStorage.from_connection_string(azurite.connection_string), datetime.now(UTC)
    rows = [payment(number) for number in range(count)]
    for first in range(0, count, 100):
        batch: list[Operation] = [
            Insert(key_of("payment_intent", each), {**values_of("payment_intent", each), "v": 1, "seen_at": now})
            for each in rows[first : first + 100]
        ]
        await storage.tables.batch(MIRROR, CUSTOMER, batch)
    await storage.tables.apply(INDEX, CUSTOMER, Upsert(INDEX_KEY, {"partition": CUSTOMER, "key": "customer"}))
    await storage.tables.apply(TABLE, CUSTOMER, Upsert(OWNER_KEY, {"v": 1, "user_id": user_id}))
    await storage.tables.apply(TABLE, user_id, Upsert(CUSTOMER_KEY, {"v": 1, "customer_id": CUSTOMER, "told": True}))
    await storage.aclose()


def start(setup: Setup, count: int) -> Side:
    azurite = setup.azurite()
    app = setup.app(
        azurite, SERVICES="auth,payments", STRIPE_SECRET_KEY="sk_test_" + "0123456789abcdef", STRIPE_API_BASE="http://127.0.0.1:9"
    )
    token = register(app, 1)[0]
    user_id = call(f"{app.url}/api/auth/me", token)["id"]
    asyncio.run(fill(azurite, user_id, count))
    return Side(azurite, app, token)


async def pages(side: Side, count: int) -> list[float]:
    """Milliseconds of each first page."""
    return await page_times(f"{side.app.url}/api/payments/history?limit={PAGE}", side.token, PAGE, count)


async def queries(side: Side, count: int) -> list[float]:
    storage, times, found = AzureStorage.from_connection_string(side.azurite.connection_string), list[float](), list[Row]()
    for number in range(count + 5):
        began = time.perf_counter()
        found = await storage.tables.query(MIRROR, CUSTOMER, prefix="pi:", limit=PAGE + 1)
        if number >= 5:
            times.append((time.perf_counter() - began) * 1000)
    assert len(found) == PAGE + 1
    await storage.aclose()
    return times


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[94]


def main(count: int) -> None:
    banner("The first page of a customer's payments, and the same query alone")
    with Setup() as setup:
        sides = [start(setup, size) for size in SIZES]
        ours: list[list[float]] = [[] for _ in SIZES]
        theirs: list[list[float]] = [[] for _ in SIZES]
        for _ in range(ROUNDS):
            for number, side in enumerate(sides):
                ours[number].append(p95(asyncio.run(pages(side, count))))
                theirs[number].append(p95(asyncio.run(queries(side, count))))
    head = ("p95 of the first page, ms", "Lydian", "the query alone")
    table(head, [(f"{size} payments", spread(ours[number], 1), spread(theirs[number], 1)) for number, size in enumerate(SIZES)])
    growths = [median([many / few for few, many in zip(*side, strict=True)]) for side in (ours, theirs)]
    print(f"growth: {growths[0]:.2f}, of the query alone {growths[1]:.2f}")
    verdict("growth of the query / of the page", growths[1] / growths[0], GOAL_GROWTH)
    verdict("query / page at 10,000", paired(theirs[1], ours[1]), GOAL_SHARE)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
