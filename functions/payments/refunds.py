"""Refunds over HTTP (SPEC §8)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from functions.dependencies import ContainerDep, Cursor, Limit
from shared_code.payments.responses import RefundList, RefundResponse, refund_fields
from shared_code.payments.schemas import RefundRequest
from shared_code.storage import cursors
from shared_code.web.endpoint import idempotent

from .parts import AdminCaller, OfCustomer, PaymentsCaller, StripeKey, actor, page


def add_routes(router: APIRouter) -> None:
    router.post("/api/refunds/create", name="payments_create_refund", status_code=201)(create_refund)
    router.get("/api/refunds", name="payments_list_refunds", response_model=RefundList)(list_refunds)


@idempotent
async def create_refund(body: RefundRequest, caller: AdminCaller, container: ContainerDep, key: StripeKey) -> RefundResponse:
    """Give money back: never more than what is left of the payment, however many ask at once."""
    refund = await container.payments_refunds.create(
        actor(caller), body.payment_intent_id, amount=body.amount, reason=body.reason, request=key
    )
    return RefundResponse(**refund_fields(refund))


async def list_refunds(
    caller: PaymentsCaller,
    container: ContainerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    payment_intent_id: Annotated[str | None, Query(max_length=64, description="only this payment's")] = None,
    customer_id: OfCustomer = None,
) -> Response:
    of = ("refunds", caller.user_id, payment_intent_id, customer_id)
    found = await container.payments_refunds.page(
        actor(caller), payment_id=payment_intent_id, customer_id=customer_id, after=cursors.decode(cursor, *of), limit=limit + 1
    )
    return page(found, limit, refund_fields, *of)
