"""What is removed from the trail, and that the rest still verifies wherever the purge dies."""

from datetime import timedelta

import pytest

from shared_code.audit import tables as rows
from shared_code.audit.heads import Heads
from shared_code.storage.memory_tables import MemoryTables
from shared_code.storage.ports import Insert
from tests.unit.audit.trails import DAY, DAY_SECONDS, Died, Meddling, world


async def test_retention() -> None:
    trail = world(keep_days=3)
    for _ in range(5):
        await trail.record(2)
        await trail.record(1, user_id="bob")
        await trail.sealer.run()
        trail.clock.advance(DAY_SECONDS - 3)
    assert await trail.retention.purge() == 2
    assert await trail.retention.purge() == 0
    assert await rows.days(trail.tables) == ["20260112", "20260113", "20260114"]
    assert len(await trail.tables.query(rows.COPIES, "ada", limit=1000)) == 6
    assert await trail.outcome() == "intact"
    trail.clock.advance(DAY_SECONDS)
    assert await trail.retention.purge() == 1
    assert await trail.outcome() == "intact"
    await trail.tables.drop("audit20260113")
    assert await trail.outcome() == "tampered", "what retention has not signed for was removed"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_death_of_the_purge_at_any_write(when: str) -> None:
    for at in range(1, 40):
        tables = MemoryTables()
        trail = world(tables)
        for _ in range(4):
            await trail.record(2)
            await trail.record(1, user_id="bob")
            await trail.sealer.run()
            trail.clock.advance(DAY_SECONDS)
        dying = Meddling(tables, at, when)
        try:
            await world(dying, trail.clock, keep_days=2).retention.purge()  # type: ignore[arg-type]  # it stands in for Tables
        except Died:
            assert await trail.outcome() == "intact", at
        else:
            assert at == 9
            return
        await world(tables, trail.clock, keep_days=2).retention.purge()
        assert await trail.outcome() == "intact", at
        assert await rows.days(tables) == ["20260112", "20260113"]
        assert len(await tables.query(rows.COPIES, limit=1000)) == 6
        assert len(await tables.query(rows.HEADS, rows.LOG, prefix=rows.DAY)) == 2
    pytest.fail("it never ends")


async def test_a_forged_mark_of_retention_is_not_signed_anew() -> None:
    trail = world(keep_days=3)
    for _ in range(5):
        await trail.record(1)
        await trail.sealer.run()
        trail.clock.advance(DAY_SECONDS)
    forged = {"through": "20260113", "day": "20260113", "seq": 1, "hash": "0" * 64, "signature": "x"}
    await trail.tables.apply(rows.HEADS, rows.LOG, Insert(rows.DROPPED, forged))
    for day in ("20260112", "20260113"):
        await trail.tables.drop(rows.table_of(day))
    assert await trail.outcome() == "tampered"
    assert await trail.retention.purge() == 2
    assert await trail.outcome() == "tampered"


async def test_everything_out_of_retention() -> None:
    trail = world(keep_days=1)
    await trail.record(2)
    await trail.sealer.run()
    trail.clock.advance(9 * DAY_SECONDS)
    assert await trail.retention.purge() == 1
    await trail.record(1)
    await trail.sealer.run()
    [head] = [await Heads(trail.tables).of(day) for day in await rows.days(trail.tables)]
    assert head is not None
    assert head.previous_day == DAY
    assert await trail.outcome() == "intact"


async def test_forgetting_a_user() -> None:
    trail = world()
    await trail.record(120, apart=0.1)
    await trail.record(1, user_id="bob")
    await trail.sealer.run()
    assert await trail.retention.forget("ada") == 120
    assert await trail.retention.forget("ada") == 0
    assert len(await trail.tables.query(rows.COPIES, limit=1000)) == 1
    assert await trail.outcome() == "intact"
    trail.clock.advance(timedelta(days=400).total_seconds())
    assert await trail.retention.purge() == 1
    assert await trail.tables.query(rows.COPIES, limit=1000) == []
