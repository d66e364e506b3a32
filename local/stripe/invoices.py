"""Invoices: made by subscriptions, finalized, paid by payment intents through invoice payments."""

from typing import Any

from . import customers, intents
from .drafts import due_of
from .errors import StripeError, card_error, invalid
from .params import Params, may_have
from .store import Object
from .views import INCLUDABLE, page
from .world import World, list_object, render, update_plain

RETRIES = (3, 5, 7)  # days between the attempts to collect, after which the subscription ends


def finalize(world: World, invoice: Object) -> None:
    """Open it, with a payment intent for what is due; nothing due means paid."""
    customer = world.get("customer", invoice["customer"])
    number = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = number + 1
    owed = customer["balance"] + invoice["total"]
    due = due_of(owed, invoice["currency"])
    invoice.update(amount_due=due, amount_remaining=due, starting_balance=customer["balance"])
    customer["balance"] = owed - due  # a credit that is left, or too little to charge
    invoice.update(
        status="open", number=f"{customer['invoice_prefix']}-{number:04}", effective_at=world.now(), automatically_finalizes_at=None,
        ending_balance=customer["balance"], hosted_invoice_url=f"{world.base_url}/pages/invoice/{invoice['id']}",
        invoice_pdf=f"{world.base_url}/pages/invoice/{invoice['id']}?pdf",
    )  # fmt: skip
    invoice["status_transitions"]["finalized_at"] = world.now()
    if invoice["amount_due"] > 0:
        _make_intent(world, invoice)
    world.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        paid(world, invoice, None)


def _make_intent(world: World, invoice: Object) -> None:
    subscription = of_subscription(world, invoice)
    method = method_for(world, subscription)
    id = world.store.new_id("pi")
    intent = world.new(
        "payment_intent", "pi", id=id, amount=invoice["amount_due"], currency=invoice["currency"], amount_capturable=0, amount_received=0,
        amount_details={"tip": {}}, payment_method_types=["card"], client_secret=world.secret(id), capture_method="automatic",
        confirmation_method="automatic", customer=invoice["customer"], setup_future_usage="off_session",
        description="Subscription creation" if invoice["billing_reason"] == "subscription_create" else "Subscription update",
        status="requires_confirmation" if method else "requires_payment_method", payment_method=method, payment_method_options={},
        _invoice=invoice["id"],
    )  # fmt: skip
    made = world.new(
        "invoice_payment", "inpay", amount_requested=invoice["amount_due"], currency=invoice["currency"], invoice=invoice["id"],
        is_default=True, payment={"type": "payment_intent", "payment_intent": id}, status="open",
        status_transitions={"canceled_at": None, "paid_at": None},
    )  # fmt: skip
    invoice["_intent"], invoice["_payment"] = id, made["id"]
    world.emit("payment_intent.created", intent)


def of_subscription(world: World, invoice: Object) -> Object:
    return world.get("subscription", invoice["parent"]["subscription_details"]["subscription"])


def method_for(world: World, subscription: Object) -> str | None:
    customer = world.get("customer", subscription["customer"])
    method: str | None = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    return method


def collect(world: World, invoice: Object, *, method: str | None = None) -> StripeError | None:
    """Try to have it paid with the customer's card. Returns the error that stood in the way, if any; it is recorded.

    A card that asks for authentication leaves the intent waiting for the payer.
    """
    subscription = of_subscription(world, invoice)
    intent = world.get("payment_intent", invoice["_intent"])
    method = method or method_for(world, subscription)
    invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1)
    error: StripeError | None = None
    if method is None:
        error = card_error("missing", "There is no payment method to collect this invoice with.")
        _failed(world, invoice)
    else:
        intent["payment_method"] = method
        try:
            intents.attempt(world, intent, world.get("payment_method", method))
        except StripeError as failure:
            error = failure
        if intent["status"] == "requires_action":
            error = card_error(
                "invoice_payment_intent_requires_action",
                "Payment for this invoice requires additional user action before it can be completed successfully. Payment can be "
                "completed using the PaymentIntent associated with the invoice.",
            )
            world.emit("invoice.payment_action_required", invoice)
            _failed(world, invoice)
    return error


def _failed(world: World, invoice: Object) -> None:
    first = invoice["billing_reason"] == "subscription_create"
    attempt = invoice["attempt_count"]
    again = None if first or attempt > len(RETRIES) else world.now() + 86400 * RETRIES[max(0, attempt - 1)]
    invoice.update(next_payment_attempt=again, auto_advance=again is not None)
    world.emit("invoice.payment_failed", invoice)
    from .subscriptions import unpaid

    unpaid(world, of_subscription(world, invoice), invoice)


def paid(world: World, invoice: Object, intent: Object | None, *, elsewhere: bool = False) -> None:
    invoice.update(status="paid", amount_paid=invoice["amount_due"], amount_remaining=0, next_payment_attempt=None, attempted=True)
    invoice["auto_advance"] = False
    invoice["status_transitions"]["paid_at"] = world.now()
    if invoice.get("_payment"):
        payment = world.get("invoice_payment", invoice["_payment"])
        payment["status"] = "canceled" if elsewhere else "paid"
        payment["status_transitions"]["canceled_at" if elsewhere else "paid_at"] = world.now()
        if not elsewhere:
            payment["amount_paid"] = payment["amount_requested"]
            world.emit("invoice_payment.paid", payment)
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)
    from .subscriptions import settled

    settled(world, of_subscription(world, invoice), intent)


def _follow(world: World, intent: Object) -> None:
    """An invoice is paid when its intent is, however that came about."""
    if not intent.get("_invoice"):
        return
    invoice = world.get("invoice", intent["_invoice"])
    if invoice["status"] != "open":
        return
    if intent["status"] == "succeeded":
        invoice["attempt_count"] = max(1, invoice["attempt_count"])
        paid(world, invoice, intent)
    elif intent["status"] == "requires_payment_method":
        _failed(world, invoice)


intents.followers.append(_follow)


def retrieve(world: World, params: Params, id: str) -> Object:
    return world.get("invoice", id, "id", 404)


def update(world: World, params: Params, id: str) -> Object:
    invoice = retrieve(world, {}, id)
    update_plain(invoice, params, ("description", "footer", "auto_advance"))
    world.emit("invoice.updated", invoice)
    return invoice


def listing(world: World, params: Params) -> Object:
    world.check("customer", params, "customer")
    wanted = params.get("subscription")
    return page(
        world, "invoice", params, "/v1/invoices",
        lambda each: wanted is None or each["parent"]["subscription_details"]["subscription"] == wanted,
        ("customer", "status", "collection_method"),
    )  # fmt: skip


def lines_of(world: World, params: Params, id: str) -> Object:
    lines: Object = retrieve(world, {}, id)["lines"]
    return lines


def finalize_now(world: World, params: Params, id: str) -> Object:
    invoice = retrieve(world, {}, id)
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.", code="invoice_not_editable")
    may_have(params, "auto_advance")
    finalize(world, invoice)
    return invoice


def pay(world: World, params: Params, id: str) -> Object:
    invoice = retrieve(world, {}, id)
    if invoice["status"] == "draft":
        finalize(world, invoice)
    if invoice["status"] != "open":
        why = "Invoice is already paid" if invoice["status"] == "paid" else f"This invoice can't be paid: it is {invoice['status']}."
        raise invalid(why)
    if params.get("paid_out_of_band"):
        intents.void(world, world.get("payment_intent", invoice["_intent"]), "void_invoice")
        paid(world, invoice, None, elsewhere=True)
        return invoice
    method = params.get("payment_method")
    if method is not None:
        method = customers.attached(world, method, invoice["customer"], "payment_method")["id"]
    if method is None and method_for(world, of_subscription(world, invoice)) is None:
        raise invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set either a default_payment_method or provide a "
            "payment_method.",
            code="resource_missing",
        )
    may_have(params, "off_session")
    error = collect(world, invoice, method=method)
    if error is not None:
        raise error
    return invoice


def void(world: World, params: Params, id: str) -> Object:
    invoice = retrieve(world, {}, id)
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(f"You can only pass in open or uncollectible invoices. This invoice is {invoice['status']}.")
    cancel(world, invoice)
    return invoice


def cancel(world: World, invoice: Object) -> None:
    invoice.update(status="void", next_payment_attempt=None, auto_advance=False)
    invoice["status_transitions"]["voided_at"] = world.now()
    if invoice.get("_intent"):
        intents.void(world, world.get("payment_intent", invoice["_intent"]), "void_invoice")
    world.emit("invoice.voided", invoice)


# Invoice payments.


def retrieve_payment(world: World, params: Params, id: str) -> Object:
    return world.get("invoice_payment", id, "id", 404)


def list_payments(world: World, params: Params) -> Object:
    intent = params.get("payment", {}).get("payment_intent")
    return page(
        world, "invoice_payment", params, "/v1/invoice_payments",
        lambda each: intent is None or each["payment"]["payment_intent"] == intent, ("invoice", "status"),
    )  # fmt: skip


def _payments(world: World, invoice: Object) -> Any:
    found = [render(each) for each in world.store.all("invoice_payment") if each["invoice"] == invoice["id"]]
    return list_object(f"/v1/invoice_payments?invoice={invoice['id']}", found)


def _confirmation(world: World, invoice: Object) -> Any:
    kept = world.store.peek("invoice", invoice["id"]) or {}
    intent = world.store.peek("payment_intent", kept.get("_intent", ""))
    return {"type": "payment_intent", "client_secret": intent["client_secret"]} if intent else None


INCLUDABLE["invoice", "payments"] = _payments
INCLUDABLE["invoice", "confirmation_secret"] = _confirmation
