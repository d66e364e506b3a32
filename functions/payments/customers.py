"""Customers over HTTP: one for a user (SPEC §8)."""

from fastapi import APIRouter, Response

from functions.dependencies import ContainerDep
from shared_code.payments.responses import CustomerResponse, customer_response
from shared_code.payments.schemas import CustomerChange, CustomerRequest
from shared_code.web.endpoint import idempotent

from .parts import PaymentsCaller, StripeKey, actor


def add_routes(router: APIRouter) -> None:
    router.post(
        "/api/customers/create",
        name="payments_create_customer",
        status_code=201,
        responses={200: {"model": CustomerResponse, "description": "The user's customer, which was there already"}},
    )(create_customer)
    router.get("/api/customers/{customer_id}", name="payments_get_customer")(get_customer)
    router.patch("/api/customers/{customer_id}", name="payments_update_customer")(update_customer)


@idempotent
async def create_customer(response: Response, body: CustomerRequest, caller: PaymentsCaller, container: ContainerDep) -> CustomerResponse:
    """The caller's customer. A second one is not made: the first is given again, as it is, with 200."""
    record, made = await container.payments_customers.create(caller.user_id, email=body.email, name=body.name, metadata=body.metadata)
    response.status_code = 201 if made else 200
    response.headers["Location"] = f"/api/customers/{record.id}"
    return customer_response(record)


async def get_customer(customer_id: str, caller: PaymentsCaller, container: ContainerDep) -> CustomerResponse:
    return customer_response(await container.payments_customers.get(actor(caller), customer_id))


async def update_customer(
    customer_id: str, body: CustomerChange, caller: PaymentsCaller, container: ContainerDep, key: StripeKey
) -> CustomerResponse:
    """Change what is given; null takes the name away."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    changes = {name: "" if value is None else value for name, value in changes.items() if value is not None or name == "name"}
    return customer_response(await container.payments_customers.update(actor(caller), customer_id, changes, key=key))
