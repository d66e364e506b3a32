"""Idempotency keys and the API's faults: what a retry finds. https://docs.stripe.com/api/idempotent_requests"""

import httpx
import pytest
import stripe

from local.stripe import api
from tests.unit.local.stripe.support import World

FORM = "email=a%40example.com"
KEYED = {"idempotency-key": "k1"}


async def _count(world: World, kind: str = "customer") -> int:
    return int((await world.http.get("/_test/state")).json()["counts"][kind])


async def test_a_retry_finds_the_first_answer(world: World) -> None:
    first = await world.post("/v1/customers", FORM, **KEYED)
    again = await world.post("/v1/customers", FORM, **KEYED)
    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"] != again.headers["request-id"]
    assert await _count(world) == 1
    event = (await world.sdk.events.list_async()).data[0]
    assert event.request is not None
    assert (event.request.id, event.request.idempotency_key) == (first.headers["request-id"], "k1")


@pytest.mark.parametrize(("path", "form"), [("/v1/customers", "email=b%40example.com"), ("/v1/setup_intents", FORM)])
async def test_a_key_belongs_to_one_request(world: World, path: str, form: str) -> None:
    await world.post("/v1/customers", FORM, **KEYED)
    answer = await world.post(path, form, **KEYED)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")


async def test_a_decline_is_remembered_and_a_wrong_parameter_is_not(world: World) -> None:
    pay = "amount=500&currency=usd&confirm=true&allowed_payment_method_types[]=card&payment_method=pm_card_visa_chargeDeclined"
    first, again = [await world.post("/v1/payment_intents", pay, **KEYED) for _ in range(2)]
    assert (first.status_code, again.content, await _count(world, "charge")) == (402, first.content, 1)
    wrong = await world.post("/v1/customers", "mail=x", **{"idempotency-key": "k2"})
    assert wrong.status_code == 400
    assert (await world.post("/v1/customers", FORM, **{"idempotency-key": "k2"})).status_code == 200


async def test_a_key_is_forgotten_after_a_day(world: World) -> None:
    first = await world.post("/v1/customers", FORM, **KEYED)
    await world.advance(days=1)
    assert (await world.post("/v1/customers", FORM, **KEYED)).json()["id"] != first.json()["id"]


async def test_a_key_in_use_is_a_conflict(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile: list[httpx.Response] = []

    async def pause(_: float) -> None:
        meanwhile.append(await world.post("/v1/customers", FORM, **KEYED))

    monkeypatch.setattr(api, "pause", pause)
    await world.control("faults", {"api": [{"fault": "slow"}]})
    assert (await world.post("/v1/customers", FORM, **KEYED)).status_code == 200
    assert meanwhile[0].status_code == 409
    assert meanwhile[0].json()["error"]["code"] == "idempotency_key_in_use"
    assert await _count(world) == 1


@pytest.mark.parametrize(("fault", "status"), [("429", 429), ("500", 500)])
async def test_an_overloaded_or_broken_server_does_nothing(world: World, fault: str, status: int) -> None:
    await world.control("faults", {"api": [{"fault": fault, "count": 2, "path": "/v1/customers", "method": "POST"}]})
    assert [(await world.post("/v1/customers", FORM, **KEYED)).status_code for _ in range(3)] == [status, status, 200]
    assert await _count(world) == 1
    assert (await world.get("/v1/customers")).status_code == 200


@pytest.mark.parametrize("fault", [{"fault": "cut"}, {"fault": "500", "after": True}, {"fault": "down", "after": True}])
async def test_an_answer_that_is_lost_has_happened(world: World, fault: dict[str, object]) -> None:
    """The retry with the same key finds what the first request did."""
    await world.control("faults", {"api": [fault]})
    with pytest.raises(stripe.StripeError):
        await world.sdk.customers.create_async({"email": "a@example.com"}, {"idempotency_key": "k1"})
    assert await _count(world) == 1
    again = await world.sdk.customers.create_async({"email": "a@example.com"}, {"idempotency_key": "k1"})
    assert again.last_response is None or again.id
    assert await _count(world) == 1


async def test_a_server_that_is_down(world: World) -> None:
    await world.control("faults", {"api": [{"fault": "down"}]})
    with pytest.raises(stripe.APIConnectionError):
        await world.sdk.customers.create_async({"email": "a@example.com"})
    assert await _count(world) == 0


@pytest.mark.parametrize("body", [{"api": [{"fault": "fire"}]}, {"api": [{"fault": "cut", "often": 1}]}, {"webhooks": {"lose": 1}}])
async def test_faults_that_there_are_not(world: World, body: dict[str, object]) -> None:
    assert (await world.http.post("/_test/faults", json=body)).status_code == 400
    assert (await world.http.post("/_test/nothing", json={})).status_code == 404
