"""The audit trail on a real Table service: writers and several sealers at once, then somebody who alters a row."""

import asyncio

from shared_code.audit import tables as rows
from shared_code.audit.trail import Filter
from shared_code.clock import ManualClock
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.ports import Delete
from tests.unit.audit.trails import START, World, world

WRITERS, SEALERS, EACH = 3, 3, 45


async def test_writers_and_sealers_at_once(azure: AzureStorage) -> None:
    clock = ManualClock(START)
    trails = [world(azure.tables, clock) for _ in range(max(WRITERS, SEALERS))]
    done = asyncio.Event()

    async def write(number: int) -> None:
        for _ in range(EACH):
            await trails[number].record(1, user_id=f"user {number}/é")

    async def seal(trail: World) -> None:
        while not done.is_set():
            await trail.sealer.run()

    sealing = [asyncio.create_task(seal(trail)) for trail in trails[:SEALERS]]
    await asyncio.gather(*(write(number) for number in range(WRITERS)))
    done.set()
    await asyncio.gather(*sealing)
    trail = trails[0]
    await trail.record(2, user_id=None)
    listed = await trail.trail.own("user 1/é", Filter(), after=None, limit=100)
    assert len(listed.events) == EACH
    await trail.sealer.sweep()
    day = rows.day_of(START)
    log = await trail.log(day)
    assert sorted(int(str(row.values["seq"])) for row in log) == list(range(1, WRITERS * EACH + 3))
    report = await trail.verify(day)
    assert (report.outcome, report.sealed, report.findings) == ("intact", WRITERS * EACH + 2, [])
    everyone = await trail.trail.everyone(Filter(), after=None, limit=200)
    assert [event.id for event in everyone.events] == [rows.id_of(row) for row in reversed(log)]

    await azure.tables.apply(rows.table_of(day), rows.LOG, Delete(next(row.key for row in log if row.values.get("user_id") == "user 1/é")))
    report = await trail.verify(day)
    assert report.outcome == "tampered"
    assert await trail.retention.forget("user 1/é") == EACH
    clock.advance(400 * 86_400)
    assert await trail.retention.purge() == 1
    assert await rows.days(azure.tables) == []
    assert await azure.tables.query(rows.COPIES) == [], "the copies go before the day does, that of the removed row with its user"
