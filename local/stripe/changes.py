"""Changes of a subscription: prices, quantities, trials, and the prorations that come of them."""

from . import customers, drafts, invoices
from .catalog import period_end
from .errors import invalid, no_such
from .params import Params, may_have, merge_metadata
from .store import Object
from .subscriptions import LIVE, check_items, lines, make_item, quantity_of, retrieve, schedule_end, set_price, tell, trial_end_of
from .world import World, update_plain


def update(world: World, params: Params, id: str) -> Object:
    may_have(params, "proration_behavior", "payment_behavior", "off_session")
    subscription = retrieve(world, {}, id)
    if subscription["status"] not in LIVE and set(params) - {"metadata", "cancellation_details"}:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    if params.get("default_payment_method"):
        customers.attached(world, params["default_payment_method"], subscription["customer"], "default_payment_method")
    update_plain(subscription, params, ("default_payment_method", "description", "days_until_due", "collection_method"))
    for name in ("cancellation_details", "payment_settings", "trial_settings"):
        subscription[name].update({key: value or None for key, value in (params.get(name) or {}).items()})
    schedule_end(world, subscription, params)
    if "trial_end" in params:
        _change_trial(world, subscription, params)
    if params.get("items"):
        _change_items(world, subscription, params)
    tell(world, subscription)
    return subscription


def _change_trial(world: World, subscription: Object, params: Params) -> None:
    if params["trial_end"] == "now":
        if subscription["status"] == "trialing":
            from .timeline import end_trial

            subscription["trial_end"] = world.now()
            end_trial(world, subscription, at_once=True)
        return
    until = trial_end_of(world, params)
    subscription.update(
        status="trialing", trial_end=until, trial_start=subscription["trial_start"] or world.now(), billing_cycle_anchor=until
    )
    for item in subscription["items"]["data"]:
        item["current_period_end"] = until


def _change_items(world: World, subscription: Object, params: Params) -> None:
    """New prices and quantities; the difference is prorated unless `proration_behavior` says none."""
    behavior = params.get("proration_behavior", "create_prorations")
    items: list[Object] = subscription["items"]["data"]
    now, start, end_ = world.now(), items[0]["current_period_start"], items[0]["current_period_end"]
    before = [dict(item) for item in items]
    recurring = items[0]["price"]["recurring"]
    for place, given in enumerate(params["items"]):
        if "id" not in given:  # one more item: a change names the item that it changes
            items.append(make_item(world, given, subscription["id"], place, start, end_))
            continue
        item = next((each for each in items if each["id"] == given["id"]), None)
        if item is None:
            raise no_such("subscription_item", given["id"], f"items[{place}][id]")
        if given.get("deleted"):
            items.remove(item)
            continue
        if "price" in given:
            set_price(item, make_item(world, {**given, "quantity": 0}, subscription["id"], place, start, end_)["price"])
        if "quantity" in given:
            item["quantity"] = quantity_of(given, place)
        item["metadata"] = merge_metadata(item["metadata"], given.get("metadata"))
    if not items:
        raise invalid("A subscription must have at least one active plan. In order to cancel a subscription, please use our API endpoint.")
    check_items(items)
    new = items[0]["price"]["recurring"]
    other_cycle = (new["interval"], new["interval_count"]) != (recurring["interval"], recurring["interval_count"])
    if subscription["status"] != "trialing" and behavior != "none":
        had, has = [{_worth(item) for item in some} for some in (before, items)]
        gone = [item for item in before if other_cycle or _worth(item) not in has]
        came = [item for item in items if _worth(item) not in had]
        left = (end_ - now) / max(1, end_ - start)
        for sign, some, note in ((-1, gone, "Unused time on"), (1, [] if other_cycle else came, "Remaining time on")):
            for item in some:
                amount = sign * round(item["price"]["unit_amount"] * item["quantity"] * left)
                text = f"{note} {item['quantity']} × {item['price']['id']}"
                subscription["_lines"].append(drafts.line(world, subscription, item, now, end_, amount=amount, note=text, proration=True))
    if other_cycle and subscription["status"] != "trialing":
        subscription["billing_cycle_anchor"] = now
        for item in items:
            item.update(current_period_start=now, current_period_end=period_end(now, new, now))
        bill(world, subscription, lines(world, subscription), params)
    elif behavior == "always_invoice" and subscription["_lines"]:
        waiting, subscription["_lines"] = subscription["_lines"], []
        bill(world, subscription, waiting, params)


def _worth(item: Object) -> tuple[str, str, int]:
    return item["id"], item["price"]["id"], item["quantity"]


def bill(world: World, subscription: Object, some: list[Object], params: Params) -> None:
    """Invoice a change at once."""
    invoice = drafts.draft(world, subscription, some, "subscription_update")
    invoices.finalize(world, invoice)
    if invoice["status"] == "open" and subscription["collection_method"] == "charge_automatically":
        error = invoices.collect(world, invoice)
        if error is not None and params.get("payment_behavior") == "error_if_incomplete":
            error.keep = False
            raise error
