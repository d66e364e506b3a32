"""What one storage call costs this process in CPU: our adapters beside the SDK's clients, in one run, on one Azurite.

    python bench/storage_calls.py [calls per round]

Rounds of the two sides alternate; each figure is the median of the rounds, in µs of this process's CPU time (Azurite's own is
not in it). A fixed row of six properties; blobs of 1 kB. ``docs/decisions/0004-lean-table-requests.md`` holds what came out.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from support import start_azurite

from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.ports import Insert, Operation, Replace, Upsert, Value

ROUNDS = 5
TABLE, CONTAINER = "calls", "calls"
VALUES: dict[str, Value] = {
    "name": "photo of the summer.jpg",
    "size": 5_242_880,
    "created_at": datetime(2026, 1, 31, 12, 30, 15, 123456, tzinfo=UTC),
    "status": "active",
    "public": False,
    "digest": bytes(32),
}
DATA = bytes(1000)

Call = Callable[[int], Awaitable[object]]


def ours(storage: AzureStorage) -> dict[str, Call]:
    tables, blobs = storage.tables, storage.blobs

    def three(n: int) -> list[Operation]:
        return [Insert(f"a{n}", VALUES), Upsert("b", VALUES), Replace("row", VALUES)]

    async def read(_: int) -> None:
        async for _chunk in (await blobs.read(CONTAINER, "read")).chunks:
            pass

    return {
        "get": lambda _: tables.get(TABLE, "p", "row"),
        "upsert": lambda _: tables.apply(TABLE, "p", Upsert("row", VALUES)),
        "query of 20": lambda _: tables.query(TABLE, "many", limit=20),
        "batch of 3": lambda n: tables.batch(TABLE, "p", three(n)),
        "blob put 1 kB": lambda _: blobs.put(CONTAINER, "put", DATA, content_type="text/plain"),
        "blob read 1 kB": read,
    }


def sdk(storage: AzureStorage) -> dict[str, Call]:
    """The clients as the adapter configures them, over the same connections."""
    from azure.data.tables import TableEntity, TransactionOperation, UpdateMode

    clients = storage._clients()
    table = clients.table_service.get_table_client(TABLE)
    container = clients.container(CONTAINER)

    def entity(key: str) -> Mapping[str, Any]:
        return TableEntity({"PartitionKey": "p", "RowKey": key, **VALUES})

    async def query(_: int) -> None:
        async for page in table.query_entities("PartitionKey eq 'many'", results_per_page=20).by_page():
            async for _row in page:
                pass
            break

    async def batch(n: int) -> None:
        replace = (TransactionOperation.UPDATE, entity("row"), {"mode": UpdateMode.REPLACE})
        upsert = (TransactionOperation.UPSERT, entity("b"), {"mode": UpdateMode.REPLACE})
        await table.submit_transaction([(TransactionOperation.CREATE, entity(f"s{n}"), {}), upsert, replace])

    async def read(_: int) -> None:
        await (await container.download_blob("read")).readall()

    return {
        "get": lambda _: table.get_entity("p", "row"),
        "upsert": lambda _: table.upsert_entity(entity("row"), mode=UpdateMode.REPLACE),
        "query of 20": query,
        "batch of 3": batch,
        "blob put 1 kB": lambda _: container.upload_blob("put", DATA, overwrite=True),
        "blob read 1 kB": read,
    }


async def cost(call: Call, first: int, calls: int) -> float:
    """µs of CPU for each of ``calls`` calls, made one after the other."""
    started = time.process_time()
    for n in range(first, first + calls):
        await call(n)
    return (time.process_time() - started) / calls * 1e6


async def prepared(storage: AzureStorage) -> None:
    await storage.tables.apply(TABLE, "p", Upsert("row", VALUES))
    await storage.tables.batch(TABLE, "many", [Insert(f"{n:03}", VALUES) for n in range(100)])
    await storage.blobs.put(CONTAINER, "read", DATA, content_type="text/plain")


async def main(calls: int) -> None:
    azurite = start_azurite()
    storage = AzureStorage.from_connection_string(azurite.connection_string)
    await prepared(storage)
    sides = (ours(storage), sdk(storage))
    print("| call | ours, µs | SDK, µs | SDK / ours |\n| --- | ---: | ---: | ---: |")
    for name in sides[0]:
        for side in sides:  # imports and connections are no part of a call's cost
            await cost(side[name], 10**6, 20)
        rounds = [[await cost(side[name], n * calls, calls) for side in sides] for n in range(ROUNDS)]
        mine, theirs = (statistics.median(figures) for figures in zip(*rounds, strict=True))
        print(f"| {name} | {mine:.0f} | {theirs:.0f} | {theirs / mine:.1f} |", flush=True)
    await storage.aclose()
    azurite.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
