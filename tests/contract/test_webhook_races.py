"""Stripe's events on real storage: two instances acknowledge, process and reconcile at the same time."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from shared_code.errors import Conflict
from shared_code.payments.inbox import PARTITION
from shared_code.payments.objects import INDEX, INDEX_KEY, MIRROR
from shared_code.payments.reconcile import LEASE
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.ports import Delete
from tests.azurite import AzuriteHandle
from tests.contract.conftest import outcomes
from tests.unit.apps import TestContainer
from tests.unit.payments.histories import World
from tests.unit.payments.test_webhooks_crashes import Queue


@dataclass
class Two:
    world: World
    queue: Queue
    apps: list[TestContainer]

    async def customer(self) -> str:
        await self.world.post("/v1/customers", name="Ada")
        return str(self.world.of("customer")[-1]["id"])

    async def pay(self, customer: str) -> None:
        form = {"amount": "500", "currency": "usd", "customer": customer, "confirm": "true", "payment_method": "pm_card_visa"}
        form |= {"automatic_payment_methods[enabled]": "true", "return_url": "https://a.example", "receipt_email": "ada@example.com"}
        await self.world.post("/v1/payment_intents", **form)

    async def receive(self, event: dict[str, Any], number: int) -> bool:
        return await self.apps[number % 2].payments_inbox.receive(json.dumps(event).encode())

    async def process(self) -> None:
        """Both at once handle every message."""
        sent, self.queue.sent = self.queue.sent, []
        messages = [event for service, event in sent if service == "payments"]
        await asyncio.gather(*(app.payments_events.handle(event) for event in messages for app in self.apps))
        self.queue.sent += [each for each in sent if each[0] == "mail"]


@pytest_asyncio.fixture
async def two(azurite: AzuriteHandle) -> AsyncIterator[Two]:
    world, queue = World(), Queue()
    storages = [AzureStorage.from_connection_string(azurite.connection_string) for _ in range(2)]
    yield Two(world, queue, [world.process(storage, queue) for storage in storages])
    await world.aclose()
    for storage in storages:
        await storage.aclose()


async def test_one_of_twenty_deliveries_at_once_is_new(two: Two) -> None:
    await two.pay(await two.customer())
    [event] = [each for each in two.world.of("event") if each["type"] == "payment_intent.succeeded"]
    new = await asyncio.gather(*(two.receive(event, number) for number in range(20)))
    assert sorted(new) == [False] * 19 + [True]
    await two.process()
    stored = await two.apps[0].payments_inbox.find(event["id"])
    assert (stored.status, stored.error) == ("processed", "")
    assert await two.apps[0].storage.tables.query(stored.table, PARTITION, prefix=f"p:{event['id']}") == []
    assert two.queue.keys() == {f"receipt:{stored.object_id}"}


async def test_both_mirror_one_customer_and_count_each_payment_once(two: Two) -> None:
    customer = await two.customer()
    for _ in range(8):
        await two.pay(customer)
    events = two.world.of("event")
    await asyncio.gather(*(two.receive(event, number) for number, event in enumerate(events[::-1])))
    await two.process()
    statuses = {(await two.apps[0].payments_inbox.find(event["id"])).status for event in events}
    assert statuses <= {"processed", "ignored"}
    for app in two.apps:
        totals = await app.payments_mirror.totals(customer)
        assert totals.sums == {"pi usd succeeded": (8, 4000)}
        assert len(await app.payments_mirror.page("payment_intent", customer, limit=50)) == 8


async def test_a_subscription_that_ended_stays_so_whoever_is_slower(two: Two) -> None:
    customer = await two.customer()
    for _ in range(4):
        await two.world.post("/v1/payment_methods/pm_card_visa/attach", customer=customer)
        form = {"items[0][price]": "price_basic", "payment_behavior": "default_incomplete", "customer": customer}
        await two.world.post("/v1/subscriptions", **form)
        sub = str(two.world.of("subscription")[-1]["id"])
        before = len(two.world.of("event"))
        fetches = [app.payments_mirror.sync("subscription", sub) for app in two.apps]
        await two.world.post(f"/v1/subscriptions/{sub}", **{"metadata[a]": "b"})
        await two.world.raw.delete(f"/v1/subscriptions/{sub}")
        told = two.world.of("event")[before:]
        assert told[-1]["type"] == "customer.subscription.deleted"
        await asyncio.gather(*fetches, *(two.receive(event, number) for number, event in enumerate(told[::-1])))
        await two.process()
        record = await two.apps[1].payments_mirror.find("subscription", sub)
        assert record is not None
        assert record.status == two.world.of("subscription")[-1]["status"]
        assert record.status in ("canceled", "incomplete_expired")
    totals = (await two.apps[0].payments_mirror.totals(customer)).sums
    assert sum(count for name, (count, _) in totals.items() if name.startswith("sub ")) == 4


async def test_one_reconciliation_at_a_time(two: Two) -> None:
    customer = await two.customer()
    await two.pay(customer)
    two.world.clock.advance(LEASE.total_seconds())
    for app in two.apps:
        assert (await app.payments_mirror.sync("customer", customer)) is not None
    where = await two.apps[0].storage.tables.get(INDEX, customer, INDEX_KEY)
    assert where is not None
    await two.apps[0].storage.tables.apply(MIRROR, customer, Delete("customer"))
    answers = await outcomes(*(app.payments_reconciliation.run(60) for app in two.apps * 2))
    refused = [answer for answer in answers if isinstance(answer, Conflict)]
    done: list[Any] = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert (len(refused), len(done)) == (3, 1), answers
    assert {each.code for each in refused} == {"reconciliation_running"}
    assert done[0].drifted == 2
    assert (await two.apps[1].payments_mirror.totals(customer)).sums == {"pi usd succeeded": (1, 500)}
