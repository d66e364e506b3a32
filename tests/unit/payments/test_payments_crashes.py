"""What goes wrong: crashes between Stripe's deed and our record, requests that meet, and a Stripe that fails in each of its ways."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from local.stripe.run import Threaded
from local.stripe.server import StripeServer
from shared_code.errors import LydianError, StorageUnavailable, UpstreamFailed, UpstreamTimeout
from shared_code.payments import gateway as gateway_module
from shared_code.payments import service
from shared_code.payments.gateway import StripeGateway
from tests.unit.payments.shop import KEY, Shop


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    import stripe

    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0)


def dies(shop: Shop, at: str, times: int = 1) -> None:
    """The next writes to a table are never made."""
    left = [times]

    def before(verb: str, table: str) -> None:
        if (verb, table) == ("write", at) and left[0]:
            left[0] -= 1
            raise StorageUnavailable("died")

    shop.app.tables.before = before


@pytest.mark.parametrize("table", ["paymentindex", "payments"])
async def test_a_payment_made_and_not_written_down_is_found_again(table: str, shop: Shop) -> None:
    ada = await shop.user()
    await ada.payment()  # the customer is there
    dies(shop, table)
    body = {"amount": "5.00"}
    assert (await ada.post("/api/payments/create-payment-intent", "k", **body)).status_code == 503
    again = await ada.post("/api/payments/create-payment-intent", "k", **body)
    assert again.status_code == 201
    assert [each["id"] for each in await shop.at_stripe("payment_intent")][1:] == [again.json()["id"]]
    assert len((await ada.get("/api/payments/history")).json()["items"]) == 2


async def test_a_charge_that_was_not_written_down_is_made_once(shop: Shop) -> None:
    ada = await shop.user()
    made = await ada.payment()
    dies(shop, "payments")
    body = {"payment_intent_id": made["id"], "payment_method": "pm_card_visa"}
    assert (await ada.post("/api/payments/confirm-payment", "k", **body)).status_code == 503
    again = await ada.post("/api/payments/confirm-payment", "k", **body)
    assert (again.status_code, again.json()["status"]) == (200, "succeeded")
    assert len(await shop.at_stripe("charge")) == 1
    replayed = await ada.post("/api/payments/confirm-payment", "k", **body)
    assert replayed.headers["Idempotent-Replayed"] == "true"


async def test_an_answer_that_stripe_gave_before_is_not_believed(shop: Shop) -> None:
    """The payment was made, its record lost, and it was paid in a page meanwhile."""
    ada = await shop.user()
    await ada.payment()
    dies(shop, "payments")
    assert (await ada.post("/api/payments/create-payment-intent", "k", amount="5")).status_code == 503
    lost = (await shop.at_stripe("payment_intent"))[-1]["id"]
    await shop.gateway.act(
        "payment_intent", lost, "confirm", {"payment_method": "pm_card_visa", "return_url": "https://a.example"}, key="page"
    )
    again = await ada.post("/api/payments/create-payment-intent", "k", amount="5")
    assert (again.json()["id"], again.json()["status"]) == (lost, "succeeded")


async def test_another_body_under_the_same_key(shop: Shop) -> None:
    ada = await shop.user()
    assert (await ada.post("/api/payments/create-payment-intent", "k", amount="5")).status_code == 201
    answer = await ada.post("/api/payments/create-payment-intent", "k", amount="6")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_same_key_of_two_users_makes_two_payments(shop: Shop) -> None:
    ada, eve = await shop.user(), await shop.user()
    answers = [await each.post("/api/payments/create-payment-intent", "k", amount="5") for each in (ada, eve)]
    assert len({answer.json()["id"] for answer in answers}) == 2


async def test_one_customer_for_parallel_first_requests(shop: Shop) -> None:
    """In two processes, by every way in which one is made."""
    ada = await shop.user("ada@example.com")
    other = shop.sibling().client(headers=dict(ada.http.headers))
    requests: list[tuple[str, dict[str, Any]]] = [
        ("/api/payments/create-payment-intent", {"amount": "5"}),
        ("/api/customers/create", {"email": "one@example.com"}),
        ("/api/customers/create", {"email": "two@example.com", "name": "Two", "metadata": {"a": "b"}}),
        ("/api/payments/setup-intent", {}),
    ]
    answers = await asyncio.gather(*(client.post(path, json=body) for path, body in requests for client in (ada.http, other)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    made = [answer for answer, (path, _) in zip(answers, [each for each in requests for _ in range(2)], strict=True) if "customers" in path]
    assert len({answer.json()["id"] for answer in made}) == 1
    [customer] = await shop.at_stripe("customer")
    assert customer["metadata"]["lydian_user_id"] == ada.user_id
    shown = await ada.get(f"/api/customers/{customer['id']}")
    assert shown.json()["email"] == customer["email"]
    await other.aclose()


@pytest.mark.parametrize("nth", range(6))
async def test_a_customer_whose_making_was_cut_anywhere(nth: int, shop: Shop) -> None:
    ada = await shop.user("ada@example.com")
    writes = [0]

    def before(verb: str, table: str) -> None:
        if verb == "write" and table in ("customers", "payments", "paymentindex"):
            writes[0] += 1
            if writes[0] == nth + 1:
                raise StorageUnavailable("died")

    shop.app.tables.before = before
    first = await ada.post("/api/payments/create-payment-intent", amount="5")
    again = await ada.post("/api/payments/create-payment-intent", amount="5")
    assert (first.status_code, again.status_code) in [(503, 201), (201, 201)]
    [customer] = await shop.at_stripe("customer")
    assert (customer["email"], customer["name"]) == ("ada@example.com", "Ada")
    own = await ada.post("/api/customers/create", email="other@example.com")
    assert (own.status_code, own.json()["id"], own.json()["email"]) == (200, customer["id"], "ada@example.com")


async def test_an_address_that_stripe_refuses(shop: Shop) -> None:
    ada = await shop.user()
    # What our own check lets through and Stripe does not take.
    shop.wire.refuse_email = True
    answer = await ada.post("/api/customers/create", email="ada@example.com")
    assert (answer.status_code, answer.json()["code"]) == (400, "email_invalid")
    shop.wire.refuse_email = False
    assert (await ada.post("/api/payments/create-payment-intent", amount="5")).status_code == 201


FAULTS = [
    ({"fault": "500", "count": 3}, 502, "stripe_failed"),
    ({"fault": "429"}, 429, "stripe_rate_limited"),
]


@pytest.mark.parametrize(("fault", "status", "code"), FAULTS)
async def test_stripe_in_trouble(fault: dict[str, Any], status: int, code: str, shop: Shop) -> None:
    ada = await shop.user()
    await shop.control("faults", {"api": [fault]})
    answer = await ada.post("/api/payments/create-payment-intent", "k", amount="5")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await ada.post("/api/payments/create-payment-intent", "k", amount="5")).status_code == 201
    assert len(await shop.at_stripe("payment_intent")) == len(await shop.at_stripe("customer")) == 1


async def test_what_passes_is_not_noticed(shop: Shop) -> None:
    """The SDK tries again by itself, under the same key."""
    ada = await shop.user()
    await shop.control("faults", {"api": [{"fault": "500", "after": True}]})
    shop.wire.lost = [httpx.ReadError("cut")]
    await ada.payment()
    assert len(await shop.at_stripe("payment_intent")) == len(await shop.at_stripe("customer")) == 1


async def test_reading_goes_on_while_stripe_is_down(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await shop.user()
    made = await ada.payment()
    shop.app.clock.advance(3)
    monkeypatch.setattr(service, "PATIENCE", 0.01)
    shop.wire.answers.clear()
    assert (await ada.get(f"/api/payments/{made['id']}")).json() == made
    shop.wire.answers.set()
    await shop.control("faults", {"api": [{"fault": "500", "count": 99}]})
    assert (await ada.get(f"/api/payments/{made['id']}")).json() == made
    assert (await ada.get("/api/payments/history")).json()["items"] == [made]
    ready = await ada.get("/health/ready")
    assert (ready.status_code, ready.json()["status"], ready.json()["checks"]["stripe"]["status"]) == (200, "degraded", "down")


async def test_a_key_that_stripe_refuses_shows_to_nobody(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    ada = await shop.user()
    secret = "rk_" + "live_0123456789abcdefgh"
    shop.app.container.__dict__["payments_gateway"]._api_key = secret
    answer = await ada.post("/api/payments/create-payment-intent", amount="5")
    assert (answer.status_code, answer.json()["code"]) == (502, "payments_misconfigured")
    shown = answer.text + "".join(capsys.readouterr())
    assert "stripe_refuses_our_key" in shown
    assert secret[:8] not in shown
    assert secret[-4:] not in shown


NETWORK: list[tuple[dict[str, Any], type[LydianError]]] = [
    ({"fault": "down", "count": 3}, UpstreamFailed),
    ({"fault": "cut", "count": 3}, UpstreamFailed),
    ({"fault": "slow", "seconds": 0.5}, UpstreamTimeout),
]


@pytest.mark.parametrize(("fault", "error"), NETWORK)
async def test_on_a_real_connection(fault: dict[str, Any], error: type[LydianError], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "WHOLE", 0.1 if fault["fault"] == "slow" else 10.0)
    with Threaded(StripeServer()) as url:
        gateway = StripeGateway(KEY, url)
        await gateway.check()
        async with httpx.AsyncClient() as control:
            await control.post(f"{url}/_test/faults", json={"api": [{**fault, "method": "GET"}]})
        with pytest.raises(error):
            await gateway.list_page("customer", starting_after=None, limit=1)
        if fault["fault"] != "slow":
            assert await gateway.list_page("customer", starting_after=None, limit=1) == ([], False)
        await gateway.aclose()


async def test_nobody_listens(unused_tcp_port_factory: Callable[[], int]) -> None:
    gateway = StripeGateway(KEY, f"http://127.0.0.1:{unused_tcp_port_factory()}")
    with pytest.raises(UpstreamFailed) as caught:
        await gateway.check()
    assert caught.value.code == "stripe_unreachable"
    await gateway.aclose()


async def test_without_a_key_every_route_says_so(shop: Shop) -> None:
    ada = await shop.user()
    app = shop.app.sibling(ENVIRONMENT="local", PUBLIC_BASE_URL="https://shop.example")
    async with app.client(headers=dict(ada.http.headers)) as client:
        for method, path, body in (
            ("POST", "/api/payments/create-payment-intent", {"amount": "1"}),
            ("POST", "/api/payments/confirm-payment", {"payment_intent_id": "pi_1"}),
            ("GET", "/api/payments/pi_1", None), ("GET", "/api/payments/history", None), ("GET", "/api/payments/config", None),
            ("POST", "/api/customers/create", {"email": "a@example.com"}), ("GET", "/api/customers/cus_1", None),
            ("POST", "/api/subscriptions/create", {"price_id": "p"}), ("GET", "/api/subscriptions", None), ("GET", "/api/invoices", None),
            ("GET", "/api/refunds", None), ("GET", "/api/payments/methods", None), ("DELETE", "/api/payments/methods/pm_1", None),
            ("POST", "/api/payments/setup-intent", {}), ("POST", "/api/payments/portal-session", {}),
            ("POST", "/api/payments/checkout-session", {"amount": "1"}),
        ):  # fmt: skip
            answer = await client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "payments_not_configured"), path
        services = (await client.get("/health")).json()["services"]
        assert services["payments"] == {"status": "not_configured", "detail": "STRIPE_SECRET_KEY is not set"}
        assert services["auth"] == {"status": "ok"}
