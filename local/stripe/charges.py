"""Charges, what they leave in the balance, refunds and disputes."""

from .cards import card_of
from .errors import StripeError, invalid
from .money import show
from .params import Params, merge_metadata
from .store import Object
from .views import INCLUDABLE, page
from .world import World, list_object, render, update_plain

DAY = 86400


def make(world: World, intent: Object, method: Object, *, captured: bool, failure: StripeError | None = None) -> Object:
    """The charge of one attempt to pay."""
    card, ok = card_of(method), failure is None
    fields = failure.fields if failure else {}
    id = world.store.new_id("ch")
    shown = {
        name: method["card"][name] for name in ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    }
    shown |= {
        "network": card.brand,
        "mandate": None,
        "installments": None,
        "three_d_secure": None,
        "wallet": None,
        "amount_authorized": None,
    }
    charge = world.new(
        "charge", "ch", id=id, amount=intent["amount"], currency=intent["currency"], customer=intent["customer"], amount_refunded=0,
        amount_captured=intent["amount"] if ok and captured else 0, captured=ok and captured, paid=ok, refunded=False,
        disputed=False,
        status="succeeded" if ok else "failed", payment_intent=intent["id"], payment_method=method["id"], fraud_details={},
        payment_method_details={"type": "card", "card": shown}, billing_details=method["billing_details"],
        description=intent["description"],
        metadata=dict(intent["metadata"]), receipt_email=intent["receipt_email"], shipping=intent["shipping"],
        calculated_statement_descriptor="LYDIAN", failure_code=fields.get("code"), failure_message=fields.get("message"),
        receipt_url=f"{world.base_url}/receipts/{id}" if ok else None,
        outcome={
            "type": "authorized" if ok else "issuer_declined", "network_status": "approved_by_network" if ok else "declined_by_network",
            "reason": fields.get("decline_code", fields.get("code")), "risk_level": "normal", "advice_code": None,
            "seller_message": "Payment complete." if ok else "The bank did not return any further details with this decline.",
            "network_advice_code": None, "network_decline_code": None if ok else "01",
        },
    )  # fmt: skip
    if ok and captured:
        charge["balance_transaction"] = balance(world, charge["amount"], charge["currency"], id, "charge", paid_fee=True)
    return charge


def balance(world: World, amount: int, currency: str, source: str, type: str, *, paid_fee: bool = False) -> str:
    fee = round(amount * 29 / 1000) + 30 if paid_fee else 0
    details = [{"amount": fee, "application": None, "currency": currency, "description": "Stripe processing fees", "type": "stripe_fee"}]
    made = world.new(
        "balance_transaction", "txn", amount=amount, currency=currency, fee=fee, fee_details=details if fee else [], net=amount - fee,
        available_on=world.now() + 2 * DAY, reporting_category=type, source=source, status="pending", type=type, balance_type="payments",
    )  # fmt: skip
    return str(made["id"])


def capture(world: World, charge: Object, amount: int) -> None:
    """What is not captured goes back to the card, which shows as a refund of it."""
    charge.update(captured=True, amount_captured=amount, amount_refunded=charge["amount"] - amount)
    charge["balance_transaction"] = balance(world, amount, charge["currency"], charge["id"], "charge", paid_fee=True)
    world.emit("charge.captured", charge)


def retrieve(world: World, params: Params, id: str) -> Object:
    return world.get("charge", id, "id", 404)


def update(world: World, params: Params, id: str) -> Object:
    charge = world.get("charge", id, "id", 404)
    update_plain(charge, params, ("description", "receipt_email", "shipping"))
    world.emit("charge.updated", charge)
    return charge


def listing(world: World, params: Params) -> Object:
    return page(world, "charge", params, "/v1/charges", filters=("customer", "payment_intent"))


def retrieve_balance(world: World, params: Params, id: str) -> Object:
    return world.get("balance_transaction", id, "id", 404)


# Refunds: https://docs.stripe.com/api/refunds/create


def refund(world: World, params: Params) -> Object:
    charge = _to_refund(world, params)
    if charge["disputed"]:
        raise invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    if charge["refunded"]:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    left = charge["amount"] - charge["amount_refunded"]
    amount = params.get("amount", left)
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    currency = charge["currency"]
    if amount > left:  # no code, as with Stripe
        whole = "charge amount" if left == charge["amount"] else "unrefunded amount on charge"
        raise invalid(f"Refund amount ({show(amount, currency)}) is greater than {whole} ({show(left, currency)})", "amount")
    made = world.new(
        "refund", "re", amount=amount, currency=currency, charge=charge["id"], payment_intent=charge["payment_intent"], status="succeeded",
        reason=params.get("reason"), metadata=merge_metadata({}, params.get("metadata")), customer=charge["customer"],
        payment_method=charge["payment_method"],
        destination_details={"type": "card", "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number",
                                                      "type": "refund"}},
    )  # fmt: skip
    made["balance_transaction"] = balance(world, -amount, currency, made["id"], "refund")
    later = card_of(world.get("payment_method", charge["payment_method"])).refund
    if later != "succeeded":
        made.update(status="pending" if later == "pending" else "succeeded", _settles_at=world.now() + DAY)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    world.emit("refund.created", made)
    world.emit("charge.refunded", charge)
    return made


def settle_refund(world: World, made: Object) -> None:
    """A pending refund succeeds, or one that seemed to have succeeded fails: the money is back in the balance."""
    del made["_settles_at"]
    if made["status"] == "pending":
        made["status"] = "succeeded"
        return world.emit("refund.updated", made)
    made.update(status="failed", failure_reason="expired_or_canceled_card")
    made["failure_balance_transaction"] = balance(world, made["amount"], made["currency"], made["id"], "refund_failure")
    charge = world.get("charge", made["charge"])
    charge["amount_refunded"] -= made["amount"]
    charge["refunded"] = False
    world.emit("refund.failed", made)
    return world.emit("charge.updated", charge)


def _to_refund(world: World, params: Params) -> Object:
    if "charge" in params and "payment_intent" in params:
        raise invalid("You may only specify one of these parameters: charge, payment_intent.")
    if "charge" in params:
        charge = world.get("charge", params["charge"], "charge")
        if charge["status"] != "succeeded":
            raise invalid(f"Charge {charge['id']} has not succeeded, so it can't be refunded.", "charge")
    elif "payment_intent" in params:
        intent = world.get("payment_intent", params["payment_intent"], "payment_intent")
        if intent["status"] != "succeeded":
            raise invalid(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", "payment_intent")
        charge = world.get("charge", intent["latest_charge"])
    else:
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
    if not charge["captured"]:
        raise invalid("This charge has not been captured: cancel its PaymentIntent instead.")
    return charge


def retrieve_refund(world: World, params: Params, id: str) -> Object:
    return world.get("refund", id, "id", 404)


def update_refund(world: World, params: Params, id: str) -> Object:
    found = world.get("refund", id, "id", 404)
    update_plain(found, params, ())
    world.emit("refund.updated", found)
    return found


def list_refunds(world: World, params: Params) -> Object:
    for name in ("charge", "payment_intent"):
        world.check(name, params, name)
    return page(world, "refund", params, "/v1/refunds", filters=("charge", "payment_intent"))


def _refunds_of(world: World, charge: Object) -> Object:
    found = [render(each) for each in world.store.all("refund") if each["charge"] == charge["id"]][::-1]
    return list_object(f"/v1/charges/{charge['id']}/refunds", found[:10], len(found) > 10)


INCLUDABLE["charge", "refunds"] = _refunds_of


# Disputes: made by test cards, closed by a control endpoint.

_EVIDENCE = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal customer_communication "
    "customer_email_address customer_name customer_purchase_ip customer_signature duplicate_charge_documentation "
    "duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure "
    "refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier shipping_date "
    "shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text"
)


def dispute(world: World, charge: Object, reason: str) -> Object:
    made = world.new(
        "dispute", "du", amount=charge["amount"], currency=charge["currency"], charge=charge["id"], reason=reason, balance_transactions=[],
        payment_intent=charge["payment_intent"], status="needs_response", is_charge_refundable=False, network_reason_code="10.4",
        enhanced_eligibility_types=[], evidence={**dict.fromkeys(_EVIDENCE.split()), "enhanced_evidence": {}},
        evidence_details={
            "due_by": world.now() + 7 * DAY, "has_evidence": False, "past_due": False, "submission_count": 0,
            "submission_method": "not_submitted", "enhanced_eligibility": {},
        },
        payment_method_details={
            "type": "card", "card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4", "network": "visa"},
        },
    )  # fmt: skip
    taken = balance(world, -charge["amount"], charge["currency"], made["id"], "adjustment")
    made["balance_transactions"] = [render(world.get("balance_transaction", taken))]
    charge["disputed"] = True
    world.emit("charge.dispute.created", made)
    world.emit("charge.dispute.funds_withdrawn", made)
    world.emit("charge.updated", charge)
    return made


def close(world: World, id: str, status: str) -> Object:
    """The bank decides: `won` gives the money back, `lost` does not."""
    made = world.get("dispute", id, "id", 404)
    if made["status"] in ("won", "lost"):
        raise invalid("This dispute is already closed.")
    if status not in ("won", "lost"):
        raise invalid("A dispute is closed as won or lost.", "status")
    made["status"] = status
    if status == "won":
        world.emit("charge.dispute.funds_reinstated", made)
    world.emit("charge.dispute.closed", made)
    return made


def retrieve_dispute(world: World, params: Params, id: str) -> Object:
    return world.get("dispute", id, "id", 404)


def list_disputes(world: World, params: Params) -> Object:
    return page(world, "dispute", params, "/v1/disputes", filters=("charge", "payment_intent"))
