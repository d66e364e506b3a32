"""Subscriptions and their invoices, over months."""

from typing import Any

import pytest
import stripe

from tests.unit.local.stripe.support import World

DAY = 86400


async def _subscribe(world: World, customer: str, **more: Any) -> stripe.Subscription:
    return await world.sdk.subscriptions.create_async({"customer": customer, "items": [{"price": "price_basic"}], **more})  # type: ignore[arg-type]


async def _status(world: World, sub: stripe.Subscription) -> str:
    return str((await world.sdk.subscriptions.retrieve_async(sub.id)).status)


async def _invoices(world: World, sub: stripe.Subscription) -> list[tuple[Any, Any, Any]]:
    found = await world.sdk.invoices.list_async({"subscription": sub.id})
    return [(each.billing_reason, each.status, each.amount_due) for each in found.data]


async def test_paid_at_once_then_each_month(world: World) -> None:
    customer = await world.customer("pm_card_visa")
    sub = await _subscribe(world, customer.id, expand=["latest_invoice.payments.data.payment.payment_intent"])
    invoice: Any = sub.latest_invoice
    assert (sub.status, invoice.status, invoice.amount_paid) == ("active", "paid", 900)
    assert invoice.payments.data[0].payment.payment_intent.status == "succeeded"
    assert invoice.parent.subscription_details.subscription == sub.id
    assert (await world.types())[-1] == "customer.subscription.created"
    await world.advance(days=31)
    item = (await world.sdk.subscriptions.retrieve_async(sub.id))["items"].data[0]
    assert item.current_period_start == sub["items"].data[0].current_period_end
    assert await _invoices(world, sub) == [("subscription_cycle", "paid", 900), ("subscription_create", "paid", 900)]


async def test_a_renewal_is_a_draft_for_an_hour(world: World) -> None:
    sub = await _subscribe(world, (await world.customer("pm_card_visa")).id)
    end = sub["items"].data[0].current_period_end
    await world.control("advance", {"to": end})
    assert (await _invoices(world, sub))[0] == ("subscription_cycle", "draft", 900)
    await world.advance(hours=1)
    assert (await _invoices(world, sub))[0] == ("subscription_cycle", "paid", 900)


async def test_payment_behaviours(world: World) -> None:
    failing = await world.customer("pm_card_chargeCustomerFail")
    with pytest.raises(stripe.CardError):
        await _subscribe(world, failing.id, payment_behavior="error_if_incomplete")
    assert (await world.sdk.subscriptions.list_async({"status": "all"})).data == []
    assert (await _subscribe(world, failing.id)).status == "incomplete"
    bare = await world.customer()
    sub = await _subscribe(world, bare.id, payment_behavior="default_incomplete", expand=["latest_invoice.confirmation_secret"])
    secret = sub.latest_invoice.confirmation_secret.client_secret  # type: ignore[union-attr]
    intent = secret.partition("_secret_")[0]
    await world.sdk.payment_intents.confirm_async(intent, {"payment_method": "pm_card_visa"})
    assert await _status(world, sub) == "active"
    asking = await world.customer("pm_card_authenticationRequired")
    waits = await _subscribe(world, asking.id)
    assert waits.status == "incomplete"
    await world.advance(days=1)
    assert await _status(world, waits) == "incomplete_expired"


async def test_a_trial(world: World) -> None:
    customer = await world.customer("pm_card_visa")
    sub = await _subscribe(world, customer.id, trial_period_days=14)
    assert (sub.status, sub.trial_end) == ("trialing", sub.created + 14 * DAY)
    assert await _invoices(world, sub) == [("subscription_create", "paid", 0)]
    await world.advance(days=11)
    assert "customer.subscription.trial_will_end" in await world.types()
    await world.advance(days=4)
    assert await _status(world, sub) == "active"
    assert (await _invoices(world, sub))[0] == ("subscription_cycle", "paid", 900)


async def test_a_trial_without_a_card_ends_as_told(world: World) -> None:
    customer = await world.customer()
    settings = {"end_behavior": {"missing_payment_method": "cancel"}}
    ends = await _subscribe(world, customer.id, trial_period_days=3, trial_settings=settings)
    dunned = await _subscribe(world, customer.id, trial_period_days=3)
    assert ends.pending_setup_intent is not None
    await world.advance(days=4)
    assert (await _status(world, ends), await _status(world, dunned)) == ("canceled", "past_due")


async def test_dunning_and_recovery(world: World) -> None:
    customer = await world.customer("pm_card_visa")
    sub, other = await _subscribe(world, customer.id), await _subscribe(world, (await world.customer("pm_card_visa")).id)
    for owner in (sub.customer, other.customer):
        bad = await world.sdk.payment_methods.attach_async("pm_card_chargeCustomerFail", {"customer": str(owner)})
        await world.sdk.customers.update_async(str(owner), {"invoice_settings": {"default_payment_method": bad.id}})
    await world.advance(days=32)
    assert await _status(world, sub) == await _status(world, other) == "past_due"
    good = await world.sdk.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
    invoice = (await world.sdk.invoices.list_async({"subscription": sub.id, "status": "open"})).data[0]
    assert invoice.next_payment_attempt is not None
    with pytest.raises(stripe.CardError):
        await world.sdk.invoices.pay_async(invoice.id)
    assert (await world.sdk.invoices.pay_async(invoice.id, {"payment_method": good.id})).status == "paid"
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        await world.sdk.invoices.pay_async(invoice.id)
    await world.advance(days=16)
    assert (await _status(world, sub), await _status(world, other)) == ("active", "canceled")
    ended = await world.sdk.subscriptions.retrieve_async(other.id)
    assert ended.cancellation_details.reason == "payment_failed"  # type: ignore[union-attr]


async def test_cancel_now_and_at_period_end(world: World) -> None:
    customer = await world.customer("pm_card_visa")
    now, later = await _subscribe(world, customer.id), await _subscribe(world, customer.id)
    gone = await world.sdk.subscriptions.cancel_async(now.id)
    assert (gone.status, gone.ended_at) == ("canceled", gone.canceled_at)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await world.sdk.subscriptions.cancel_async(now.id)
    assert refused.value.http_status == 404
    with pytest.raises(stripe.InvalidRequestError, match="canceled subscription"):
        await world.sdk.subscriptions.update_async(now.id, {"cancel_at_period_end": True})
    set_ = await world.sdk.subscriptions.update_async(later.id, {"cancel_at_period_end": True})
    assert (set_.status, set_.cancel_at) == ("active", later["items"].data[0].current_period_end)
    kept = await world.sdk.subscriptions.update_async(later.id, {"cancel_at_period_end": False})
    assert (kept.cancel_at, kept.canceled_at) == (None, None)
    await world.sdk.subscriptions.update_async(later.id, {"cancel_at_period_end": True})
    await world.advance(days=32)
    assert await _status(world, later) == "canceled"
    assert len(await _invoices(world, later)) == 1
    assert [each.id for each in (await world.sdk.subscriptions.list_async({"customer": customer.id})).data] == []


@pytest.mark.parametrize(
    ("behavior", "now", "next_"), [("create_prorations", 900, 3900), ("always_invoice", 1000, 2900), ("none", 900, 2900)]
)
async def test_proration(world: World, behavior: Any, now: int, next_: int) -> None:
    """Half a period of Basic at 9 is given back, and half of Pro at 29 taken: 10 more."""
    sub = await _subscribe(world, (await world.customer("pm_card_visa")).id)
    item = sub["items"].data[0]
    await world.control("advance", {"to": (item.current_period_start + item.current_period_end) // 2})
    await world.sdk.subscriptions.update_async(
        sub.id, {"items": [{"id": item.id, "price": "price_pro"}], "proration_behavior": behavior, "metadata": {"a": "b"}}
    )
    event: Any = (await world.sdk.events.list_async({"type": "customer.subscription.updated"})).data[0]
    assert event.data.previous_attributes["items"]["data"][0]["price"]["id"] == "price_basic"
    assert (await _invoices(world, sub))[0][2] == now
    await world.advance(days=20)
    assert (await _invoices(world, sub))[0] == ("subscription_cycle", "paid", next_)


async def test_an_item_without_its_id_is_one_more(world: World) -> None:
    sub = await _subscribe(world, (await world.customer("pm_card_visa")).id)
    with pytest.raises(stripe.InvalidRequestError, match="same price"):
        await world.sdk.subscriptions.update_async(sub.id, {"items": [{"price": "price_basic", "quantity": 3}]})
    more = await world.sdk.subscriptions.update_async(sub.id, {"items": [{"price": "price_pro"}]})
    assert len(more["items"].data) == 2


async def test_a_trial_is_ended_or_moved(world: World) -> None:
    customer = await world.customer("pm_card_visa")
    sdk = world.sdk.subscriptions
    sub, other = [await _subscribe(world, customer.id, trial_period_days=14) for _ in range(2)]
    assert (await sdk.update_async(sub.id, {"trial_end": "now"})).status == "active"
    assert (await _invoices(world, sub))[0] == ("subscription_cycle", "paid", 900)
    later = int(world.time) + 20 * DAY
    moved = await sdk.update_async(other.id, {"trial_end": later})
    assert (moved.status, moved.trial_end, moved["items"].data[0].current_period_end) == ("trialing", later, later)
    for past in (later - 30 * DAY, 5):
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.update_async(other.id, {"trial_end": past})
    item = moved["items"].data[0].id
    await sdk.update_async(other.id, {"items": [{"id": item, "price": "price_pro", "quantity": 2}]})  # free as yet: no proration
    await world.advance(days=21)
    assert (await _invoices(world, other))[0] == ("subscription_cycle", "paid", 5800)


async def test_another_interval_begins_at_once(world: World) -> None:
    yearly = await world.sdk.prices.create_async(
        {"currency": "usd", "unit_amount": 9000, "product": "prod_basic", "recurring": {"interval": "year"}}
    )
    sub = await _subscribe(world, (await world.customer("pm_card_visa")).id)
    item = sub["items"].data[0]
    await world.control("advance", {"to": (item.current_period_start + item.current_period_end) // 2})
    changed = await world.sdk.subscriptions.update_async(sub.id, {"items": [{"id": item.id, "price": yearly.id}]})
    now = (await world.http.get("/_test/state")).json()["now"]
    new = changed["items"].data[0]
    assert (new.current_period_start, changed.billing_cycle_anchor) == (now, now)
    assert 365 * DAY <= new.current_period_end - now <= 366 * DAY
    assert (await _invoices(world, sub))[0] == ("subscription_update", "paid", 9000 - 450)


async def test_items_and_dates_that_are_refused(world: World) -> None:
    sub = await _subscribe(world, (await world.customer("pm_card_visa")).id)
    item = sub["items"].data[0].id
    wrong: list[Any] = [
        {"items": [{"id": "si_none", "quantity": 2}]},
        {"items": [{"id": item, "deleted": True}]},
        {"items": [{"id": item, "price": "price_none"}]},
        {"items": [{"id": item, "quantity": -1}]},
        {"cancel_at": 5},
        {"cancel_at": 2_000_000_000, "cancel_at_period_end": True},
        {"default_payment_method": "pm_none"},
    ]
    for given in wrong:
        with pytest.raises(stripe.InvalidRequestError):
            await world.sdk.subscriptions.update_async(sub.id, given)
    assert (await world.sdk.subscriptions.retrieve_async(sub.id)).to_dict() == sub.to_dict()
    two = await world.sdk.subscriptions.update_async(sub.id, {"items": [{"price": "price_pro"}], "proration_behavior": "none"})
    one = await world.sdk.subscriptions.update_async(sub.id, {"items": [{"id": item, "deleted": True}], "proration_behavior": "none"})
    assert (len(two["items"].data), [each.price.id for each in one["items"].data]) == (2, ["price_pro"])
    at = int(world.time) + 5 * DAY
    assert (await world.sdk.subscriptions.update_async(sub.id, {"cancel_at": at})).cancel_at == at
    await world.advance(days=6)
    ended = await world.sdk.subscriptions.retrieve_async(sub.id)
    assert (ended.status, ended.ended_at) == ("canceled", at)


async def test_a_customer_is_deleted_in_the_midst_of_dunning(world: World) -> None:
    customer = await world.customer("pm_card_visa")
    sub = await _subscribe(world, customer.id)
    bad = await world.sdk.payment_methods.attach_async("pm_card_chargeCustomerFail", {"customer": customer.id})
    await world.sdk.customers.update_async(customer.id, {"invoice_settings": {"default_payment_method": bad.id}})
    await world.advance(days=32)
    assert await _status(world, sub) == "past_due"
    await world.sdk.customers.delete_async(customer.id)
    before = len(await world.types())
    await world.advance(days=60)
    assert (await _status(world, sub), len(await world.types())) == ("canceled", before)


async def test_what_is_too_little_to_charge_waits_in_the_balance(world: World) -> None:
    small = await world.sdk.prices.create_async(
        {"currency": "usd", "unit_amount": 30, "product": "prod_basic", "recurring": {"interval": "month"}}
    )
    customer = await world.customer("pm_card_visa")
    sub = await world.sdk.subscriptions.create_async({"customer": customer.id, "items": [{"price": small.id}]})
    assert (sub.status, await _invoices(world, sub)) == ("active", [("subscription_create", "paid", 0)])
    await world.advance(days=32)
    assert (await _invoices(world, sub))[0] == ("subscription_cycle", "paid", 60)
    assert (await world.sdk.customers.retrieve_async(customer.id)).balance == 0
