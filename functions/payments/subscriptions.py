"""Subscriptions and invoices over HTTP (SPEC §8)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from functions.dependencies import ContainerDep, Cursor, Limit
from shared_code.payments.responses import (
    InvoiceList,
    NewSubscriptionResponse,
    SubscriptionList,
    SubscriptionResponse,
    SubscriptionStatus,
    invoice_fields,
    subscription_fields,
)
from shared_code.payments.schemas import CancelRequest, SubscriptionChange, SubscriptionRequest
from shared_code.storage import cursors
from shared_code.web.endpoint import idempotent

from .parts import OfCustomer, PaymentsCaller, StripeKey, actor, page


def add_routes(router: APIRouter) -> None:
    router.post("/api/subscriptions/create", name="payments_create_subscription", status_code=201)(create_subscription)
    router.get("/api/subscriptions", name="payments_list_subscriptions", response_model=SubscriptionList)(list_subscriptions)
    router.get("/api/subscriptions/{subscription_id}", name="payments_get_subscription")(get_subscription)
    router.post("/api/subscriptions/{subscription_id}/update", name="payments_update_subscription")(update_subscription)
    router.post("/api/subscriptions/{subscription_id}/cancel", name="payments_cancel_subscription")(cancel_subscription)
    router.get("/api/invoices", name="payments_list_invoices", response_model=InvoiceList)(list_invoices)


@idempotent
async def create_subscription(
    response: Response, body: SubscriptionRequest, caller: PaymentsCaller, container: ContainerDep, key: StripeKey
) -> NewSubscriptionResponse:
    """Subscribe to a price. With a saved card its first payment is tried at once; else confirm it with `client_secret`."""
    record, secret = await container.payments_subscriptions.create(
        actor(caller),
        body.customer_id,
        price_id=body.price_id,
        quantity=body.quantity,
        trial_period_days=body.trial_period_days,
        metadata=body.metadata,
        key=key,
    )
    response.headers["Location"] = f"/api/subscriptions/{record.id}"
    response.headers["Cache-Control"] = "no-store"
    own = caller.role != "admin" or await container.payments_customers.own(caller.user_id) == record.customer_id
    return NewSubscriptionResponse(**subscription_fields(record), client_secret=secret if own else None)


async def list_subscriptions(
    caller: PaymentsCaller,
    container: ContainerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    customer_id: OfCustomer = None,
    status: SubscriptionStatus | None = None,
) -> Response:
    of = ("subscriptions", caller.user_id, customer_id, status)
    found = await container.payments_subscriptions.page(
        actor(caller), customer_id, status=status, after=cursors.decode(cursor, *of), limit=limit + 1
    )
    return page(found, limit, subscription_fields, *of)


async def get_subscription(subscription_id: str, caller: PaymentsCaller, container: ContainerDep) -> SubscriptionResponse:
    return SubscriptionResponse(**subscription_fields(await container.payments_subscriptions.get(actor(caller), subscription_id)))


@idempotent
async def update_subscription(
    subscription_id: str, body: SubscriptionChange, caller: PaymentsCaller, container: ContainerDep, key: StripeKey
) -> SubscriptionResponse:
    """Change the price, the quantity or the metadata; `proration_behavior` says how what was paid already counts."""
    record = await container.payments_subscriptions.update(
        actor(caller),
        subscription_id,
        price_id=body.price_id,
        quantity=body.quantity,
        metadata=body.metadata,
        proration_behavior=body.proration_behavior,
        key=key,
    )
    return SubscriptionResponse(**subscription_fields(record))


@idempotent
async def cancel_subscription(
    subscription_id: str, caller: PaymentsCaller, container: ContainerDep, key: StripeKey, body: CancelRequest | None = None
) -> SubscriptionResponse:
    """End it, by default when what was paid for is over."""
    at_period_end = body.at_period_end if body is not None else True
    record = await container.payments_subscriptions.cancel(actor(caller), subscription_id, at_period_end=at_period_end, key=key)
    return SubscriptionResponse(**subscription_fields(record))


async def list_invoices(
    caller: PaymentsCaller,
    container: ContainerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    customer_id: OfCustomer = None,
    subscription_id: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    of = ("invoices", caller.user_id, customer_id, subscription_id)
    found = await container.payments_subscriptions.invoices(
        actor(caller), customer_id, subscription_id=subscription_id, after=cursors.decode(cursor, *of), limit=limit + 1
    )
    return page(found, limit, invoice_fields, *of)
