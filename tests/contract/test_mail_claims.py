"""One message, many who would send it: whose row it is decides, on ETags as they really are."""

from datetime import UTC, datetime
from uuid import uuid4

from shared_code import ids
from shared_code.clock import ManualClock
from shared_code.mail.orders import ATTEMPTS, Order
from shared_code.mail.records import LEASE, BeingSent, Claim, Records
from shared_code.storage.ports import Storage
from tests.contract.conftest import outcomes

NOBODY_ELSES_DAY = datetime(2031, 5, 5, 12, tzinfo=UTC)


def claims(results: list[object]) -> list[Claim]:
    assert all(isinstance(result, Claim | BeingSent) or result is None for result in results), results
    return [result for result in results if isinstance(result, Claim)]


async def test_one_of_eight_has_it(storage: Storage) -> None:
    clock = ManualClock(NOBODY_ELSES_DAY)
    records = [Records(storage.tables, clock) for _ in range(8)]
    order = Order(ids.new_id(clock.now()), "ada@example.com", None, "alert", {}, key=uuid4().hex)

    async def all_claim(wanted: Order) -> list[Claim]:
        return claims(await outcomes(*(each.claim(wanted) for each in records)))

    [died] = await all_claim(order)
    assert await all_claim(order) == [], "he may be at work"
    clock.advance(LEASE.total_seconds())
    [claim] = await all_claim(order)
    await records[0].finish(order, died, "sent")
    await records[1].finish(order.next(), claim, "waiting")
    assert await records[2].claim(order) is None, "the next attempt is on its way: who was replaced has said nothing"
    [claim] = await all_claim(order.next())
    await records[3].finish(order.next(), claim, "failed")
    assert await all_claim(order.next()) == []
    replay = order.next().again()
    assert replay.attempt == ATTEMPTS
    [claim] = await all_claim(replay)
    await records[4].finish(replay, claim, "sent")
    assert await all_claim(replay.next()) == []
