"""The one account that the server plays: its objects, its clock, and the events that tell of changes."""

import json
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from .blanks import blank
from .errors import no_such
from .params import Params, merge_metadata
from .store import Object, Store

API_VERSION = "2026-10-28.endive"  # of the pinned SDK; a test holds them together

# Kinds by the prefix of their ids.
PREFIXES = {
    "cus": "customer", "pi": "payment_intent", "ch": "charge", "txn": "balance_transaction", "re": "refund", "du": "dispute",
    "pm": "payment_method", "seti": "setup_intent", "sub": "subscription", "in": "invoice", "inpay": "invoice_payment",
    "prod": "product", "price": "price", "cs": "checkout.session", "bps": "billing_portal.session", "evt": "event",
}  # fmt: skip

_WITH_PREVIOUS = (".updated", "charge.refunded", "charge.dispute.closed")


class World:
    """What handlers work with. One transaction at a time: see Store."""

    def __init__(self, store: Store, base_url: str = "") -> None:
        self.store = store
        self.base_url = base_url
        self.request_id: str | None = None
        self.idempotency_key: str | None = None
        self.on_event: Callable[[Object], None] = lambda _: None
        self.frozen_second: tuple[int, int] | None = None  # (the second, how many more events are said to be of it)
        self._told: dict[tuple[str, str], Object] = {}

    def now(self) -> int:
        return self.store.now()

    def begin(self, request_id: str | None, idempotency_key: str | None) -> None:
        self.request_id, self.idempotency_key = request_id, idempotency_key
        self._told.clear()

    def new(self, kind: str, prefix: str, **values: Any) -> Object:
        """Create an object. Its `created` is now unless given."""
        made = blank(kind, values.pop("id", None) or self.store.new_id(prefix), **values)
        if made.get("created", 0) is None:
            made["created"] = self.now()
        return self.store.add(kind, made)

    def get(self, kind: str, id: str, param: str = "id", status: int = 400) -> Object:
        """To be changed. Raises StripeError when there is none, or it has been deleted and is needed by a request."""
        found = self.store.get(kind, id)
        if found is None or (found.get("deleted") and status == 400):
            raise no_such(kind, id, param, status)
        return found

    def check(self, kind: str, params: Params, param: str) -> None:
        """That what a list is asked for exists, or did."""
        if param in params and self.store.peek(kind, params[param]) is None:
            raise no_such(kind, params[param], param)

    def secret(self, id: str) -> str:
        return f"{id}_secret_{secrets.token_hex(12)}"

    def emit(self, type: str, obj: Object) -> None:
        """Tell of a change. An `updated` event without any change is not told, as with Stripe."""
        key = obj["object"], obj["id"]
        shown = render(obj)
        data: Object = {"object": shown}
        if type.endswith(_WITH_PREVIOUS):
            before: Object = self._told.get(key) or render(self.store.committed(*key) or obj)
            previous = _difference(before, shown)
            if not previous and type.endswith(".updated"):
                return
            data["previous_attributes"] = previous
        self._told[key] = shown
        created = self.now()
        if self.frozen_second is not None:
            created, left = self.frozen_second
            self.frozen_second = (created, left - 1) if left > 1 else None
        event = self.new(
            "event", "evt", type=type, data=data, api_version=API_VERSION, created=created, pending_webhooks=1,
            request={"id": self.request_id, "idempotency_key": self.idempotency_key},
        )  # fmt: skip
        self.on_event(event)


def render(obj: Object) -> Object:
    """A copy without what is ours alone, whose names begin with `_`."""
    copy: Object = json.loads(json.dumps(obj))
    return {name: value for name, value in copy.items() if not name.startswith("_")}


def _difference(before: Object, after: Object) -> Object:
    """The old values of what has changed; inside hashes, of the changed keys only."""
    changed: Object = {}
    for name, old in before.items():
        new = after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict) and name != "items":
            changed[name] = _difference(old, new)
        else:
            changed[name] = old
    changed |= {name: None for name in after if name not in before}
    return changed


def list_object(url: str, data: Iterable[Object], has_more: bool = False) -> Object:
    return {"object": "list", "data": list(data), "has_more": has_more, "url": url}


def update_plain(obj: Object, params: Params, names: Iterable[str]) -> None:
    """Set the given parameters as they are, an empty text as null, and merge metadata."""
    for name in names:
        if name in params:
            obj[name] = None if params[name] == "" else params[name]
    if "metadata" in params:
        obj["metadata"] = merge_metadata(obj["metadata"] or {}, params["metadata"])
