"""Payments' responses, as OpenAPI shows them. What lists hold is built by hand: they have up to 100 of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from shared_code.clock import rfc3339

from .catalog import Price
from .money import show
from .objects import Record
from .ports import Object

PaymentStatus = Literal[
    "requires_payment_method", "requires_confirmation", "requires_action", "processing", "requires_capture", "canceled", "succeeded"
]  # fmt: skip
SubscriptionStatus = Literal["incomplete", "incomplete_expired", "trialing", "active", "past_due", "canceled", "unpaid", "paused"]


class PaymentResponse(BaseModel):
    id: str
    client_secret: str | None = Field(description="for Stripe.js; given to the payment's owner only")
    amount: str
    amount_minor: int
    amount_refunded: str
    currency: str
    status: PaymentStatus
    customer_id: str | None
    metadata: dict[str, str]
    next_action: dict[str, Any] | None = Field(description="`type`, and `redirect_to_url` where the payer must be sent")
    last_error: dict[str, str] | None = Field(description="`code`, `decline_code`, `message` of the last attempt that failed")
    created_at: str


class PaymentList(BaseModel):
    items: list[PaymentResponse]
    next_cursor: str | None


class CustomerResponse(BaseModel):
    id: str
    email: str | None
    name: str | None
    metadata: dict[str, str]
    created_at: str


class SubscriptionResponse(BaseModel):
    id: str
    customer_id: str | None
    status: SubscriptionStatus
    price_id: str | None
    product_id: str | None
    quantity: int | None
    amount: str | None = Field(description="of one, each interval")
    amount_minor: int | None
    currency: str
    interval: str | None
    current_period_end: str | None
    cancel_at_period_end: bool
    canceled_at: str | None
    trial_end: str | None
    metadata: dict[str, str]
    created_at: str


class NewSubscriptionResponse(SubscriptionResponse):
    client_secret: str | None = Field(description="confirms the first payment of an `incomplete` subscription")


class SubscriptionList(BaseModel):
    items: list[SubscriptionResponse]
    next_cursor: str | None


class InvoiceResponse(BaseModel):
    id: str
    number: str | None
    customer_id: str | None
    subscription_id: str | None
    status: str
    amount: str
    amount_minor: int
    amount_paid: str
    amount_due: str
    currency: str
    hosted_invoice_url: str | None
    invoice_pdf: str | None
    period_start: str | None
    period_end: str | None
    created_at: str


class InvoiceList(BaseModel):
    items: list[InvoiceResponse]
    next_cursor: str | None


class RefundResponse(BaseModel):
    id: str
    payment_intent_id: str | None
    amount: str
    amount_minor: int
    currency: str
    status: str
    reason: str | None
    created_at: str


class RefundList(BaseModel):
    items: list[RefundResponse]
    next_cursor: str | None


class PriceResponse(BaseModel):
    id: str
    product: str = Field(description="the product's name")
    product_id: str
    amount: str | None
    amount_minor: int | None
    currency: str
    interval: str | None = Field(description="null: paid once")
    interval_count: int | None

    @classmethod
    def of(cls, price: Price) -> "PriceResponse":
        amount = None if price.amount is None else show(price.amount, price.currency)
        return cls(
            id=price.id, product=price.product, product_id=price.product_id, amount=amount, amount_minor=price.amount,
            currency=price.currency, interval=price.interval, interval_count=price.interval_count,
        )  # fmt: skip


class ConfigResponse(BaseModel):
    publishable_key: str
    currency: str
    prices: list[PriceResponse]


class SetupResponse(BaseModel):
    id: str
    client_secret: str | None
    status: str
    customer_id: str | None


class MethodResponse(BaseModel):
    id: str
    type: str
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    created_at: str


class MethodList(BaseModel):
    items: list[MethodResponse]
    next_cursor: str | None


class HostedPageResponse(BaseModel):
    url: str


def payment_response(record: Record, *, secret: bool) -> dict[str, Any]:
    """``secret``: for the owner, who alone may confirm it in a page."""
    currency = record.text("currency")
    return {
        "id": record.id,
        "client_secret": (record.text("client_secret") or None) if secret else None,
        "amount": show(record.number("amount"), currency),
        "amount_minor": record.number("amount"),
        "amount_refunded": show(record.number("amount_refunded"), currency),
        "currency": currency,
        "status": record.status,
        "customer_id": record.customer_id,
        "metadata": record.metadata,
        "next_action": record.json("next_action"),
        "last_error": record.json("last_error"),
        "created_at": rfc3339(record.created_at),
    }


def customer_response(record: Record) -> CustomerResponse:
    return CustomerResponse(
        id=record.id, email=record.text("email") or None, name=record.text("name") or None, metadata=record.metadata,
        created_at=rfc3339(record.created_at),
    )  # fmt: skip


def subscription_fields(record: Record) -> dict[str, Any]:
    currency, amount = record.text("currency"), record.values.get("amount")
    return {
        "id": record.id,
        "customer_id": record.customer_id,
        "status": record.status,
        "price_id": record.text("price_id") or None,
        "product_id": record.text("product_id") or None,
        "quantity": record.values.get("quantity"),
        "amount": show(amount, currency) if isinstance(amount, int) else None,
        "amount_minor": amount if isinstance(amount, int) else None,
        "currency": currency,
        "interval": record.text("interval") or None,
        "current_period_end": _time(record, "current_period_end"),
        "cancel_at_period_end": bool(record.values.get("cancel_at_period_end")),
        "canceled_at": _time(record, "canceled_at"),
        "trial_end": _time(record, "trial_end"),
        "metadata": record.metadata,
        "created_at": rfc3339(record.created_at),
    }


def invoice_fields(record: Record) -> dict[str, Any]:
    currency = record.text("currency")
    return {
        "id": record.id,
        "number": record.text("number") or None,
        "customer_id": record.customer_id,
        "subscription_id": record.text("subscription_id") or None,
        "status": record.status,
        "amount": show(record.number("amount"), currency),
        "amount_minor": record.number("amount"),
        "amount_paid": show(record.number("amount_paid"), currency),
        "amount_due": show(record.number("amount_due"), currency),
        "currency": currency,
        "hosted_invoice_url": record.text("hosted_invoice_url") or None,
        "invoice_pdf": record.text("invoice_pdf") or None,
        "period_start": _time(record, "period_start"),
        "period_end": _time(record, "period_end"),
        "created_at": rfc3339(record.created_at),
    }


def refund_fields(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "payment_intent_id": record.text("payment_intent") or None,
        "amount": show(record.number("amount"), record.text("currency")),
        "amount_minor": record.number("amount"),
        "currency": record.text("currency"),
        "status": record.status,
        "reason": record.text("reason") or None,
        "created_at": rfc3339(record.created_at),
    }


def method_response(method: Object) -> MethodResponse:
    card: Mapping[str, Any] = method.get("card") or {}
    return MethodResponse(
        id=str(method["id"]), type=str(method["type"]), brand=card.get("brand"), last4=card.get("last4"), exp_month=card.get("exp_month"),
        exp_year=card.get("exp_year"), created_at=rfc3339(datetime.fromtimestamp(int(method["created"]), UTC)),
    )  # fmt: skip


def _time(record: Record, name: str) -> str | None:
    moment = record.moment(name)
    return rfc3339(moment) if moment else None
