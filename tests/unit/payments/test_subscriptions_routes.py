"""Customers, saved cards, subscriptions, invoices and Stripe's hosted pages, as their owner sees them."""

import httpx
import pytest

from tests.unit.payments.shop import Customer, Shop


async def with_card(shop: Shop, customer: Customer, card: str = "pm_card_visa") -> str:
    """The id of a card that the customer has saved, as a page does it."""
    setup = (await customer.post("/api/payments/setup-intent")).json()
    params = {"payment_method": card, "return_url": "https://shop.example"}
    await shop.gateway.act("setup_intent", setup["id"], "confirm", params, key=f"save {setup['id']}")
    listed = (await customer.get("/api/payments/methods")).json()["items"]
    return str(listed[0]["id"])


async def test_one_customer_for_a_user(shop: Shop) -> None:
    ada = await shop.user()
    first = await ada.post("/api/customers/create", email="ada@example.com", name="Ada", metadata={"plan": "x"})
    assert first.status_code == 201
    made = first.json()
    assert set(made) == {"id", "email", "name", "metadata", "created_at"}
    assert (made["email"], made["name"], made["metadata"]) == ("ada@example.com", "Ada", {"plan": "x"})
    second = await ada.post("/api/customers/create", email="other@example.com")
    assert (second.status_code, second.json()) == (200, made)
    assert (await ada.get(f"/api/customers/{made['id']}")).json() == made

    changed = await ada.http.patch(
        f"/api/customers/{made['id']}", json={"email": "new@example.com", "name": "Ada L.", "metadata": {"plan": "", "b": "2"}}
    )
    assert changed.json() == {**made, "email": "new@example.com", "name": "Ada L.", "metadata": {"b": "2"}}
    [at_stripe] = await shop.at_stripe("customer")
    assert (at_stripe["email"], at_stripe["name"], at_stripe["metadata"]["b"]) == ("new@example.com", "Ada L.", "2")
    # An empty text unsets what it is given for (https://github.com/stripe/stripe-node/pull/1834).
    await ada.http.patch(f"/api/customers/{made['id']}", json={"name": None})
    assert shop.wire.requests[-1].content == b"name="
    assert (await ada.payment())["customer_id"] == made["id"]


@pytest.mark.parametrize("body", [{}, {"email": "nobody"}, {"email": "a@b.c", "metadata": {"k": None}}, {"email": "a@b.c", "name": ""}])
async def test_no_customers(body: dict[str, object], shop: Shop) -> None:
    ada = await shop.user()
    assert (await ada.post("/api/customers/create", **body)).status_code == 422
    assert await shop.at_stripe("customer") == []


async def test_a_customer_that_was_deleted_at_stripe_is_followed_by_another(shop: Shop) -> None:
    ada = await shop.user()
    first = await ada.paid()
    client = await shop.gateway._opened()
    await client.v1.customers.delete_async(first["customer_id"])
    await shop.app.container.payments_mirror.sync("customer", first["customer_id"])
    second = await ada.paid()
    assert second["customer_id"] != first["customer_id"]
    assert (await ada.payment())["customer_id"] == second["customer_id"]
    assert (await ada.get(f"/api/payments/{first['id']}")).status_code == 200, "what was theirs stays theirs"
    assert (await ada.get("/api/payments/history", customer_id=first["customer_id"])).json()["items"][0]["id"] == first["id"]


async def test_saved_cards(shop: Shop) -> None:
    ada, eve = await shop.user(), await shop.user()
    assert (await ada.get("/api/payments/methods")).json() == {"items": [], "next_cursor": None}
    setup = (await ada.post("/api/payments/setup-intent")).json()
    assert setup["client_secret"].startswith(setup["id"])
    cards = [await with_card(shop, ada, card) for card in ("pm_card_visa", "pm_card_mastercard", "pm_card_amex")]
    page = (await ada.get("/api/payments/methods", limit=2)).json()
    rest = (await ada.get("/api/payments/methods", limit=2, cursor=page["next_cursor"])).json()
    assert [each["id"] for each in page["items"] + rest["items"]] == cards[::-1]
    assert rest["next_cursor"] is None
    newest = page["items"][0]
    assert (newest["type"], newest["brand"], newest["last4"]) == ("card", "amex", "8431")

    assert (await eve.http.delete(f"/api/payments/methods/{cards[0]}")).status_code == 404
    assert (await ada.http.delete(f"/api/payments/methods/{cards[0]}")).status_code == 204
    assert (await ada.http.delete(f"/api/payments/methods/{cards[0]}")).status_code == 404
    assert [each["id"] for each in (await ada.get("/api/payments/methods")).json()["items"]] == cards[:0:-1]


async def test_what_is_on_sale(shop: Shop) -> None:
    client = shop.app.client()
    answer = await client.get("/api/payments/config")
    found = answer.json()
    assert (answer.status_code, found["publishable_key"], found["currency"]) == (200, "pk_test_shown", "usd")
    prices = {price["id"]: price for price in found["prices"]}
    pro = prices["price_pro"]
    assert (pro["product"], pro["amount"], pro["amount_minor"], pro["currency"], pro["interval"]) == ("Pro", "29.00", 2900, "usd", "month")
    await client.get("/api/payments/config")
    assert shop.wire.calls == ["GET /v1/prices"], "known for a minute"
    shop.app.clock.advance(60)
    for n in range(101):
        await shop.gateway.create("price", {"currency": "jpy", "product": "prod_pro", "unit_amount": n + 1}, key=f"price {n}")
    shop.wire.requests.clear()
    prices = {price["id"]: price for price in (await client.get("/api/payments/config")).json()["prices"]}
    assert len(prices) == 103
    assert shop.wire.calls == ["GET /v1/prices"] * 2
    assert {price["amount"] for price in prices.values() if price["currency"] == "jpy"} == {str(n) for n in range(1, 102)}
    shop.app.clock.advance(60)
    await shop.control("faults", {"api": [{"fault": "429"}]})
    assert len((await client.get("/api/payments/config")).json()["prices"]) == 103, "while Stripe is down, those of before"
    await client.aclose()


async def test_a_subscription_paid_with_a_saved_card(shop: Shop) -> None:
    ada = await shop.user()
    await with_card(shop, ada)
    answer = await ada.post("/api/subscriptions/create", "once", price_id="price_basic", quantity=2, metadata={"team": "a"})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["status"], made["price_id"], made["quantity"], made["metadata"]) == ("active", "price_basic", 2, {"team": "a"})
    assert (made["amount"], made["interval"], made["client_secret"]) == ("9.00", "month", None)
    again = await ada.post("/api/subscriptions/create", "once", price_id="price_basic", quantity=2, metadata={"team": "a"})
    assert again.json() == made
    shown = {name: value for name, value in made.items() if name != "client_secret"}
    assert (await ada.get(f"/api/subscriptions/{made['id']}")).json() == shown
    assert (await ada.get("/api/subscriptions")).json()["items"] == [shown]
    assert (await ada.get("/api/subscriptions", status="canceled")).json()["items"] == []
    [invoice] = (await ada.get("/api/invoices")).json()["items"]
    assert (invoice["amount"], invoice["amount_minor"], invoice["status"], invoice["subscription_id"]) == (
        "18.00",
        1800,
        "paid",
        made["id"],
    )

    changed = (
        await ada.post(f"/api/subscriptions/{made['id']}/update", price_id="price_pro", quantity=1, proration_behavior="always_invoice")
    ).json()
    assert (changed["price_id"], changed["quantity"], changed["amount"]) == ("price_pro", 1, "29.00")
    assert len((await ada.get("/api/invoices")).json()["items"]) == 2
    ending = (await ada.post(f"/api/subscriptions/{made['id']}/cancel", at_period_end=True)).json()
    assert (ending["status"], ending["cancel_at_period_end"]) == ("active", True)
    ended = (await ada.post(f"/api/subscriptions/{made['id']}/cancel", at_period_end=False)).json()
    assert ended["status"] == "canceled"
    assert (await ada.post(f"/api/subscriptions/{made['id']}/cancel", at_period_end=False)).json()["status"] == "canceled"
    late = await ada.post(f"/api/subscriptions/{made['id']}/update", quantity=3)
    assert (late.status_code, late.json()["code"]) == (409, "subscription_ended")


async def test_a_subscription_without_a_card_waits_for_a_page(shop: Shop) -> None:
    ada = await shop.user()
    made = (await ada.post("/api/subscriptions/create", price_id="price_basic")).json()
    assert made["status"] == "incomplete"
    assert "_secret_" in made["client_secret"]
    trial = (await ada.post("/api/subscriptions/create", price_id="price_basic", trial_period_days=14)).json()
    assert (trial["status"], trial["client_secret"]) == ("trialing", None)
    assert trial["trial_end"] == "2026-01-15T00:00:00.000Z"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"price_id": "price_none"}, 400, "resource_missing"), ({"price_id": "price_basic", "quantity": 0}, 422, "validation_failed"),
        ({}, 422, "validation_failed"), ({"price_id": "price_basic", "trial_period_days": -1}, 422, "validation_failed"),
    ],
)  # fmt: skip
async def test_no_subscriptions(body: dict[str, object], status: int, code: str, shop: Shop) -> None:
    ada = await shop.user()
    answer = await ada.post("/api/subscriptions/create", **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_another_users_subscription_is_none(shop: Shop) -> None:
    ada, eve, admin = await shop.user(), await shop.user(), await shop.admin()
    made = (await ada.post("/api/subscriptions/create", price_id="price_basic", trial_period_days=14)).json()
    path = f"/api/subscriptions/{made['id']}"
    answers = [await eve.get(path), await eve.post(f"{path}/update", quantity=2), await eve.post(f"{path}/cancel", at_period_end=False)]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "subscription_not_found")] * 3
    assert (await admin.post(f"{path}/update", quantity=2)).json()["quantity"] == 2
    assert (await eve.get("/api/subscriptions/sub_none")).json()["code"] == "subscription_not_found"


async def test_hosted_pages(shop: Shop) -> None:
    ada = await shop.user()

    def url(answer: httpx.Response) -> str:
        assert answer.status_code == 201, answer.text
        assert set(answer.json()) == {"url"}
        return str(answer.json()["url"])

    assert url(await ada.post("/api/payments/portal-session")).startswith("http")
    assert url(await ada.post("/api/payments/checkout-session", price_id="price_pro")).startswith("http")
    body = {
        "amount": 12.50,
        "currency": "eur",
        "description": "Tea",
        "quantity": 2,
        "success_url": "https://a.example/ok",
        "metadata": {"o": "1"},
    }
    assert url(await ada.post("/api/payments/checkout-session", **body)).startswith("http")
    first, second = await shop.at_stripe("checkout.session")
    assert (first["mode"], first["success_url"], second["mode"], second["amount_total"]) == (
        "subscription",
        "https://shop.example/",
        "payment",
        2500,
    )
    assert second["success_url"] == "https://a.example/ok"
    for wrong, code in (
        ({}, "validation_failed"),
        ({"amount": "1", "price_id": "price_pro"}, "validation_failed"), ({"price_id": "price_x"}, "price_not_found"),
        ({"amount": "1", "success_url": "javascript:alert(1)"}, "validation_failed"), ({"amount": "1.001"}, "invalid_amount"),
    ):  # fmt: skip
        answer = await ada.post("/api/payments/checkout-session", **wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_trial_is_had_once_and_not_for_years(shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    long = await ada.post("/api/subscriptions/create", price_id="price_pro", trial_period_days=31)
    assert (long.status_code, long.json()["code"]) == (422, "trial_too_long")
    first = await ada.post("/api/subscriptions/create", price_id="price_pro", trial_period_days=30)
    assert (first.status_code, first.json()["status"]) == (201, "trialing")
    again = await ada.post("/api/subscriptions/create", price_id="price_basic", trial_period_days=1)
    assert (again.status_code, again.json()["code"]) == (422, "trial_used")
    given = await admin.post(
        "/api/subscriptions/create", price_id="price_basic", trial_period_days=365, customer_id=first.json()["customer_id"]
    )
    assert given.status_code == 201, "an administrator may"
