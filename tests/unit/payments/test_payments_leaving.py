"""A customer who leaves, and one who asks for what is stored: payments' part of both, from the request on."""

import io
import json
import zipfile
from typing import Any

from shared_code.auth.deletion import DELETIONS, SETTLED
from tests.unit.apps import PASSWORD
from tests.unit.payments.shop import Customer, Shop


async def subscribed(shop: Shop) -> tuple[Customer, dict[str, Any]]:
    ada = await shop.user("ada@example.com")
    await ada.paid("49.99")
    made = await ada.post("/api/subscriptions/create", price_id="price_basic")
    assert made.status_code == 201, made.text
    return ada, made.json()


async def leave(shop: Shop, customer: Customer) -> None:
    answer = await customer.http.request("DELETE", "/api/auth/me", json={"password": PASSWORD})
    assert answer.status_code == 204, answer.text
    await shop.app.settled()


async def test_who_leaves_pays_no_more_and_is_nobody_to_stripe(shop: Shop) -> None:
    ada, subscription = await subscribed(shop)
    bob = await shop.user()
    await bob.paid("5.00")
    await leave(shop, ada)
    [at_stripe] = await shop.at_stripe("subscription")
    assert (at_stripe["id"], at_stripe["status"]) == (subscription["id"], "canceled")
    customers = {customer["id"]: customer for customer in await shop.at_stripe("customer")}
    gone = customers.pop(subscription["customer_id"])
    assert (gone["email"], gone["name"], gone["metadata"]) == ("deleted@account.invalid", "Deleted account", {})
    [other] = customers.values()
    assert other["email"], "others are untouched"
    shop.app.clock.advance(SETTLED.total_seconds() + 1)
    await shop.app.container.deletion.run()
    await shop.app.settled()
    assert await shop.app.storage.tables.query(DELETIONS, "pending") == []
    again = await shop.user("ada@example.com")
    assert (await again.get("/api/payments/history")).json()["items"] == [], "a new account with the same address has no past"


async def test_while_stripe_is_down_the_account_is_closed_and_the_rest_waits(shop: Shop) -> None:
    ada, _ = await subscribed(shop)
    await shop.control("faults", {"api": [{"fault": "500", "count": 1000}]})
    await leave(shop, ada)
    assert (await ada.get("/api/auth/me")).status_code == 401
    [pending] = await shop.app.storage.tables.query(DELETIONS, "pending")
    assert "payments" in str(pending.values["waiting"])
    shop.stripe.control._delete_faults({}, "")
    for _ in range(4):
        shop.app.clock.advance(8 * 3600)
        await shop.app.container.deletion.run()
        await shop.app.settled()
    assert await shop.app.storage.tables.query(DELETIONS, "pending") == []
    assert [each["status"] for each in await shop.at_stripe("subscription")] == ["canceled"]


async def test_nobody_waits_for_payments_who_never_paid(shop: Shop) -> None:
    ada = await shop.user()
    await leave(shop, ada)
    [pending] = await shop.app.storage.tables.query(DELETIONS, "pending")
    assert pending.values["waiting"] == ""
    assert shop.wire.requests == []


async def test_the_archive_holds_what_was_paid_and_no_secret(shop: Shop) -> None:
    ada, subscription = await subscribed(shop)
    bob = await shop.user()
    await bob.paid("5.00")
    shop.wire.requests.clear()
    answer = await ada.get("/api/auth/export")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    found = json.loads(archive.read("payments.json"))
    assert shop.wire.requests == [], "Stripe is not asked"
    assert found["customer"]["email"] == "ada@example.com"
    assert "49.99" in [payment["amount"] for payment in found["payments"]]
    assert {payment["client_secret"] for payment in found["payments"]} == {None}
    assert {payment["customer_id"] for payment in found["payments"]} == {subscription["customer_id"]}
    assert [each["id"] for each in found["subscriptions"]] == [subscription["id"]]
    assert "payments.json" not in zipfile.ZipFile(io.BytesIO((await (await shop.user()).get("/api/auth/export")).content)).namelist()
