"""Which handler answers which request, and which of the SDK's declarations its parameters must meet."""

import functools
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import catalog, changes, charges, checkout, customers, events, intents, invoices, setups, subscriptions
from .store import Object

Handler = Callable[..., Object]


@dataclass(frozen=True)
class Route:
    method: str
    path: re.Pattern[str]
    handler: Handler
    declared: str  # the TypedDict's name under stripe.params

    @functools.cached_property
    def params(self) -> Any:
        module, _, name = self.declared.rpartition(".")
        return getattr(importlib.import_module(f"stripe.params.{module}" if module else "stripe.params"), name)


def _crud(path: str, name: str, handlers: Mapping[str, Handler]) -> list[tuple[str, Handler, str]]:
    one = f"{path}/{{id}}"
    spots = {
        "create": f"POST {path}",
        "list": f"GET {path}",
        "retrieve": f"GET {one}",
        "update": f"POST {one}",
        "delete": f"DELETE {one}",
    }
    package, _, bare = name.rpartition(".")
    prefix = f"{package}." if package else ""
    return [
        (spots.get(action, f"POST {one}/{action}"), handler, f"{prefix}{bare}{_camel(action)}Params")
        for action, handler in handlers.items()
    ]


def _camel(action: str) -> str:
    return "".join(part.capitalize() for part in action.split("_"))


_TABLE: list[tuple[str, Handler, str]] = [
    *_crud("customers", "Customer", {
        "create": customers.create, "list": customers.listing, "retrieve": customers.retrieve, "update": customers.update,
        "delete": customers.delete,
    }),
    ("GET customers/{id}/payment_methods", lambda world, params, id: customers.list_methods(world, params, id),
     "CustomerPaymentMethodListParams"),
    ("GET customers/{id}/payment_methods/{id}", customers.method_of_customer, "CustomerPaymentMethodRetrieveParams"),
    *_crud("payment_methods", "PaymentMethod", {
        "create": customers.create_method, "list": customers.list_methods, "retrieve": customers.retrieve_method,
        "update": customers.update_method, "attach": customers.attach_method, "detach": customers.detach_method,
    }),
    *_crud("payment_intents", "PaymentIntent", {
        "create": intents.create, "list": intents.listing, "retrieve": intents.retrieve, "update": intents.update,
        "confirm": intents.confirm, "cancel": intents.cancel, "capture": intents.capture,
    }),
    *_crud("setup_intents", "SetupIntent", {
        "create": setups.create, "list": setups.listing, "retrieve": setups.retrieve, "update": setups.update, "confirm": setups.confirm,
        "cancel": setups.cancel,
    }),
    *_crud("charges", "Charge", {"list": charges.listing, "retrieve": charges.retrieve, "update": charges.update}),
    *_crud("refunds", "Refund", {
        "create": charges.refund, "list": charges.list_refunds, "retrieve": charges.retrieve_refund, "update": charges.update_refund,
    }),
    *_crud("disputes", "Dispute", {"list": charges.list_disputes, "retrieve": charges.retrieve_dispute}),
    *_crud("balance_transactions", "BalanceTransaction", {"retrieve": charges.retrieve_balance}),
    *_crud("products", "Product", {
        "create": catalog.create_product, "list": catalog.list_products, "retrieve": catalog.retrieve_product,
        "update": catalog.update_product,
    }),
    *_crud("prices", "Price", {
        "create": catalog.create_price, "list": catalog.list_prices, "retrieve": catalog.retrieve_price, "update": catalog.update_price,
    }),
    *_crud("subscriptions", "Subscription", {
        "create": subscriptions.create, "list": subscriptions.listing, "retrieve": subscriptions.retrieve, "update": changes.update,
    }),
    ("DELETE subscriptions/{id}", subscriptions.cancel, "SubscriptionCancelParams"),
    *_crud("invoices", "Invoice", {
        "list": invoices.listing, "retrieve": invoices.retrieve, "update": invoices.update, "pay": invoices.pay,
    }),
    ("POST invoices/{id}/finalize", invoices.finalize_now, "InvoiceFinalizeInvoiceParams"),
    ("POST invoices/{id}/void", invoices.void, "InvoiceVoidInvoiceParams"),
    ("GET invoices/{id}/lines", invoices.lines_of, "InvoiceLineItemListParams"),
    *_crud("invoice_payments", "InvoicePayment", {"list": invoices.list_payments, "retrieve": invoices.retrieve_payment}),
    *_crud("checkout/sessions", "checkout.Session", {
        "create": checkout.create, "list": checkout.listing, "retrieve": checkout.retrieve, "expire": checkout.expire,
    }),
    ("GET checkout/sessions/{id}/line_items", checkout.line_items, "checkout.SessionLineItemListParams"),
    *_crud("billing_portal/sessions", "billing_portal.Session", {"create": checkout.create_portal}),
    *_crud("events", "Event", {"list": events.listing, "retrieve": events.retrieve}),
]  # fmt: skip

ROUTES = [
    Route(
        spot.split(" ")[0],
        re.compile("/v1/" + spot.split(" ")[1].replace("{id}", r"([^/]+)")),
        handler,
        declared,
    )
    for spot, handler, declared in _TABLE
]


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    for route in ROUTES:
        match = route.path.fullmatch(path) if route.method == method else None
        if match is not None:
            return route, match.groups()
    return None
