"""Reconciliation: finds every kind of drift, mends it, says why, goes on where it was cut off, and reads a page at a time."""

import asyncio
import tracemalloc
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shared_code.clock import ManualClock
from shared_code.errors import Conflict, UpstreamFailed
from shared_code.payments.objects import INDEX, INDEX_KEY, MIRROR
from shared_code.payments.reconcile import KINDS, LEASE, PAGE, SHOWN, Listed, Reconciliation
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Delete, Merge
from tests.unit.payments.hooks import deliver, events_of, job
from tests.unit.payments.shop import Customer, Shop


async def reconciled(admin: Customer) -> dict[str, Any]:
    answer = await admin.post("/api/payments/reconcile")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["finished"]
    return found


async def furnished(shop: Shop) -> tuple[Customer, Customer, dict[str, Any]]:
    """A user with one object of each kind, all of them mirrored; the administrator; the ids."""
    ada, admin = await shop.user(), await shop.admin()
    paid = await ada.paid()
    refund = await admin.post("/api/refunds/create", payment_intent_id=paid["id"], amount="1")
    subscription = await ada.post("/api/subscriptions/create", price_id="price_basic", trial_period_days=7)
    assert (refund.status_code, subscription.status_code) == (201, 201), (refund.text, subscription.text)
    await deliver(shop, await events_of(shop))
    [invoice] = await shop.at_stripe("invoice")
    ids = {"customer": paid["customer_id"], "payment_intent": paid["id"], "refund": refund.json()["id"]}
    return ada, admin, {**ids, "subscription": subscription.json()["id"], "invoice": invoice["id"]}


async def forget(shop: Shop, identifier: str) -> None:
    """As if it had never been mirrored."""
    tables = shop.app.storage.tables
    where = await tables.get(INDEX, identifier, INDEX_KEY)
    assert where is not None
    await tables.apply(MIRROR, str(where.values["partition"]), Delete(str(where.values["key"])))
    await tables.apply(INDEX, identifier, Delete(INDEX_KEY))


async def alter(shop: Shop, identifier: str, **values: Any) -> None:
    tables = shop.app.storage.tables
    where = await tables.get(INDEX, identifier, INDEX_KEY)
    assert where is not None
    await tables.apply(MIRROR, str(where.values["partition"]), Merge(str(where.values["key"]), values))


async def test_a_run_without_drift_reports_none_and_asks_for_lists_only(shop: Shop) -> None:
    _, admin, _ = await furnished(shop)
    shop.wire.requests.clear()
    report = await reconciled(admin)
    assert (report["drifted"], report["drift"]) == (0, [])
    assert report["checked"] == {"customer": 1, "payment_intent": 1, "refund": 1, "subscription": 1, "invoice": 1, "event": 0}
    assert report["started_at"] <= report["finished_at"]
    assert shop.wire.calls == [
        f"GET /v1/{kind}" for kind in ("customers", "payment_intents", "refunds", "subscriptions", "invoices", "events")
    ]


@pytest.mark.parametrize("kind", ["customer", "payment_intent", "refund", "subscription", "invoice"])
async def test_what_the_mirror_never_heard_of(kind: str, shop: Shop) -> None:
    _, admin, ids = await furnished(shop)
    if kind == "customer":
        await shop.app.storage.tables.apply(INDEX, ids[kind], Delete(INDEX_KEY))
        await shop.app.storage.tables.apply(MIRROR, ids[kind], Delete("customer"))
    else:
        await forget(shop, ids[kind])
    report = await reconciled(admin)
    [drift] = report["drift"]
    assert report["drifted"] == 1
    assert (drift["kind"], drift["id"], drift["fields"]) == (kind, ids[kind], ["missing"])
    assert drift["reason"].startswith("Stripe holds it and the mirror did not")
    assert await shop.app.container.payments_mirror.find(kind, ids[kind]) is not None  # type: ignore[arg-type]
    assert (await reconciled(admin))["drifted"] == 0


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("customer", {"name": "Someone else"}),
        ("payment_intent", {"amount_refunded": 0, "description": "old"}),
        ("refund", {"reason": "duplicate"}),
        ("subscription", {"quantity": 7, "metadata": '{"old":"1"}'}),
        ("invoice", {"amount_paid": 77}),
    ],
)
async def test_what_the_mirror_is_behind_in(kind: str, values: dict[str, Any], shop: Shop) -> None:
    _, admin, ids = await furnished(shop)
    await alter(shop, ids[kind], **values)
    report = await reconciled(admin)
    [drift] = report["drift"]
    assert (drift["kind"], drift["id"], drift["fields"]) == (kind, ids[kind], sorted(values))
    assert drift["reason"] == f"the mirror was behind in {', '.join(sorted(values))}: an event was lost or has not been processed yet"
    assert (await reconciled(admin))["drifted"] == 0


async def test_a_customer_deleted_at_stripe_is_in_no_list(shop: Shop) -> None:
    _, admin, ids = await furnished(shop)
    await shop._control.delete(f"/v1/customers/{ids['customer']}", headers={"Authorization": "Bearer sk_test_x"})
    report = await reconciled(admin)
    assert ("customer", ids["customer"], ["status"]) in [(each["kind"], each["id"], each["fields"]) for each in report["drift"]]
    record = await shop.app.container.payments_mirror.find("customer", ids["customer"])
    assert record is not None
    assert record.status == "deleted"
    assert (await reconciled(admin))["drifted"] == 0, "once mirrored, its event says nothing new"


async def test_an_event_processed_since_the_page_was_read_is_no_drift(shop: Shop) -> None:
    _, admin, ids = await furnished(shop)
    listing = shop.gateway.list_page

    async def then_told(kind: Any, **options: Any) -> Any:
        found = await listing(kind, **options)
        if kind == "payment_intent":
            refund = {"payment_intent": ids["payment_intent"], "amount": 300}
            await shop.gateway.create("refund", refund, key="behind our back")
            await deliver(shop, (await events_of(shop))[-2:])
        return found

    shop.gateway.list_page = then_told  # type: ignore[method-assign]
    assert (await reconciled(admin))["drift"] == []


async def test_by_the_timer_and_on_record(shop: Shop) -> None:
    _, admin, ids = await furnished(shop)
    await forget(shop, ids["refund"])
    await job(shop.app, "payments_reconcile_nightly")(None)
    last = await shop.app.container.payments_reconciliation.last()
    assert last is not None
    assert (last.finished, last.drifted) == (True, 1)
    assert admin.user_id
    trail = [row for table in await shop.app.storage.tables.list_tables("audit20") for row in await shop.app.storage.tables.query(table)]
    assert [row for row in trail if "payments_reconciled" in str(row.values)]


class Paged:
    """A Stripe of one kind of object, of which nothing is mirrored; it fails at a page, if told so."""

    def __init__(self, count: int, clock: ManualClock) -> None:
        self.count, self.clock = count, clock
        self.asked: list[tuple[Listed, str | None, int]] = []
        self.fails_after: int | None = None
        self.takes = 0.0

    async def list_page(
        self, kind: Listed, *, starting_after: str | None, limit: int, params: Mapping[str, Any] | None = None
    ) -> tuple[Sequence[Mapping[str, Any]], bool]:
        if self.fails_after is not None and len(self.asked) >= self.fails_after:
            self.fails_after = None
            raise UpstreamFailed("down", retry_after=5)
        self.asked.append((kind, starting_after, limit))
        self.clock.advance(self.takes)
        if kind != "payment_intent":
            return [], False
        first = int(starting_after or 0) + 1
        ids = range(first, min(first + limit, self.count + 1))
        return [{"id": str(number), "padding": "x" * 2000} for number in ids], first + limit <= self.count

    async def retrieve(self, kind: Any, object_id: str) -> Mapping[str, Any] | None:
        return {"id": object_id}


class NoMirror:
    def __init__(self) -> None:
        self.synced: list[str] = []

    async def differences(self, kind: Any, fetched: Mapping[str, Any]) -> Sequence[str]:
        return ["missing"]

    async def sync(self, kind: Any, object_id: str) -> Mapping[str, Any] | None:
        self.synced.append(object_id)
        return {"id": object_id}


class Trail:
    async def record(self, kind: str, *, user_id: str | None, **details: Any) -> None:
        pass


class Rig:
    def __init__(self, count: int) -> None:
        self.clock = ManualClock()
        self.source, self.mirror = Paged(count, self.clock), NoMirror()
        self.tables = MemoryStorage(self.clock).tables

    def process(self) -> Reconciliation:
        return Reconciliation(tables=self.tables, clock=self.clock, source=self.source, mirror=self.mirror, audit=Trail())  # type: ignore[arg-type]


async def test_page_by_page_in_bounded_memory() -> None:
    rig = Rig(20 * PAGE)
    tracemalloc.start()
    report = await rig.process().run(600)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {limit for _, _, limit in rig.source.asked} == {100}
    assert len(rig.source.asked) == 20 + len(KINDS) - 1
    assert report.checked["payment_intent"] == report.drifted == 20 * PAGE
    assert len(report.drift) == SHOWN, "more are counted and not named"
    assert peak < 2_000_000, "all of them together are 4 MB"


async def test_out_of_time_it_goes_on_with_the_next_call() -> None:
    rig = Rig(5 * PAGE)
    rig.source.takes = 20
    first = await rig.process().run(60)
    assert (first.finished, first.finished_at, first.checked) == (False, None, {"customer": 0, "payment_intent": 200})
    second = await rig.process().run(3600)
    assert (second.finished, second.started_at, second.checked["payment_intent"]) == (True, first.started_at, 500)
    assert rig.mirror.synced == [str(number) for number in range(1, 501)], "nothing twice, nothing left out"


async def test_a_stripe_that_fails_leaves_the_place_and_no_lease() -> None:
    rig = Rig(5 * PAGE)
    rig.source.fails_after = 4
    with pytest.raises(UpstreamFailed):
        await rig.process().run(600)
    assert (await rig.process().run(600)).checked["payment_intent"] == 500
    assert rig.mirror.synced == [str(number) for number in range(1, 501)]


async def test_a_run_that_died_goes_on_at_its_page_when_its_lease_is_over() -> None:
    rig = Rig(5 * PAGE)

    async def dies(kind: Any, object_id: str) -> None:
        rig.mirror.synced.append(object_id)
        if object_id == "250":
            raise asyncio.CancelledError

    mirror = NoMirror()
    rig.mirror.sync = dies  # type: ignore[assignment, method-assign]
    with pytest.raises(asyncio.CancelledError):
        await rig.process().run(600)
    rig.mirror = mirror
    with pytest.raises(Conflict) as caught:
        await rig.process().run(600)
    assert caught.value.code == "reconciliation_running"
    rig.clock.advance(LEASE.total_seconds())
    assert (await rig.process().run(600)).finished
    assert mirror.synced == [str(number) for number in range(201, 501)], "from the third page on"


async def test_one_that_was_taken_for_dead_stops() -> None:
    """It hung in a page for longer than its lease; another has gone on meanwhile."""
    rig = Rig(3 * PAGE)
    slow, entered, go = rig.process(), asyncio.Event(), asyncio.Event()

    class Hanging(NoMirror):
        async def sync(self, kind: Any, object_id: str) -> Mapping[str, Any] | None:
            entered.set()
            await go.wait()
            return await super().sync(kind, object_id)

    slow._mirror = Hanging()
    running = asyncio.create_task(slow.run(600))
    await entered.wait()
    rig.clock.advance(LEASE.total_seconds() + 1)
    assert (await rig.process().run(600)).finished
    go.set()
    with pytest.raises(Conflict):
        await running
    last = await rig.process().last()
    assert last is not None
    assert (last.finished, last.checked["payment_intent"]) == (True, 300)


async def test_two_at_once_are_one(shop: Shop) -> None:
    _, admin, _ = await furnished(shop)
    other = shop.sibling().client(headers=dict(admin.http.headers))
    listing, entered, go = shop.gateway.list_page, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **options: Any) -> Any:
        entered.set()
        await go.wait()
        return await listing(*args, **options)

    shop.gateway.list_page = slow  # type: ignore[method-assign]
    running = asyncio.create_task(admin.post("/api/payments/reconcile"))
    await entered.wait()
    refused = await other.post("/api/payments/reconcile")
    assert (refused.status_code, refused.json()["code"]) == (409, "reconciliation_running")
    go.set()
    assert (await running).json()["finished"]
    assert (await other.post("/api/payments/reconcile")).status_code == 200, "the first is done"
    await other.aclose()
