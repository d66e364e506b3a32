"""Which objects an event of Stripe concerns: what is fetched again instead of being believed (SPEC §8, webhooks)."""

import re
from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal["payment_intent", "subscription", "invoice", "refund", "customer"]
"""Stripe's names of the objects that the mirror keeps."""

Target = tuple[Kind, str]

_ID = re.compile(r"[A-Za-z0-9_]{1,128}")


def targets_of(event_type: str, subject: Mapping[str, Any]) -> tuple[Target, ...] | None:
    """The objects to fetch; None for an event that Lydian does not know, or that concerns nothing it keeps."""
    found: list[Target] = []

    def add(kind: Kind, reference: Any) -> None:
        identifier = reference.get("id") if isinstance(reference, Mapping) else reference  # expanded, or not
        if isinstance(identifier, str) and _ID.fullmatch(identifier) and (kind, identifier) not in found:
            found.append((kind, identifier))

    group = event_type.partition(".")[0]
    if group == "payment_intent":
        add("payment_intent", subject)
    elif event_type == "charge.refunded" or event_type.startswith("charge.dispute."):
        add("payment_intent", subject.get("payment_intent"))
    elif group == "refund" or event_type.startswith("charge.refund."):
        add("refund", subject)
        add("payment_intent", subject.get("payment_intent"))
    elif event_type.startswith("customer.subscription."):
        add("subscription", subject)
    elif group == "customer" and subject.get("object") == "customer":
        add("customer", subject)
    elif group == "invoice":
        add("invoice", subject)
        # Where the subscription is named has moved: https://docs.stripe.com/changelog/basil/2025-03-31/adds-new-parent-field-to-invoicing-objects
        add("subscription", _within(subject, "parent", "subscription_details", "subscription") or subject.get("subscription"))
    elif group == "invoice_payment":
        add("invoice", subject.get("invoice"))
        add("payment_intent", _within(subject, "payment", "payment_intent"))
    elif event_type == "checkout.session.completed" or event_type.startswith("checkout.session.async_payment_"):
        add("payment_intent", subject.get("payment_intent"))
        add("subscription", subject.get("subscription"))
        add("invoice", subject.get("invoice"))
    return tuple(found) or None


def _within(subject: Mapping[str, Any], *path: str) -> Any:
    value: Any = subject
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
