"""What the mirror keeps of Stripe's objects: the few fields that answers need, as rows.

``payments``, partition = Stripe customer id (``-`` for what belongs to nobody): ``pi:``, ``sub:``, ``in:`` and ``re:`` with
``<inverted created>:<id>`` an object, newest first; ``customer`` the customer; ``totals`` counts and sums of the partition, in the
same batch as what they count. ``paymentindex``, partition = an object's id, key ``where``: where its row is.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared_code.storage.ports import Row, Value

from .event_targets import Kind
from .ports import Object

MIRROR, INDEX, INDEX_KEY, TOTALS_KEY = "payments", "paymentindex", "where", "totals"
NOBODY = "-"
PREFIXES: Mapping[Kind, str] = {"payment_intent": "pi", "subscription": "sub", "invoice": "in", "refund": "re", "customer": "customer"}
REQUEST = "lydian_request"
"""Metadata that says which request of ours a refund is."""
OURS = "lydian_"
"""What the names of our own metadata begin with."""
LOCAL = ("reserved", "seen_at", "v")
"""Properties that Stripe knows nothing of."""

_LAST = 9_999_999_999
_CHUNK = 15_000  # characters, at most 30,000 of the 32 Ki UTF-16 units of a property
_LONGEST_TEXT = 5000


@dataclass(frozen=True, slots=True)
class Record:
    """A mirrored object. ``customer_id`` is None for one that belongs to nobody."""

    kind: Kind
    id: str
    customer_id: str | None
    values: Mapping[str, Value]
    key: str
    etag: str = ""

    @property
    def status(self) -> str:
        return self.text("status")

    @property
    def created_at(self) -> datetime:
        created_at = self.values["created_at"]
        assert isinstance(created_at, datetime)
        return created_at

    @property
    def metadata(self) -> dict[str, str]:
        """The user's own, without ours."""
        found: dict[str, str] = self.json("metadata") or {}
        return {name: value for name, value in found.items() if not name.startswith(OURS)}

    def text(self, name: str) -> str:
        return str(self.values.get(name) or "")

    def number(self, name: str) -> int:
        value = self.values.get(name)
        return value if isinstance(value, int) else 0

    def moment(self, name: str) -> datetime | None:
        value = self.values.get(name)
        return value if isinstance(value, datetime) else None

    def json(self, name: str) -> Any:
        text, part = self.text(name), 1
        while f"{name}_{part}" in self.values:
            text, part = text + self.text(f"{name}_{part}"), part + 1
        return json.loads(text) if text else None


def partition_of(customer_id: str | None) -> str:
    return customer_id or NOBODY


def inverted(seconds: int) -> str:
    return f"{min(max(0, _LAST - seconds), _LAST):010}"


def key_of(kind: Kind, fetched: Object) -> str:
    return "customer" if kind == "customer" else f"{PREFIXES[kind]}:{inverted(int(fetched['created']))}:{fetched['id']}"


def to_record(kind: Kind, row: Row) -> Record:
    return Record(kind, str(row.values["id"]), None if row.partition == NOBODY else row.partition, row.values, row.key, row.etag)


def values_of(kind: Kind, fetched: Object) -> dict[str, Value]:
    """The row of an object as Stripe holds it, without what is LOCAL."""
    found: dict[str, Value] = {
        "id": str(fetched["id"]),
        "status": _text(fetched.get("status")),
        "created_at": _moment(fetched.get("created")),
    }
    found |= _FIELDS[kind](fetched)
    found |= _spread("metadata", fetched.get("metadata") or None)
    return {name: value for name, value in found.items() if value is not None}


def differences(record: Record, values: Mapping[str, Value]) -> list[str]:
    """The fields in which a mirrored object differs from its row as Stripe has it now."""
    names = (record.values.keys() | values.keys()) - set(LOCAL)
    return sorted(name for name in names if record.values.get(name) != values.get(name))


def counted(kind: Kind, values: Mapping[str, Value]) -> tuple[str, str, str, int] | None:
    """Kind, currency, status and minor units that an object adds to its partition's totals."""
    if kind == "customer":
        return None
    amount = values.get("amount")
    return PREFIXES[kind], str(values.get("currency") or ""), str(values.get("status") or ""), amount if isinstance(amount, int) else 0


def reference(value: Any) -> str | None:
    """The id of what a field names, be it expanded or not."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def _payment(fetched: Object) -> dict[str, Value]:
    charge, error, action = fetched.get("latest_charge"), fetched.get("last_payment_error"), fetched.get("next_action")
    return {
        "amount": fetched["amount"],
        "amount_received": fetched.get("amount_received") or 0,
        "amount_refunded": charge.get("amount_refunded") or 0 if isinstance(charge, Mapping) else 0,
        "currency": fetched["currency"],
        "description": _text(fetched.get("description")),
        "client_secret": _text(fetched.get("client_secret")),
        **_spread("last_error", _only(error, "type", "code", "decline_code", "message")),
        **_spread("next_action", _action(action)),
    }


def _action(action: Any) -> dict[str, Any] | None:
    if not isinstance(action, Mapping):
        return None
    redirect = action.get("redirect_to_url")
    return {"type": action.get("type"), **({"redirect_to_url": dict(redirect)} if isinstance(redirect, Mapping) else {})}


def _subscription(fetched: Object) -> dict[str, Value]:
    items = (fetched.get("items") or {}).get("data") or [{}]
    item: Mapping[str, Any] = items[0]
    price: Mapping[str, Any] = item.get("price") or {}
    recurring: Mapping[str, Any] = price.get("recurring") or {}
    return {
        "item_id": _text(item.get("id")),
        "price_id": _text(price.get("id")),
        "product_id": reference(price.get("product")),
        "quantity": item.get("quantity"),
        "amount": price.get("unit_amount"),
        "currency": _text(fetched.get("currency") or price.get("currency")),
        "interval": _text(recurring.get("interval")),
        "interval_count": recurring.get("interval_count"),
        "cancel_at_period_end": bool(fetched.get("cancel_at_period_end")),
        # On the items since https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end
        "current_period_end": _moment(item.get("current_period_end")),
        "cancel_at": _moment(fetched.get("cancel_at")),
        "canceled_at": _moment(fetched.get("canceled_at")),
        "ended_at": _moment(fetched.get("ended_at")),
        "trial_end": _moment(fetched.get("trial_end")),
        "latest_invoice": reference(fetched.get("latest_invoice")),
    }


def _invoice(fetched: Object) -> dict[str, Value]:
    parent: Mapping[str, Any] = fetched.get("parent") or {}
    details: Mapping[str, Any] = parent.get("subscription_details") or {}
    return {
        "number": _text(fetched.get("number")),
        "amount": fetched.get("total") or 0,
        "amount_due": fetched.get("amount_due") or 0,
        "amount_paid": fetched.get("amount_paid") or 0,
        "currency": _text(fetched.get("currency")),
        "subscription_id": reference(details.get("subscription")),
        "hosted_invoice_url": _text(fetched.get("hosted_invoice_url")),
        "invoice_pdf": _text(fetched.get("invoice_pdf")),
        "period_start": _moment(fetched.get("period_start")),
        "period_end": _moment(fetched.get("period_end")),
    }


def _refund(fetched: Object) -> dict[str, Value]:
    return {
        "payment_intent": reference(fetched.get("payment_intent")),
        "amount": fetched["amount"],
        "currency": fetched["currency"],
        "reason": _text(fetched.get("reason")),
        "failure_reason": _text(fetched.get("failure_reason")),
        "request": _text((fetched.get("metadata") or {}).get(REQUEST)),
    }


def _customer(fetched: Object) -> dict[str, Value]:
    settings: Mapping[str, Any] = fetched.get("invoice_settings") or {}
    return {
        "status": "deleted" if fetched.get("deleted") else "active",
        "email": _text(fetched.get("email")),
        "name": _text(fetched.get("name")),
        "default_payment_method": reference(settings.get("default_payment_method")),
    }


_FIELDS: Mapping[Kind, Callable[[Object], dict[str, Value]]] = {
    "payment_intent": _payment,
    "subscription": _subscription,
    "invoice": _invoice,
    "refund": _refund,
    "customer": _customer,
}


def _text(value: Any) -> str | None:
    return value[:_LONGEST_TEXT] if isinstance(value, str) and value else None


def _moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None


def _only(value: Any, *names: str) -> dict[str, Any] | None:
    return {name: value[name] for name in names if value.get(name) is not None} if isinstance(value, Mapping) else None


def _spread(name: str, value: Any) -> dict[str, Value]:
    """JSON under ``name``, ``name_1`` …: Stripe's metadata may be longer than one property."""
    if value is None:
        return {}
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return {f"{name}_{start // _CHUNK}" if start else name: text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)}
