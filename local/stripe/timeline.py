"""What the passing of time does: trials and periods end, invoices are collected, sessions expire. Runs before each request.

A renewal's invoice is a draft for an hour before it is finalized and collected, as with Stripe.
"""

from collections.abc import Iterator

from . import charges, drafts, invoices, subscriptions
from .catalog import period_end
from .store import Object
from .world import World

HOUR, DAY = 3600, 86400
_MOST_STEPS = 10_000


def advance(world: World, to: int) -> int:
    """Do all that is due until then, in order, each at its own moment. Returns how many steps that took."""
    steps = 0
    while steps < _MOST_STEPS:
        due = min(_due(world), key=lambda each: each[0], default=None)
        if due is None or due[0] > to:
            break
        world.store.travel(due[0])
        _ACTIONS[due[1]](world, world.get(due[2], due[3]))
        world.store.commit()
        steps += 1
    world.store.travel(to)
    world.store.commit()
    return steps


def next_due(world: World) -> int | None:
    return min((each[0] for each in _due(world)), default=None)


def _due(world: World) -> Iterator[tuple[int, str, str, str]]:
    """The moment, the action, and what it is done to."""
    for sub in world.store.all("subscription"):
        status, end = sub["status"], sub["items"]["data"][0]["current_period_end"]
        if status in ("trialing", "active", "past_due") and sub["cancel_at"] is not None:
            yield sub["cancel_at"], "cancel", "subscription", sub["id"]
        if status == "trialing":
            if not sub.get("_warned"):
                yield max(sub["trial_end"] - 3 * DAY, sub["created"]), "warn", "subscription", sub["id"]
            yield sub["trial_end"], "trial", "subscription", sub["id"]
        elif status in ("active", "past_due"):
            yield end, "renew", "subscription", sub["id"]
        elif status == "incomplete":
            yield sub["created"] + 23 * HOUR, "expire", "subscription", sub["id"]
    for invoice in world.store.all("invoice"):
        if invoice["status"] == "draft" and invoice["automatically_finalizes_at"] is not None:
            yield invoice["automatically_finalizes_at"], "finalize", "invoice", invoice["id"]
        elif invoice["status"] == "open" and invoice["next_payment_attempt"] is not None:
            yield invoice["next_payment_attempt"], "retry", "invoice", invoice["id"]
    for refund in world.store.all("refund"):
        if "_settles_at" in refund:
            yield refund["_settles_at"], "settle", "refund", refund["id"]
    for session in world.store.all("checkout.session"):
        if session["status"] == "open":
            yield session["expires_at"], "close", "checkout.session", session["id"]


def _draft_renewal(world: World, sub: Object, at_once: bool = False) -> None:
    invoice = drafts.draft(world, sub, subscriptions.lines(world, sub), "subscription_cycle")
    if at_once:
        invoices.finalize(world, invoice)
        _collect(world, invoice)
    else:
        invoice["automatically_finalizes_at"] = world.now() + HOUR


def _roll(sub: Object, start: int) -> None:
    for item in sub["items"]["data"]:
        item.update(
            current_period_start=start, current_period_end=period_end(start, item["price"]["recurring"], sub["billing_cycle_anchor"])
        )


def end_trial(world: World, sub: Object, at_once: bool = False) -> None:
    what = sub["trial_settings"]["end_behavior"]["missing_payment_method"]
    if invoices.method_for(world, sub) is None and what != "create_invoice":
        if what == "cancel":
            return subscriptions.end(world, sub, "cancellation_requested")
        sub["status"] = "paused"
        return world.emit("customer.subscription.paused", sub)
    sub.update(status="active", billing_cycle_anchor=sub["trial_end"])
    _roll(sub, sub["trial_end"])
    _draft_renewal(world, sub, at_once)
    return world.emit("customer.subscription.updated", sub)


def _renew(world: World, sub: Object) -> None:
    _roll(sub, sub["items"]["data"][0]["current_period_end"])
    _draft_renewal(world, sub)
    world.emit("customer.subscription.updated", sub)


def _warn(world: World, sub: Object) -> None:
    sub["_warned"] = True
    world.emit("customer.subscription.trial_will_end", sub)


def _cancel(world: World, sub: Object) -> None:
    subscriptions.end(world, sub, "cancellation_requested")


def _expire(world: World, sub: Object) -> None:
    """A subscription whose first invoice stays unpaid for 23 hours is over."""
    invoice = world.get("invoice", sub["latest_invoice"])
    sub.update(status="incomplete_expired", ended_at=world.now())
    if invoice["status"] == "open":
        invoices.cancel(world, invoice)
    world.emit("customer.subscription.updated", sub)


def _collect(world: World, invoice: Object) -> None:
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        invoices.collect(world, invoice)


def _finalize(world: World, invoice: Object) -> None:
    invoices.finalize(world, invoice)
    _collect(world, invoice)


def _close(world: World, session: Object) -> None:
    session.update(status="expired", url=None)
    world.emit("checkout.session.expired", session)


_ACTIONS = {
    "cancel": _cancel, "warn": _warn, "trial": end_trial, "renew": _renew, "expire": _expire, "finalize": _finalize, "retry": _collect,
    "close": _close, "settle": charges.settle_refund,
}  # fmt: skip


def catch_up(world: World) -> None:
    """Do what has come due since the last request."""
    if (due := next_due(world)) is not None and due <= world.now():
        advance(world, world.now())
