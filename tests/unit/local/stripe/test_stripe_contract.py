"""The objects are Stripe's: fields and types as published, readable by the SDK."""

import typing
from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from stripe._util import convert_to_stripe_object

from local.stripe.params import _fields
from local.stripe.routes import ROUTES, Route
from local.stripe.world import API_VERSION
from tests.unit.local.stripe.support import BACK, FIELDS, World, mistyped


def _inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every object with an id in it, however deep."""
    if isinstance(value, list):
        for each in value:
            yield from _inside(each)
    if isinstance(value, dict):
        if "id" in value and value.get("object") in FIELDS:
            yield value
        for each in value.values():
            yield from _inside(each)


async def _everything(world: World) -> None:
    """One of each kind, in each state that shows other fields."""
    sdk = world.sdk
    customer = await world.customer("pm_card_visa")
    await world.payment(customer=customer.id, setup_future_usage="off_session")
    await world.payment("pm_card_authenticationRequired")
    await world.payment("pm_card_createDispute")
    with pytest.raises(stripe.CardError):
        await world.payment("pm_card_visa_chargeDeclined")
    held = await world.payment(capture_method="manual")
    await sdk.payment_intents.capture_async(held.id, {"amount_to_capture": 500})
    paid = await world.payment()
    await sdk.refunds.create_async({"payment_intent": paid.id, "amount": 100, "reason": "duplicate"})
    await sdk.setup_intents.create_async({"customer": customer.id})
    await sdk.subscriptions.create_async({"customer": customer.id, "items": [{"price": "price_pro"}], "trial_period_days": 7})
    line = {"price_data": {"currency": "eur", "unit_amount": 700, "product_data": {"name": "Cap"}}, "quantity": 2}
    session = await sdk.checkout.sessions.create_async({"mode": "payment", "line_items": [line], "success_url": BACK})  # type: ignore[list-item]
    await sdk.billing_portal.sessions.create_async({"customer": customer.id})
    await world.http.post(f"/pages/checkout/{session.id}", data={"card": "pm_card_mastercard", "email": "b@example.com"})
    await world.advance(days=9)


async def test_every_object_has_the_published_fields(world: World) -> None:
    await _everything(world)
    found, seen = [], set()
    for kind in FIELDS:
        objects = (await world.http.get(f"/_test/state/{kind}")).json()
        for obj in _inside(objects):
            found += mistyped(obj)
            seen.add(obj["object"])
    assert sorted(set(found)) == []
    session = (await world.http.get("/_test/state/checkout.session")).json()[0]["id"]
    items = (await world.get(f"/v1/checkout/sessions/{session}/line_items")).json()
    assert [problem for obj in _inside(items) for problem in mistyped(obj)] == []
    assert seen | {"item"} == set(FIELDS)


def _breaches(read: Any, at: str) -> Iterator[str]:
    """Where an object as the SDK reads it lacks what the SDK's annotations promise, in all its inner objects too."""
    if isinstance(read, list):
        for each in read:
            yield from _breaches(each, at)
    if not isinstance(read, stripe.StripeObject):
        return
    for name, kind in getattr(type(read), "__annotations__", {}).items():
        optional = type(None) in typing.get_args(kind) or typing.get_origin(kind) is typing.ClassVar
        if not optional and not name.startswith("_") and read._data.get(name) is None:
            yield f"{at}.{name}"
    for name, value in read._data.items():
        yield from _breaches(value, f"{at}.{name}")


async def test_the_fields_that_the_sdk_requires_are_never_null(world: World) -> None:
    await _everything(world)
    found = set()
    for kind in FIELDS:
        for raw in (await world.http.get(f"/_test/state/{kind}")).json():
            read = convert_to_stripe_object(raw, api_mode="V1")
            assert type(read) is not stripe.StripeObject, kind
            found |= set(_breaches(read, kind))
    assert sorted(found) == []


def test_the_version_is_the_pinned_sdks() -> None:
    assert stripe.api_version == API_VERSION


async def test_answers_carry_a_request_id_and_the_version(world: World) -> None:
    answer = await world.get("/v1/customers")
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["stripe-version"] == API_VERSION


async def test_the_prices_of_a_fresh_account(world: World) -> None:
    prices = await world.sdk.prices.list_async({"active": True, "expand": ["data.product"]})
    assert {price.id: price.unit_amount for price in prices.data} == {"price_basic": 900, "price_pro": 2900}
    for price in prices.data:
        assert price.currency == "usd"
        assert price.recurring is not None
        assert price.recurring.interval == "month"
        assert not isinstance(price.product, str)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path.pattern}")
def test_each_route_has_a_declaration_that_can_be_read(route: Route) -> None:
    assert ("expand" in _fields(route.params)) is (route.method != "DELETE" or "subscriptions" in route.path.pattern)


async def test_the_sdk_reaches_each_resource(world: World) -> None:
    """Those calls that no other test makes."""
    sdk = world.sdk
    customer = await world.customer("pm_card_visa")
    product = await sdk.products.create_async({"name": "Cap", "default_price_data": {"currency": "eur", "unit_amount": 500}})
    assert (await sdk.products.update_async(product.id, {"description": "Red"})).description == "Red"
    assert (await sdk.products.retrieve_async(product.id, {"expand": ["default_price"]})).default_price.unit_amount == 500  # type: ignore[union-attr]
    price = await sdk.prices.create_async({"currency": "eur", "unit_amount": 900, "product": product.id, "recurring": {"interval": "year"}})
    assert not (await sdk.prices.update_async(price.id, {"active": False})).active
    assert (await sdk.prices.list_async({"product": product.id, "type": "recurring"})).data[0].id == price.id
    assert len((await sdk.products.list_async({"active": True})).data) == 3
    card = await sdk.payment_methods.create_async({"type": "card", "card": {"token": "tok_visa"}, "billing_details": {"name": "Ann"}})
    await sdk.payment_methods.attach_async(card.id, {"customer": customer.id})
    changed = await sdk.payment_methods.update_async(card.id, {"metadata": {"a": "b"}})
    assert (changed.billing_details.name, changed.metadata.to_dict()) == ("Ann", {"a": "b"})  # type: ignore[union-attr]
    assert (await sdk.customers.payment_methods.retrieve_async(customer.id, card.id)).id == card.id
    paid = await world.payment(customer=customer.id)
    charge = await sdk.charges.update_async(str(paid.latest_charge), {"description": "Caps"})
    assert (await sdk.balance_transactions.retrieve_async(str(charge.balance_transaction))).net == 941
    refund = await sdk.refunds.create_async({"payment_intent": paid.id})
    assert (await sdk.refunds.update_async(refund.id, {"metadata": {"why": "x"}})).metadata.to_dict() == {"why": "x"}  # type: ignore[union-attr]
    assert [each.id for each in (await sdk.refunds.list_async({"payment_intent": paid.id})).data] == [refund.id]
    saved = await sdk.setup_intents.create_async({"customer": customer.id})
    assert (await sdk.setup_intents.update_async(saved.id, {"payment_method": card.id})).status == "requires_confirmation"
    assert (await sdk.setup_intents.cancel_async(saved.id)).status == "canceled"
    assert (await sdk.setup_intents.list_async({"customer": customer.id})).data[0].id == saved.id
    sub = await sdk.subscriptions.create_async(
        {"customer": customer.id, "items": [{"price": "price_pro"}], "collection_method": "send_invoice", "days_until_due": 30}
    )
    invoice = (await sdk.invoices.list_async({"customer": customer.id})).data[0]
    assert (sub.status, invoice.status) == ("active", "open")
    assert len((await sdk.invoices.line_items.list_async(invoice.id)).data) == 1
    assert (await sdk.invoice_payments.list_async({"invoice": invoice.id})).data[0].status == "open"
    assert (await sdk.invoices.pay_async(invoice.id, {"paid_out_of_band": True})).status == "paid"
    await world.control("advance", {"to": sub["items"].data[0].current_period_end})
    drafted = (await sdk.invoices.list_async({"status": "draft"})).data[0]
    assert (await sdk.invoices.update_async(drafted.id, {"description": "Hello"})).description == "Hello"
    assert (await sdk.invoices.finalize_invoice_async(drafted.id)).status == "open"
    assert (await sdk.invoices.void_invoice_async(drafted.id)).status == "void"
    with pytest.raises(stripe.InvalidRequestError):
        await sdk.invoices.finalize_invoice_async(drafted.id)
    event = (await sdk.events.list_async({"type": "invoice.*"})).data[0]
    assert (await sdk.events.retrieve_async(event.id)).type == "invoice.voided"
