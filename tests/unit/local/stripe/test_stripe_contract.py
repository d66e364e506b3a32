"""The objects are Stripe's: fields and types as published, readable by the SDK."""

import typing
from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from stripe._util import convert_to_stripe_object

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
