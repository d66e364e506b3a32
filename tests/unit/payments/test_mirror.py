"""The mirror's one rule: whoever was overtaken asks again, so that an earlier fetch never replaces a later one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from shared_code.clock import ManualClock
from shared_code.payments.mirror import Mirror
from shared_code.payments.objects import MIRROR, key_of, values_of
from shared_code.payments.ports import Answer, Kind, Object
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Delete, Insert, Operation, Tables
from tests.unit.apps import until


def payment(
    identifier: str = "pi_1", status: str = "processing", *, customer: str | None = "cus_1", created: int = 1_700_000_000, **more: Any
) -> dict[str, Any]:
    return {
        "id": identifier,
        "object": "payment_intent",
        "status": status,
        "customer": customer,
        "created": created,
        "amount": 500,
        "currency": "usd",
        **more,
    }


class FakeStripe:
    """What Stripe holds now, and a way to be slow: each retrieval waits for its turn, holding what it has seen."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.fetches = 0
        self.seen: Callable[[int], Any] | None = None

    async def retrieve(self, kind: Kind, object_id: str) -> Object | None:
        found = self.objects.get(object_id)
        copy = dict(found) if found else None
        self.fetches += 1
        if self.seen is not None:
            await self.seen(self.fetches)
        return copy


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.tables: Tables = MemoryStorage(self.clock).tables
        self.stripe = FakeStripe()
        self.mirror, self.other = (Mirror(self.tables, self.stripe, self.clock) for _ in range(2))  # type: ignore[arg-type]  # it is only asked to retrieve

    async def sums(self, customer: str = "cus_1") -> Mapping[str, tuple[int, int]]:
        return {name: pair for name, pair in (await self.mirror.totals(customer)).sums.items() if pair != (0, 0)}


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("present", [False, True])
@pytest.mark.parametrize("back", [False, True])
async def test_an_older_fetch_never_replaces_a_newer_one(present: bool, back: bool, world: World) -> None:
    """Two processes; the first has fetched and sleeps while Stripe's object changes and the second mirrors it.
    ``back``: it changes to what the mirror held all the time."""
    if present:
        world.stripe.objects["pi_1"] = payment(status="succeeded" if back else "requires_action")
        await world.mirror.sync("payment_intent", "pi_1")
    world.stripe.objects["pi_1"] = payment(status="processing")
    go_on = asyncio.Event()
    before = world.stripe.fetches

    async def first_waits(fetch: int) -> None:
        if fetch == before + 1:
            await go_on.wait()

    world.stripe.seen = first_waits
    slow = asyncio.create_task(world.mirror.sync("payment_intent", "pi_1"))
    await until(lambda: world.stripe.fetches > before)
    world.stripe.objects["pi_1"] = payment(status="succeeded")
    await world.other.sync("payment_intent", "pi_1")
    go_on.set()
    fetched = await slow
    assert fetched is not None
    assert fetched["status"] == "succeeded"
    record = await world.mirror.find("payment_intent", "pi_1")
    assert record is not None
    assert record.status == "succeeded"
    assert await world.sums() == {"pi usd succeeded": (1, 500)}


async def test_those_who_ask_meanwhile_share_the_next_fetch(world: World) -> None:
    world.stripe.objects["pi_1"] = payment()
    first, *others = await asyncio.gather(*(world.mirror.sync("payment_intent", "pi_1") for _ in range(20)))
    assert all(other == first for other in others)
    assert world.stripe.fetches <= 2


async def test_an_answer_that_others_overtook_is_fetched_again(world: World) -> None:
    world.stripe.objects["pi_1"] = payment(status="requires_action")
    known = await world.mirror.refresh("payment_intent", "pi_1")
    answer = Answer(payment(status="processing"))
    world.stripe.objects["pi_1"] = payment(status="succeeded")
    await world.other.sync("payment_intent", "pi_1")
    assert (await world.mirror.take("payment_intent", answer, known)).status == "succeeded"
    assert (await world.mirror.take("payment_intent", answer, None)).status == "succeeded"
    assert (await world.mirror.take("payment_intent", Answer(answer.object, replayed=True), known)).status == "succeeded"


async def test_what_stripe_knows_no_more_stays(world: World) -> None:
    world.stripe.objects["pi_1"] = payment(status="succeeded")
    await world.mirror.sync("payment_intent", "pi_1")
    del world.stripe.objects["pi_1"]
    assert await world.mirror.sync("payment_intent", "pi_1") is None
    assert await world.mirror.find("payment_intent", "pi_1") is not None


async def test_a_payment_that_gets_its_customer_moves(world: World) -> None:
    world.stripe.objects["pi_1"] = payment(customer=None)
    record = await world.mirror.refresh("payment_intent", "pi_1")
    assert record is not None
    assert record.customer_id is None
    world.stripe.objects["pi_1"] = payment(customer="cus_1", status="succeeded")
    await world.mirror.sync("payment_intent", "pi_1")
    assert await world.sums("-") == {}
    assert await world.sums() == {"pi usd succeeded": (1, 500)}
    assert await world.mirror.page("payment_intent", "-", limit=10) == []
    assert [each.id for each in await world.mirror.page("payment_intent", "cus_1", limit=10)] == ["pi_1"]


async def test_the_totals_are_exact_whatever_happens_at_once(world: World) -> None:
    """Two processes mirror thirty objects of one customer, each of them several times and in changing states."""
    ids = [f"pi_{n}" for n in range(30)]
    for round_, status in enumerate(("processing", "requires_action", "succeeded")):
        world.stripe.objects.update({identifier: payment(identifier, status, amount=100 + round_) for identifier in ids})
        await asyncio.gather(*(mirror.sync("payment_intent", each) for each in ids for mirror in (world.mirror, world.other)))
    world.stripe.objects["re_1"] = {
        "id": "re_1",
        "created": 1,
        "amount": 7,
        "currency": "usd",
        "status": "pending",
        "payment_intent": "pi_3",
    }
    await world.mirror.sync("refund", "re_1")
    assert await world.sums() == {"pi usd succeeded": (30, 30 * 102), "re usd pending": (1, 7)}


async def test_a_cut_between_index_and_row_heals(world: World) -> None:
    world.stripe.objects["pi_1"] = payment()
    await world.mirror.sync("payment_intent", "pi_1")
    row = await world.tables.get(MIRROR, "cus_1", (await world.mirror.page("payment_intent", "cus_1", limit=1))[0].key)
    assert row is not None
    await world.tables.apply(MIRROR, "cus_1", Delete(row.key))
    assert await world.mirror.find("payment_intent", "pi_1") is None
    assert await world.mirror.differences("payment_intent", world.stripe.objects["pi_1"]) == ["missing"]
    await world.mirror.sync("payment_intent", "pi_1")
    assert await world.mirror.differences("payment_intent", world.stripe.objects["pi_1"]) == []
    assert await world.mirror.differences("payment_intent", payment(status="canceled")) == ["status"]


async def test_a_page_costs_one_call_however_many_there_are(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Operation] = []
    for n in range(2000):
        world.stripe.objects[f"pi_{n}"] = payment(f"pi_{n}", created=1_700_000_000 + n)
    for n in range(0, 2000, 100):
        some = [world.stripe.objects[f"pi_{m}"] for m in range(n, n + 100)]
        rows = [Insert(key_of("payment_intent", each), values_of("payment_intent", each)) for each in some]
        await world.tables.batch(MIRROR, "cus_1", rows)
    calls: list[int] = []
    query = world.tables.query

    async def counted(*args: Any, **options: Any) -> Sequence[Any]:
        found = await query(*args, **options)
        calls.append(len(found))
        return found

    monkeypatch.setattr(world.tables, "query", counted)
    page = await world.mirror.page("payment_intent", "cus_1", limit=20, since=1_700_000_100, until=1_700_001_900)
    assert [each.id for each in page] == [f"pi_{n}" for n in range(1899, 1879, -1)]
    assert calls == [20]
