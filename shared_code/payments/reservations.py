"""Refunds that have been asked of Stripe and are not in the mirror yet: parts of a payment that nobody else may refund.

They are kept on the payment's own row, whose ETag decides who comes first.
"""

import json
from datetime import datetime, timedelta

from shared_code.clock import rfc3339

from .objects import Record

ABANDONED = timedelta(minutes=10)
"""After this long (``functionTimeout``) whoever reserved has died, and Stripe alone knows whether there is a refund."""


def of(payment: Record) -> dict[str, tuple[int, str]]:
    """Request → minor units, and when they were reserved (RFC 3339)."""
    found = json.loads(payment.text("reserved") or "{}")
    return {name: (int(amount), str(at)) for name, (amount, at) in found.items()}


def has_abandoned(payment: Record, now: datetime) -> bool:
    return any(_is_abandoned(at, now) for _, at in of(payment).values())


def left(payment: Record) -> int:
    """Minor units that can still be refunded. Stripe counts what was authorised and not captured as refunded too."""
    return payment.number("amount") - payment.number("amount_refunded") - sum(amount for amount, _ in of(payment).values())


def with_one(payment: Record, request: str, amount: int, now: datetime) -> str:
    return json.dumps({**of(payment), request: (amount, rfc3339(now))})


def without(payment: Record, request: str) -> str | None:
    remaining = {name: each for name, each in of(payment).items() if name != request}
    return json.dumps(remaining) if remaining else None


def kept(payment: Record, now: datetime, *, fetched_now: bool, settled: frozenset[str]) -> str | None:
    """What remains reserved when the payment is written: once it was fetched, what it holds includes what was abandoned."""
    found = of(payment)
    remaining = {name: each for name, each in found.items() if name not in settled and not (fetched_now and _is_abandoned(each[1], now))}
    return json.dumps(remaining) if remaining else None


def _is_abandoned(at: str, now: datetime) -> bool:
    return now - datetime.fromisoformat(at) > ABANDONED
