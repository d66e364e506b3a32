"""Webhooks: signed as the SDK checks them, tried again, with faults on demand."""

import asyncio
import time
from pathlib import Path

import pytest
import stripe

from local.stripe.server import StripeServer
from local.stripe.webhooks import sign
from tests.unit.local.stripe.support import SECRET, Receiver, World


async def test_signed_snapshots(world: World) -> None:
    customer = await world.sdk.customers.create_async({"email": "a@example.com"})
    await world.sdk.customers.update_async(customer.id, {"name": "Ann", "metadata": {"k": "v"}})
    await world.sdk.customers.update_async(customer.id, {"name": "Ann"})  # no change, no event
    sent = await world.control("deliver")
    assert [(each["type"], each["response"]) for each in sent] == [("customer.created", 200), ("customer.updated", 200)]
    body, headers = world.received.bodies[1], world.received.headers[1]
    event = stripe.Webhook.construct_event(body, headers["stripe-signature"], SECRET)
    assert (event.id, event.data.object["name"]) == (sent[1]["event"], "Ann")
    assert world.received.events[1]["data"]["previous_attributes"] == {"name": None, "metadata": {"k": None}}
    assert world.received.events[0]["data"]["object"]["name"] is None
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", headers["stripe-signature"], SECRET)


def test_two_secrets_while_one_is_rolled() -> None:
    header = sign(b"{}", ["whsec_" + "old", "whsec_" + "new"], int(time.time()))
    assert header.count("v1=") == 2
    for secret in ("whsec_" + "old", "whsec_" + "new"):
        assert stripe.WebhookSignature.verify_header("{}", header, secret, 300)


async def test_by_hand_in_any_order_and_as_often(world: World) -> None:
    for _ in range(3):
        await world.sdk.customers.create_async({})
    events = [row["event"] for row in (await world.http.get("/_test/deliveries")).json()]
    order = [events[2], events[0], events[2]]
    await world.control("deliver", {"ids": order})
    assert [event["id"] for event in world.received.events] == order
    assert [row["status"] for row in (await world.http.get("/_test/deliveries")).json()] == ["delivered", "pending", "delivered"]


async def test_faults(world: World) -> None:
    await world.control("faults", {"webhooks": {"drop": 1, "duplicate": 1, "same_second": 3}})
    for _ in range(3):
        world.time += 5
        await world.sdk.customers.create_async({})
    rows = (await world.http.get("/_test/deliveries")).json()
    assert [row["status"] for row in rows] == ["dropped", "pending", "pending", "pending"]
    assert rows[0]["event"] != rows[1]["event"] == rows[2]["event"] != rows[3]["event"]
    events = (await world.http.get("/_test/state/event")).json()
    assert len({event["created"] for event in events}) == 1
    await world.http.delete("/_test/faults")


async def test_delivery_goes_on_until_the_app_is_there() -> None:
    world = World()
    there = asyncio.Event()

    class Late(Receiver):
        async def __call__(self, body: bytes, headers: dict[str, str]) -> int:
            await super().__call__(body, headers)
            if len(self.events) == 1:
                raise ConnectionRefusedError
            there.set()
            return 204

    received = Late()
    server = StripeServer(webhook_secret=SECRET, send=received)
    server.webhooks.pauses = (0,)
    await server.start()
    customer = server.world.new("customer", "cus")
    server.world.emit("customer.created", customer)
    server.world.store.commit()
    server.webhooks.wake()
    await asyncio.wait_for(there.wait(), 5)
    assert received.events[0]["id"] == received.events[1]["id"]
    await server.stop()
    await world.http.aclose()


async def test_the_state_outlives_the_process(tmp_path: Path) -> None:
    first = World(data=tmp_path / "stripe.sqlite3")
    customer = (await first.post("/v1/customers", "email=ann@example.com")).json()["id"]
    await first.post("/v1/customers", "name=Bob", **{"idempotency-key": "k"})
    await first.server.stop()
    second = World(data=tmp_path / "stripe.sqlite3")
    assert (await second.get(f"/v1/customers/{customer}")).json()["email"] == "ann@example.com"
    assert len((await second.get("/v1/prices")).json()["data"]) == 2
    again = await second.post("/v1/customers", "name=Bob", **{"idempotency-key": "k"})
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await second.control("deliver")) == 2
    await second.control("reset")
    assert (await second.get("/v1/customers")).json()["data"] == []
    await second.server.stop()
