"""It refuses what Stripe refuses, with Stripe's status, type, code and parameter."""

import base64
from typing import Any

import pytest
import stripe

from tests.unit.local.stripe.support import KEY, World

TYPES = "payment_method_types"
LINES = "line_items[0][price]=price_pro&line_items[0][quantity]=1"
BASIC = "customer={customer}&items[0][price]=price_basic"


@pytest.mark.parametrize(
    ("path", "form", "code", "param"),
    [
        ("customers", "nme=Ann", "parameter_unknown", "nme"),
        ("customers", "email=ann", "email_invalid", "email"),
        ("customers", "metadata[a][b]=c", None, "metadata[a]"),
        ("customers", f"metadata[{'k' * 41}]=v", None, "metadata"),
        ("customers", f"metadata[k]={'v' * 501}", None, "metadata[k]"),
        ("customers", "&".join(f"metadata[k{n}]=v" for n in range(51)), None, "metadata"),
        ("customers", "expand[]=nothing", None, "expand"),
        ("customers", "expand[]=email", None, "expand"),
        ("customers", "expand[]=metadata", None, "expand"),
        ("customers", "payment_method=pm_nobody", "resource_missing", "payment_method"),
        ("payment_intents", "currency=usd", "parameter_missing", "amount"),
        ("payment_intents", "amount=10.5&currency=usd", "parameter_invalid_integer", "amount"),
        ("payment_intents", "amount=0&currency=usd", "parameter_invalid_integer", "amount"),
        ("payment_intents", "amount=&currency=usd", "parameter_invalid_empty", "amount"),
        ("payment_intents", "amount=49&currency=usd", "amount_too_small", "amount"),
        ("payment_intents", "amount=49&currency=jpy", "amount_too_small", "amount"),
        ("payment_intents", "amount=100000000&currency=usd", "amount_too_large", "amount"),
        ("payment_intents", "amount=1001&currency=kwd", "parameter_invalid_integer", "amount"),
        ("payment_intents", "amount=150&currency=isk", "parameter_invalid_integer", "amount"),
        ("payment_intents", "amount=500&currency=xxx", None, "currency"),
        ("payment_intents", "amount=500&currency=usd&customer=cus_nobody", "resource_missing", "customer"),
        ("payment_intents", "amount=500&currency=usd&capture_method=later", None, "capture_method"),
        ("payment_intents", "amount=500&currency=usd&confirm=yes", None, "confirm"),
        ("payment_intents", "amount=500&currency=usd&off_session=true", None, "off_session"),
        ("payment_intents", "amount=500&currency=usd&confirm=true&return_url=https%3A%2F%2Fa.b", "payment_intent_unexpected_state", None),
        ("payment_intents", "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true", None, "return_url"),
        (
            "payment_intents",
            "amount=500&currency=usd&automatic_payment_methods[on]=true",
            "parameter_unknown",
            "automatic_payment_methods[on]",
        ),
        ("payment_intents", "amount=500&currency=usd&automatic_payment_methods=true", None, "automatic_payment_methods"),
        ("payment_intents", "amount=500&currency=usd&payment_method_types[]=card", "payment_method_types_no_longer_supported", TYPES),
        ("payment_intents", "amount=500&currency=usd&allowed_payment_method_types[]=ideal", None, "allowed_payment_method_types"),
        ("refunds", "amount=5", None, None),
        ("refunds", "payment_intent=pi_none", "resource_missing", "payment_intent"),
        ("subscriptions", "items[0][price]=price_basic", "parameter_missing", "customer"),
        ("subscriptions", "customer=cus_none&items[0][price]=price_basic", "resource_missing", "customer"),
        ("subscriptions", "customer={customer}", "parameter_missing", "items"),
        ("subscriptions", "customer={customer}&items[0][price]=price_none", "resource_missing", "items[0][price]"),
        ("subscriptions", "customer={customer}&items[0][price]=price_basic", "resource_missing", None),
        (
            "subscriptions",
            "customer={customer}&items[0][price]=price_basic&trial_period_days=731",
            "parameter_invalid_integer",
            "trial_period_days",
        ),
        ("prices", "currency=usd&unit_amount=5", "parameter_missing", "product"),
        ("products", "name=Cap&id=prod_basic", "resource_already_exists", "id"),
        ("checkout/sessions", "success_url=https%3A%2F%2Fa.b&line_items[0][price]=price_pro", "parameter_missing", "mode"),
        ("checkout/sessions", "mode=payment&success_url=https%3A%2F%2Fa.b", "parameter_missing", "line_items"),
        (
            "checkout/sessions",
            f"mode=subscription&{LINES}",
            "parameter_missing",
            "success_url",
        ),
        ("checkout/sessions", "mode=setup&currency=usd&success_url=back", "url_invalid", "success_url"),
        (
            "checkout/sessions",
            "mode=payment&success_url=https%3A%2F%2Fa.b&line_items[0][price]=price_pro&line_items[0][quantity]=1",
            None,
            "line_items[0][price]",
        ),
        ("billing_portal/sessions", "return_url=https%3A%2F%2Fa.b", "parameter_missing", "customer"),
        ("payment_methods", "type=card&card[number]=4242", None, None),
    ],
)
async def test_refused_parameters(world: World, path: str, form: str, code: str | None, param: str | None) -> None:
    customer = await world.customer()
    before = (await world.http.get("/_test/state")).json()["counts"]
    answer = await world.post(f"/v1/{path}", form.replace("{customer}", customer.id))
    error = answer.json()["error"]
    assert answer.status_code == (402 if "number" in form else 400)
    assert (error.get("code"), error.get("param")) == (code, param), error
    assert (await world.http.get("/_test/state")).json()["counts"] == before


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("starting_after=cus_none", "starting_after"),
        ("page=2", "page"),
        ("created[ge]=1", "created[ge]"),
    ],
)
async def test_refused_queries(world: World, query: str, param: str) -> None:
    answer = await world.get(f"/v1/customers?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("authorization", [None, "Bearer ", "Bearer sk_" + "live_1", "Token x", "Basic !", KEY])
async def test_keys_that_are_not_let_in(world: World, authorization: str | None) -> None:
    answer = await world.http.get("/v1/customers", headers={"authorization": authorization} if authorization else {})
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_pinned_key_and_basic_authentication() -> None:
    world = World(secret_key=KEY)
    basic = "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
    assert (await world.http.get("/v1/customers", headers={"authorization": basic})).status_code == 200
    assert (await world.get("/v1/customers", key="sk_test_" + "other")).status_code == 401
    await world.http.aclose()


@pytest.mark.parametrize(
    "path", ["customers/x", "payment_intents/pi_x", "subscriptions/sub_x", "invoices/in_x", "events/evt_x", "prices/p"]
)
async def test_what_is_not_there_is_404(world: World, path: str) -> None:
    answer = await world.get(f"/v1/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "resource_missing"


async def test_an_unknown_address_is_404(world: World) -> None:
    assert (await world.get("/v1/nothing")).status_code == 404
    assert (await world.post("/v1/customers", '{"email": "a@b.co"}', **{"content-type": "application/json"})).status_code == 400


async def test_metadata_is_merged_and_unset(world: World) -> None:
    made = await world.sdk.customers.create_async({"metadata": {"a": "1", "b": "2"}})
    changed = await world.sdk.customers.update_async(made.id, {"metadata": {"a": "", "c": "3"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
    cleared = await world.sdk.customers.update_async(made.id, {"metadata": ""})
    assert cleared.metadata is not None
    assert cleared.metadata.to_dict() == {}


async def test_a_deleted_customer(world: World) -> None:
    customer = await world.customer("pm_card_visa")
    sub = await world.sdk.subscriptions.create_async({"customer": customer.id, "items": [{"price": "price_basic"}]})
    assert (await world.sdk.customers.delete_async(customer.id)).deleted
    assert (await world.sdk.customers.retrieve_async(customer.id)).deleted
    assert (await world.sdk.subscriptions.retrieve_async(sub.id)).status == "canceled"
    assert (await world.sdk.customers.list_async()).data == []
    assert len((await world.sdk.payment_intents.list_async({"customer": customer.id})).data) == 1
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await world.payment(customer=customer.id)
    assert refused.value.code == "resource_missing"


async def test_anothers_card(world: World) -> None:
    ann, bob = await world.customer("pm_card_visa"), await world.customer()
    card = ann.invoice_settings.default_payment_method  # type: ignore[union-attr]
    basic: Any = {"customer": bob.id, "items": [{"price": "price_basic"}]}
    wanted: list[Any] = [
        world.payment(card, customer=bob.id),
        world.payment(card),
        world.sdk.payment_methods.attach_async(str(card), {"customer": bob.id}),
        world.sdk.customers.update_async(bob.id, {"invoice_settings": {"default_payment_method": str(card)}}),
        world.sdk.subscriptions.create_async({**basic, "default_payment_method": str(card)}),
    ]
    for call in wanted:
        with pytest.raises(stripe.InvalidRequestError):
            await call


async def test_a_card_without_customer_pays_once(world: World) -> None:
    paid = await world.payment()
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        await world.payment(str(paid.payment_method))


async def test_a_parameter_that_would_be_ignored_is_refused(world: World) -> None:
    """Stripe would do something with it: an answer as though it had been would mislead."""
    answer = await world.post("/v1/payment_intents", "amount=500&currency=usd&application_fee_amount=10")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "application_fee_amount")
    assert (await world.http.get("/_test/state")).json()["counts"]["payment_intent"] == 0
