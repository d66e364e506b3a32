"""Subscriptions: https://docs.stripe.com/billing/subscriptions/overview. What time does to them is in timeline.py."""

from typing import Any

from . import customers, drafts, invoices, setups
from .blanks import blank
from .catalog import period_end
from .errors import StripeError, invalid, missing, no_such
from .params import Params, may_have, merge_metadata
from .store import Object
from .views import INCLUDABLE, page
from .world import World, list_object, render

LIVE = ("trialing", "active", "past_due", "unpaid", "incomplete", "paused")
_MOST_TRIAL = 730  # days


def make_item(world: World, given: Object, subscription: str, place: int, start: int, end: int) -> Object:
    param = f"items[{place}][price]"
    if "price" not in given:
        raise missing(param)
    price = world.get("price", given["price"], param)
    if price["recurring"] is None:
        raise invalid("The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.", param)
    if not price["active"]:
        raise invalid("The price specified is inactive. This field only accepts active prices.", param)
    quantity = quantity_of(given, place)
    made = blank(
        "subscription_item", world.store.new_id("si", 14), created=world.now(), current_period_start=start, current_period_end=end,
        discounts=[], tax_rates=[], quantity=quantity, subscription=subscription, metadata=merge_metadata({}, given.get("metadata")),
    )  # fmt: skip
    set_price(made, price)
    return made


def quantity_of(given: Object, place: int) -> int:
    quantity = int(given.get("quantity", 1))
    if quantity < 0:
        raise invalid("This value must be greater than or equal to 0.", f"items[{place}][quantity]", "parameter_invalid_integer")
    return quantity


def set_price(item: Object, price: Object) -> None:
    shown, recurring = render(price), price["recurring"]
    plan = blank(
        "plan", price["id"], active=price["active"], amount=price["unit_amount"], amount_decimal=price["unit_amount_decimal"],
        billing_scheme="per_unit", created=price["created"], currency=price["currency"], interval=recurring["interval"],
        interval_count=recurring["interval_count"], product=price["product"], usage_type="licensed", nickname=price["nickname"],
    )  # fmt: skip
    item.update(price=shown, plan=plan)


def trial_end_of(world: World, params: Params) -> int | None:
    days, end = params.get("trial_period_days"), params.get("trial_end")
    if days and end:
        raise invalid("You may only specify one of these parameters: trial_end, trial_period_days.")
    if days is not None and not 0 <= days <= _MOST_TRIAL:
        raise invalid(f"Invalid trial_period_days: must be between 0 and {_MOST_TRIAL}.", "trial_period_days", "parameter_invalid_integer")
    if days:
        return world.now() + 86400 * int(days)
    if end is None or end == "now":
        return None
    if end <= world.now():
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
    return int(end)


def create(world: World, params: Params) -> Object:
    may_have(params, "payment_behavior", "proration_behavior", "off_session", "days_until_due")
    for name in ("customer", "items"):
        if not params.get(name):
            raise missing(name)
    customer = world.get("customer", params["customer"], "customer")
    if params.get("collection_method") == "send_invoice" and "days_until_due" not in params:
        raise missing("days_until_due")
    now, trial_end = world.now(), trial_end_of(world, params)
    id = world.store.new_id("sub")
    items = [make_item(world, given, id, place, now, trial_end or now) for place, given in enumerate(params["items"])]
    check_items(items)
    end = trial_end or period_end(now, items[0]["price"]["recurring"], now)
    for item in items:
        item["current_period_end"] = end
    method = params.get("default_payment_method")
    if method:
        customers.attached(world, method, customer["id"], "default_payment_method")
    settings = {"payment_method_options": None, "payment_method_types": None, "save_default_payment_method": "off"}
    subscription = world.new(
        "subscription", "sub", id=id, customer=customer["id"], status="trialing" if trial_end else "incomplete",
        currency=items[0]["price"]["currency"],
        automatic_tax={"enabled": False, "liability": None, "disabled_reason": None}, billing_cycle_anchor=trial_end or now,
        billing_mode={"type": "flexible", "flexible": {"proration_discounts": "included"}}, cancel_at_period_end=False,
        cancellation_details={"comment": None, "feedback": None, "reason": None}, default_payment_method=method or None,
        collection_method=params.get("collection_method", "charge_automatically"), days_until_due=params.get("days_until_due"),
        default_tax_rates=[], discounts=[], billing_schedules=[], invoice_settings={"account_tax_ids": None, "issuer": {"type": "self"}},
        items=list_object(f"/v1/subscription_items?subscription={id}", items), start_date=now, trial_end=trial_end,
        trial_start=now if trial_end else None, metadata=merge_metadata({}, params.get("metadata")),
        payment_settings={**settings, **params.get("payment_settings", {})}, description=params.get("description"),
        trial_settings=params.get("trial_settings", {"end_behavior": {"missing_payment_method": "create_invoice"}}), _lines=[],
    )  # fmt: skip
    if customer["currency"] not in (None, subscription["currency"]):
        raise invalid(
            f"You cannot combine currencies on a single customer. This customer has had a subscription in {customer['currency']}."
        )
    customer["currency"] = subscription["currency"]
    schedule_end(world, subscription, params)
    _begin(world, subscription, params.get("payment_behavior", "allow_incomplete"))
    return subscription


def schedule_end(world: World, subscription: Object, params: Params) -> None:
    if "cancel_at_period_end" in params and "cancel_at" in params:
        raise invalid("You may only specify one of these parameters: cancel_at, cancel_at_period_end.")
    at: Any = params.get("cancel_at")
    if "cancel_at_period_end" in params:
        at = subscription["items"]["data"][0]["current_period_end"] if params["cancel_at_period_end"] else ""
        subscription["cancel_at_period_end"] = params["cancel_at_period_end"]
    if at is None:
        return
    if isinstance(at, str) and at:
        at = subscription["items"]["data"][0]["current_period_end"]
    if at and at <= world.now():
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "cancel_at")
    if "cancel_at" in params:
        subscription["cancel_at_period_end"] = False
    subscription.update(cancel_at=at or None, canceled_at=world.now() if at else None)
    subscription["cancellation_details"]["reason"] = "cancellation_requested" if at else None


def check_items(items: list[Object]) -> None:
    prices = [item["price"]["id"] for item in items]
    if len(set(prices)) != len(prices):
        raise invalid(f"You cannot add multiple subscription items with the same price: {prices[-1]}", "items")
    kinds = {
        (item["price"]["currency"], item["price"]["recurring"]["interval"], item["price"]["recurring"]["interval_count"]) for item in items
    }
    if len(kinds) > 1:
        raise invalid("The stand-in has subscriptions of one currency and one interval only.", "items")


def lines(world: World, subscription: Object) -> list[Object]:
    """What the next invoice holds: prorations that wait for it, and each item's period."""
    free = subscription["status"] == "trialing"
    made: list[Object] = subscription["_lines"] + [
        drafts.line(
            world, subscription, item, item["current_period_start"], item["current_period_end"], amount=0 if free else None,
            note="Trial period" if free else "",
        )
        for item in subscription["items"]["data"]
    ]  # fmt: skip
    subscription["_lines"] = []
    return made


def _begin(world: World, subscription: Object, behavior: str) -> None:
    """The first invoice. https://docs.stripe.com/api/subscriptions/create#create_subscription-payment_behavior"""
    automatic = subscription["collection_method"] == "charge_automatically"
    method = invoices.method_for(world, subscription)
    trial = subscription["status"] == "trialing"
    due = 0 if trial else sum(item["price"]["unit_amount"] * item["quantity"] for item in subscription["items"]["data"])
    if automatic and due and method is None and behavior in ("allow_incomplete", "error_if_incomplete"):
        raise invalid(
            "This customer has no attached payment source or default payment method. Please consider adding a default payment method. For "
            "more information, visit https://stripe.com/docs/billing/payment-methods/default#set-a-default-payment-method.",
            code="resource_missing",
        )
    invoice = drafts.draft(world, subscription, lines(world, subscription), "subscription_create")
    invoice["_quiet"] = True  # the subscription is told of when this is over, as one event
    error: StripeError | None = None
    if not automatic:
        subscription["status"] = "trialing" if trial else "active"
    invoices.finalize(world, invoice)
    if trial and automatic and method is None:
        pending = setups.make(world, subscription["customer"], ["card"])
        subscription["pending_setup_intent"] = pending["id"]
        world.emit("setup_intent.created", pending)
    elif automatic and invoice["status"] == "open" and behavior != "default_incomplete":
        error = invoices.collect(world, invoice)
    if error is not None and behavior == "error_if_incomplete":
        error.keep = False
        raise error
    del invoice["_quiet"]
    world.emit("customer.subscription.created", subscription)


def settled(world: World, subscription: Object, intent: Object | None) -> None:
    """An invoice of it has been paid."""
    if subscription["status"] in ("incomplete", "past_due", "unpaid"):
        subscription["status"] = "active"
    saves = subscription["payment_settings"].get("save_default_payment_method") == "on_subscription"
    if intent is not None and saves and subscription["default_payment_method"] is None:
        subscription["default_payment_method"] = intent["payment_method"]
    tell(world, subscription)


def unpaid(world: World, subscription: Object, invoice: Object) -> None:
    """An attempt to collect has failed: past due, and over after the last one."""
    if subscription["status"] in ("active", "trialing"):
        subscription["status"] = "past_due"
    if subscription["status"] == "past_due" and invoice["next_payment_attempt"] is None:
        return end(world, subscription, "payment_failed")
    return tell(world, subscription)


def tell(world: World, subscription: Object) -> None:
    latest = world.store.peek("invoice", subscription["latest_invoice"] or "")
    if not (latest and latest.get("_quiet")):
        world.emit("customer.subscription.updated", subscription)


def end(world: World, subscription: Object, reason: str) -> None:
    now = world.now()
    subscription.update(status="canceled", ended_at=now, canceled_at=subscription["canceled_at"] or now)
    subscription["cancellation_details"]["reason"] = subscription["cancellation_details"]["reason"] or reason
    for each in [*world.store.all("invoice")]:  # what is owed stays owed, but is no longer collected
        owner = each["parent"]["subscription_details"]["subscription"]
        if owner == subscription["id"] and each["status"] in ("draft", "open"):
            world.get("invoice", each["id"]).update(auto_advance=False, next_payment_attempt=None, automatically_finalizes_at=None)
    world.emit("customer.subscription.deleted", subscription)


def retrieve(world: World, params: Params, id: str) -> Object:
    return world.get("subscription", id, "id", 404)


def listing(world: World, params: Params) -> Object:
    status = params.get("status")
    world.check("customer", params, "customer")

    def wanted(subscription: Object) -> bool:
        prices = [item["price"]["id"] for item in subscription["items"]["data"]]
        ended = subscription["status"] in ("canceled", "incomplete_expired")
        by_status = {None: not ended, "all": True, "ended": ended}.get(status, subscription["status"] == status)
        return bool(by_status) and params.get("price") in (None, *prices)

    return page(world, "subscription", params, "/v1/subscriptions", wanted, ("customer", "collection_method"))


def cancel(world: World, params: Params, id: str) -> Object:
    subscription = retrieve(world, {}, id)
    if subscription["status"] not in LIVE:
        raise no_such("subscription", id, "id", 404)
    subscription["cancellation_details"].update(params.get("cancellation_details") or {})
    subscription.update(cancel_at_period_end=False, cancel_at=None, canceled_at=world.now())
    end(world, subscription, "cancellation_requested")
    return subscription


def _of_customer(world: World, customer: Object) -> Any:
    mine = [each for each in world.store.all("subscription") if each["customer"] == customer["id"] and each["ended_at"] is None]
    return list_object(f"/v1/customers/{customer['id']}/subscriptions", [render(each) for each in mine][::-1])


INCLUDABLE["customer", "subscriptions"] = _of_customer
