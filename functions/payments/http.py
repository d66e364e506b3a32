"""Payments over HTTP (SPEC §8). Customers, subscriptions, refunds and webhooks have modules of their own beside this one."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.responses import JSONResponse

from functions.dependencies import BaseUrl, ContainerDep, Cursor, Limit
from shared_code.payments import money
from shared_code.payments.objects import Record
from shared_code.payments.responses import (
    ConfigResponse,
    PaymentList,
    PaymentResponse,
    PaymentStatus,
    PriceResponse,
    payment_response,
)
from shared_code.payments.schemas import ConfirmRequest, PaymentRequest
from shared_code.storage import cursors
from shared_code.web.endpoint import Endpoint, idempotent

from . import customers, hosted, refunds, subscriptions, webhooks
from .parts import Moment, OfCustomer, PaymentsCaller, StripeKey, actor, moment, page

router = APIRouter(tags=["payments"], route_class=Endpoint)


@router.post("/api/payments/create-payment-intent", name="payments_create_payment", status_code=201, response_model=PaymentResponse)
@idempotent
async def create_payment(body: PaymentRequest, caller: PaymentsCaller, container: ContainerDep, key: StripeKey) -> Response:
    """A new payment. Confirm it in a page with `client_secret`, or with `confirm-payment`."""
    payment = await container.payments.create(
        actor(caller),
        money.parse(body.amount, body.currency or container.settings.payments_currency),
        customer_id=body.customer_id,
        description=body.description,
        receipt_email=body.receipt_email,
        metadata=body.metadata,
        key=key,
    )
    headers = {"Location": f"/api/payments/{payment.id}", "Cache-Control": "no-store"}
    return JSONResponse(await _shown(container, caller, payment), 201, headers)


@router.post("/api/payments/confirm-payment", name="payments_confirm_payment", response_model=PaymentResponse)
@idempotent
async def confirm_payment(
    body: ConfirmRequest, caller: PaymentsCaller, base_url: BaseUrl, container: ContainerDep, key: StripeKey
) -> Response:
    """Try to take the money. 402 when the card is declined, with Stripe's `decline_code`; `next_action` where the payer must act."""
    payment = await container.payments.confirm(
        actor(caller),
        body.payment_intent_id,
        payment_method=body.payment_method,
        return_url=body.return_url or f"{base_url}/",
        key=key,
    )
    return JSONResponse(await _shown(container, caller, payment), headers={"Cache-Control": "no-store"})


@router.get("/api/payments/history", name="payments_list_payments", response_model=PaymentList)
async def history(
    caller: PaymentsCaller,
    container: ContainerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    customer_id: OfCustomer = None,
    since: Annotated[Moment, Query(alias="from", description="RFC 3339: created then or later")] = None,
    until: Annotated[Moment, Query(alias="to", description="RFC 3339: created earlier")] = None,
    status: PaymentStatus | None = None,
) -> Response:
    """Payments, newest first, from the mirror: no call to Stripe."""
    of = ("payments", caller.user_id, customer_id, since, until, status)
    found = await container.payments.history(
        actor(caller),
        customer_id=customer_id,
        since=moment(since, "from"),
        until=moment(until, "to"),
        status=status,
        after=cursors.decode(cursor, *of),
        limit=limit + 1,
    )
    own = customer_id is None
    return page(found, limit, lambda payment: payment_response(payment, secret=own), *of)


@router.get("/api/payments/config", name="payments_get_config")
async def config(response: Response, container: ContainerDep) -> ConfigResponse:
    """What a page needs to take payments: Stripe's publishable key and what is on sale."""
    prices = await container.payments_catalog.prices()
    response.headers["Cache-Control"] = "public, max-age=60"
    settings = container.settings
    return ConfigResponse(
        publishable_key=settings.stripe_publishable_key,
        currency=settings.payments_currency,
        prices=[PriceResponse.of(price) for price in prices],
    )


customers.add_routes(router)
subscriptions.add_routes(router)
refunds.add_routes(router)
hosted.add_routes(router)
webhooks.add_routes(router)


@router.get("/api/payments/{payment_id}", name="payments_get_payment", response_model=PaymentResponse)
async def get_payment(payment_id: str, caller: PaymentsCaller, container: ContainerDep) -> Response:
    """The payment as it is now; one that is under way is asked of Stripe."""
    payment = await container.payments.get(actor(caller), payment_id)
    return JSONResponse(await _shown(container, caller, payment), headers={"Cache-Control": "no-store"})


async def _shown(container: ContainerDep, caller: PaymentsCaller, payment: Record) -> dict[str, Any]:
    """With its secret for its owner, who is not always an administrator who looks at it."""
    own = caller.role != "admin" or await container.payments_customers.own(caller.user_id) == payment.customer_id
    return payment_response(payment, secret=own)
