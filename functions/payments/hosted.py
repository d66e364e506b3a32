"""Saved payment methods and Stripe's hosted pages over HTTP (SPEC §8). Stripe is asked: none of it is mirrored."""

from fastapi import APIRouter, Response

from functions.dependencies import BaseUrl, ContainerDep, Cursor, Limit
from shared_code.payments import money
from shared_code.payments.responses import HostedPageResponse, MethodList, SetupResponse, method_response
from shared_code.payments.schemas import CheckoutRequest, CustomerOnly, PortalRequest
from shared_code.storage import cursors
from shared_code.web.endpoint import idempotent

from .parts import OfCustomer, PaymentsCaller, StripeKey, actor


def add_routes(router: APIRouter) -> None:
    router.post("/api/payments/setup-intent", name="payments_create_setup", status_code=201)(create_setup)
    router.get("/api/payments/methods", name="payments_list_methods")(list_methods)
    router.delete("/api/payments/methods/{method_id}", name="payments_delete_method", status_code=204)(delete_method)
    router.post("/api/payments/checkout-session", name="payments_create_checkout", status_code=201)(create_checkout)
    router.post("/api/payments/portal-session", name="payments_create_portal", status_code=201)(create_portal)


@idempotent
async def create_setup(
    response: Response, caller: PaymentsCaller, container: ContainerDep, key: StripeKey, body: CustomerOnly | None = None
) -> SetupResponse:
    """Begin to save a card: a page confirms `client_secret` with Stripe.js."""
    setup = await container.payments_methods.set_up(actor(caller), body.customer_id if body else None, key=key)
    response.headers["Cache-Control"] = "no-store"
    return SetupResponse(
        id=str(setup["id"]), client_secret=setup.get("client_secret"), status=str(setup["status"]), customer_id=setup.get("customer")
    )


async def list_methods(
    caller: PaymentsCaller, container: ContainerDep, limit: Limit = 20, cursor: Cursor = None, customer_id: OfCustomer = None
) -> MethodList:
    of = ("methods", caller.user_id, customer_id)
    found, more = await container.payments_methods.page(actor(caller), customer_id, after=cursors.decode(cursor, *of), limit=limit)
    next_cursor = cursors.encode(str(found[-1]["id"]), *of) if more and found else None
    return MethodList(items=[method_response(method) for method in found], next_cursor=next_cursor)


async def delete_method(method_id: str, caller: PaymentsCaller, container: ContainerDep, key: StripeKey) -> None:
    """Remove a saved card, for good."""
    await container.payments_methods.remove(actor(caller), method_id, key=key)


@idempotent
async def create_checkout(
    body: CheckoutRequest, caller: PaymentsCaller, base_url: BaseUrl, container: ContainerDep, key: StripeKey
) -> HostedPageResponse:
    """Stripe's own checkout page, for a price or for an amount."""
    amount = None
    if body.amount is not None:
        amount = money.parse(body.amount, body.currency or container.settings.payments_currency)
    session = await container.payments_pages.checkout(
        actor(caller),
        body.customer_id,
        price_id=body.price_id,
        money=amount,
        description=body.description,
        quantity=body.quantity,
        success_url=body.success_url or f"{base_url}/",
        cancel_url=body.cancel_url or f"{base_url}/",
        metadata=body.metadata,
        key=key,
    )
    return HostedPageResponse(url=str(session["url"]))


@idempotent
async def create_portal(
    caller: PaymentsCaller, base_url: BaseUrl, container: ContainerDep, key: StripeKey, body: PortalRequest | None = None
) -> HostedPageResponse:
    """Stripe's billing portal, where people change their cards and plans and see their invoices."""
    wanted = body or PortalRequest()
    session = await container.payments_pages.portal(
        actor(caller), wanted.customer_id, return_url=wanted.return_url or f"{base_url}/", key=key
    )
    return HostedPageResponse(url=str(session["url"]))
