"""Payment intents, charges, refunds, disputes and saved cards go through Stripe's states."""

from typing import Any

import pytest
import stripe

from local.stripe.cards import CARDS
from tests.unit.local.stripe.support import BACK, World


async def _refused(call: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await call
    return refused.value


async def test_create_then_confirm(world: World) -> None:
    sdk = world.sdk.payment_intents
    made = await sdk.create_async({"amount": 1099, "currency": "USD", "metadata": {"order": "7"}})
    assert (made.status, made.currency, made.latest_charge) == ("requires_payment_method", "usd", None)
    assert made.client_secret is not None
    assert made.client_secret.startswith(f"{made.id}_secret_")
    changed = await sdk.update_async(made.id, {"amount": 1200, "payment_method": "pm_card_mastercard"})
    assert (changed.status, changed.amount) == ("requires_confirmation", 1200)
    paid = await sdk.confirm_async(made.id, {"return_url": BACK, "expand": ["latest_charge.balance_transaction"]})
    assert (paid.status, paid.amount_received) == ("succeeded", 1200)
    charge: Any = paid.latest_charge
    assert (charge.paid, charge.captured, charge.balance_transaction.fee, charge.metadata.to_dict()) == (True, True, 65, {"order": "7"})
    assert charge.payment_method_details.card.brand == "mastercard"
    assert await world.types() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    for call in (sdk.confirm_async(made.id, {"return_url": BACK}), sdk.cancel_async(made.id), sdk.update_async(made.id, {"amount": 100})):
        assert (await _refused(call)).code == "payment_intent_unexpected_state"
    await sdk.update_async(made.id, {"metadata": {"order": "8"}})  # always allowed


@pytest.mark.parametrize("token", [name for name, card in CARDS.items() if card.code])
async def test_cards_that_decline(world: World, token: str) -> None:
    card = CARDS[token]
    with pytest.raises(stripe.CardError) as declined:
        await world.payment(token)
    error: Any = declined.value.error
    assert (declined.value.http_status, declined.value.code, error.to_dict().get("decline_code")) == (402, card.code, card.decline)
    intent = await world.sdk.payment_intents.retrieve_async(error.payment_intent.id, {"expand": ["latest_charge"]})
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.to_dict().get("decline_code") == card.decline
    assert intent.latest_charge.status == "failed"  # type: ignore[union-attr]
    assert await world.types() == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]
    again = await world.sdk.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa", "return_url": BACK})
    assert (again.status, again.last_payment_error) == ("succeeded", None)
    if not card.attaches:
        customer = await world.customer()
        with pytest.raises(stripe.CardError):
            await world.sdk.payment_methods.attach_async(token, {"customer": customer.id})


@pytest.mark.parametrize("ok", [True, False])
async def test_authentication_on_the_banks_page(world: World, ok: bool) -> None:
    waiting = await world.payment("pm_card_authenticationRequired", return_url="https://app.example/back?a=1")
    assert waiting.status == "requires_action"
    assert waiting.next_action is not None
    url = waiting.next_action.redirect_to_url.url  # type: ignore[union-attr]
    assert "Complete authentication" in (await world.http.get(str(url))).text
    answer = await world.http.post(str(url), data={"ok": "yes" if ok else "no"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"https://app.example/back?a=1&payment_intent={waiting.id}&payment_intent_client_secret=")
    assert answer.headers["location"].endswith(f"redirect_status={'succeeded' if ok else 'failed'}")
    after = await world.sdk.payment_intents.retrieve_async(waiting.id)
    assert after.status == ("succeeded" if ok else "requires_payment_method")
    error = after.last_payment_error
    assert (error and error.code) == (None if ok else "payment_intent_authentication_failure")
    assert (await world.http.get(str(url))).status_code == 410


async def test_authentication_off_session_is_a_decline(world: World) -> None:
    customer = await world.customer("pm_card_authenticationRequired")
    card = str(customer.invoice_settings.default_payment_method)  # type: ignore[union-attr]
    with pytest.raises(stripe.CardError) as declined:
        await world.payment(card, customer=customer.id, off_session=True)
    assert declined.value.code == "authentication_required"


async def test_a_card_saved_while_paying(world: World) -> None:
    customer = await world.customer()
    paid = await world.payment("pm_card_visa", customer=customer.id, setup_future_usage="off_session")
    saved = await world.sdk.customers.payment_methods.list_async(customer.id)
    assert [card.id for card in saved.data] == [paid.payment_method]
    assert (await world.payment(str(paid.payment_method), customer=customer.id, off_session=True)).status == "succeeded"


async def test_capture_by_hand(world: World) -> None:
    held = await world.payment(capture_method="manual")
    assert (held.status, held.amount_capturable, held.amount_received) == ("requires_capture", 1000, 0)
    sdk = world.sdk.payment_intents
    assert (await _refused(sdk.capture_async(held.id, {"amount_to_capture": 1001}))).code == "amount_too_large"
    assert (await sdk.capture_async(held.id, {"amount_to_capture": 600})).amount_received == 600
    assert (await _refused(sdk.capture_async(held.id))).code == "payment_intent_unexpected_state"
    dropped = await world.payment(capture_method="manual")
    gone = await sdk.cancel_async(dropped.id, {"cancellation_reason": "abandoned"})
    assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")


async def test_refunds_have_a_limit(world: World) -> None:
    paid = await world.payment()
    refunds = world.sdk.refunds
    assert "greater than charge amount" in str(
        (await _refused(refunds.create_async({"payment_intent": paid.id, "amount": 1001}))).user_message
    )
    first = await refunds.create_async({"payment_intent": paid.id, "amount": 400, "reason": "requested_by_customer"})
    assert (first.status, first.charge) == ("succeeded", paid.latest_charge)
    over = await _refused(refunds.create_async({"payment_intent": paid.id, "amount": 601}))
    assert (over.code, over.param) == (None, "amount")
    assert (await refunds.create_async({"charge": str(paid.latest_charge)})).amount == 600
    assert (await _refused(refunds.create_async({"payment_intent": paid.id}))).code == "charge_already_refunded"
    charge = await world.sdk.charges.retrieve_async(str(paid.latest_charge), {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded, len(charge.refunds.data)) == (True, 1000, 2)  # type: ignore[union-attr]
    event = (await world.sdk.events.list_async({"type": "charge.refunded"})).data[0]
    assert event.data.previous_attributes.to_dict() == {"amount_refunded": 400, "refunded": False}  # type: ignore[union-attr]
    unpaid = await world.sdk.payment_intents.create_async({"amount": 500, "currency": "usd"})
    assert (await _refused(refunds.create_async({"payment_intent": unpaid.id}))).param == "payment_intent"


async def test_refunds_that_settle_later(world: World) -> None:
    pending, failing = await world.payment("pm_card_pendingRefund"), await world.payment("pm_card_refundFail")
    made = [await world.sdk.refunds.create_async({"payment_intent": intent.id}) for intent in (pending, failing)]
    assert [refund.status for refund in made] == ["pending", "succeeded"]
    await world.advance(days=1)
    assert [(await world.sdk.refunds.retrieve_async(refund.id)).status for refund in made] == ["succeeded", "failed"]
    assert {"refund.updated", "refund.failed"} < set(await world.types())
    charge = await world.sdk.charges.retrieve_async(str(failing.latest_charge))
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    assert (await world.sdk.refunds.create_async({"payment_intent": failing.id})).amount == 1000


async def test_a_disputed_charge(world: World) -> None:
    paid = await world.payment("pm_card_createDispute")
    dispute = (await world.sdk.disputes.list_async({"payment_intent": paid.id})).data[0]
    assert (dispute.reason, dispute.status, dispute.amount) == ("fraudulent", "needs_response", 1000)
    assert (await _refused(world.sdk.refunds.create_async({"payment_intent": paid.id}))).code == "charge_disputed"
    await world.control(f"disputes/{dispute.id}", {"status": "lost"})
    assert (await world.sdk.disputes.retrieve_async(dispute.id)).status == "lost"
    assert [name for name in await world.types() if "dispute" in name] == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
    ]


async def test_setup_intents(world: World) -> None:
    customer = await world.customer()
    sdk = world.sdk.setup_intents
    made = await sdk.create_async({"customer": customer.id, "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}})
    assert made.status == "requires_payment_method"
    with pytest.raises(stripe.CardError) as declined:
        await sdk.confirm_async(made.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    assert declined.value.error.setup_intent.id == made.id  # type: ignore[union-attr]
    waiting = await sdk.confirm_async(made.id, {"payment_method": "pm_card_authenticationRequiredOnSetup"})
    assert waiting.status == "requires_action"
    await world.control(f"authenticate/{made.id}", {"ok": True})
    done = await sdk.retrieve_async(made.id)
    assert done.status == "succeeded"
    assert (await world.payment(str(done.payment_method), customer=customer.id)).status == "succeeded"  # set up: asks no more
    detached = await world.sdk.payment_methods.detach_async(str(done.payment_method))
    assert detached.customer is None
    assert (await world.sdk.payment_methods.list_async({"customer": customer.id})).data == []
    await _refused(world.sdk.payment_methods.attach_async(detached.id, {"customer": customer.id}))
    assert (await _refused(sdk.cancel_async(made.id))).code == "setup_intent_unexpected_state"
