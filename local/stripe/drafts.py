"""Invoices as they begin: lines of a subscription's items, and the draft that holds them."""

from .blanks import blank
from .money import MINIMUM
from .store import Object
from .world import World, list_object


def due_of(owed: int, currency: str) -> int:
    """What is asked for: nothing when Stripe could not charge so little; it waits in the customer's balance."""
    return owed if owed >= MINIMUM.get(currency, 1) else 0


def line(
    world: World, subscription: Object, item: Object, start: int, end: int, *, amount: int | None = None, note: str = "",
    proration: bool = False,
) -> Object:  # fmt: skip
    """A line of a subscription's item, for its period unless an amount is given."""
    price = item["price"]
    total = price["unit_amount"] * item["quantity"] if amount is None else amount
    product = world.store.peek("product", price["product"])
    name = product["name"] if product else price["product"]
    each = f"{item['quantity']} × {name} (at {price['unit_amount']} {price['currency']} / {price['recurring']['interval']})"
    details = {
        "invoice_item": None, "proration": proration, "proration_details": {"credited_items": None},
        "subscription": subscription["id"], "subscription_item": item["id"],
    }  # fmt: skip
    made = blank(
        "line_item", world.store.new_id("il"), amount=total, subtotal=total, currency=price["currency"], description=note or each,
        discount_amounts=[], discountable=not proration, discounts=[], period={"start": start, "end": end}, quantity=item["quantity"],
        quantity_decimal=str(item["quantity"]), taxes=[], pretax_credit_amounts=[], metadata=dict(subscription["metadata"]),
        parent={"type": "subscription_item_details", "invoice_item_details": None, "subscription_item_details": details},
        pricing={"type": "price_details", "unit_amount_decimal": str(price["unit_amount"]),
                 "price_details": {"price": price["id"], "product": price["product"]}},
    )  # fmt: skip
    made["subscription"] = subscription["id"]
    return made


def draft(world: World, subscription: Object, lines: list[Object], reason: str) -> Object:
    customer = world.get("customer", subscription["customer"])
    id = world.store.new_id("in")
    total = sum(each["amount"] for each in lines)
    due = due_of(total + customer["balance"], subscription["currency"])
    now = world.now()
    sends = subscription["collection_method"] == "send_invoice"
    invoice = world.new(
        "invoice", "in", id=id, account_country="US", account_name="Lydian", amount_due=due, amount_paid=0, amount_overpaid=0,
        amount_remaining=due, amount_shipping=0, attempt_count=0, attempted=False, auto_advance=True, billing_reason=reason,
        automatic_tax={"enabled": False, "liability": None, "status": None, "disabled_reason": None, "provider": None},
        collection_method=subscription["collection_method"], currency=subscription["currency"], customer=customer["id"],
        customer_email=customer["email"], customer_name=customer["name"], customer_address=customer["address"],
        customer_phone=customer["phone"], customer_tax_exempt="none", customer_tax_ids=[], default_tax_rates=[], discounts=[],
        issuer={"type": "self"}, period_start=min(each["period"]["start"] for each in lines),
        lines=list_object(f"/v1/invoices/{id}/lines", [{**each, "invoice": id} for each in lines]),
        due_date=now + 86400 * subscription["days_until_due"] if sends else None,
        parent={"type": "subscription_details", "quote_details": None,
                "subscription_details": {"metadata": dict(subscription["metadata"]), "subscription": subscription["id"]}},
        payment_settings={"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        period_end=now, post_payment_credit_notes_amount=0, pre_payment_credit_notes_amount=0, starting_balance=customer["balance"],
        status="draft", subtotal=total, subtotal_excluding_tax=total, total=total, total_excluding_tax=total, total_discount_amounts=[],
        status_transitions={"finalized_at": None, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None},
        total_pretax_credit_amounts=[], total_taxes=[],
    )  # fmt: skip
    subscription["latest_invoice"] = id
    world.emit("invoice.created", invoice)
    return invoice
