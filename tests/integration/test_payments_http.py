"""Payments through a running host: the storage, the SDK and the stand-in for Stripe are as ``make start`` brings them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx

from tests.integration.support import User

NewUser = Callable[..., User]


def paid(user: User, amount: str) -> dict[str, object]:
    made = user.post("/api/payments/create-payment-intent", json={"amount": amount})
    assert made.status_code == 201, made.text
    body = {"payment_intent_id": made.json()["id"], "payment_method": "pm_card_visa"}
    answer: dict[str, object] = user.post("/api/payments/confirm-payment", json=body).json()
    assert answer["status"] == "succeeded", answer
    return answer


def test_from_the_price_to_the_refund(client: httpx.Client, alice: User, bob: User, user: NewUser) -> None:
    config = client.get("/api/payments/config").json()
    assert [price["currency"] for price in config["prices"]] == ["usd"] * len(config["prices"]) != []

    key = {"Idempotency-Key": uuid4().hex}
    answers = [alice.post("/api/payments/create-payment-intent", content=b'{"amount": 49.99}', headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["amount_minor"], answers[1].headers["Idempotent-Replayed"]) == (4999, "true")
    payment = answers[0].json()["id"]
    declined = alice.post(
        "/api/payments/confirm-payment",
        json={"payment_intent_id": payment, "payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"},
    )
    assert (declined.status_code, declined.json()["code"], declined.json()["decline_code"]) == (402, "card_declined", "insufficient_funds")
    confirmed = alice.post("/api/payments/confirm-payment", json={"payment_intent_id": payment, "payment_method": "pm_card_visa"})
    assert confirmed.json()["status"] == "succeeded"
    assert bob.get(f"/api/payments/{payment}").status_code == 404
    assert [each["id"] for each in alice.get("/api/payments/history").json()["items"]] == [payment]
    assert bob.get("/api/payments/history").json()["items"] == []

    admin = user("admin@example.com")
    body = {"payment_intent_id": payment, "amount": "20"}
    assert alice.post("/api/refunds/create", json=body).status_code == 403
    with ThreadPoolExecutor(5) as pool:
        refunds = list(pool.map(lambda _: admin.post("/api/refunds/create", json=body), range(5)))
    assert sorted(answer.status_code for answer in refunds) == [201, 201, 422, 422, 422]
    assert alice.get(f"/api/payments/{payment}").json()["amount_refunded"] == "40.00"
    assert len(alice.get("/api/refunds", params={"payment_intent_id": payment}).json()["items"]) == 2


def test_parallel_first_requests_make_one_customer(alice: User) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda number: paid(alice, f"{number + 1}.00"), range(6)))
    assert len({each["customer_id"] for each in made}) == 1
    listed = alice.get("/api/payments/history", params={"status": "succeeded", "limit": 100}).json()["items"]
    assert {each["id"] for each in listed} == {each["id"] for each in made}


def test_a_trial_and_its_end(alice: User) -> None:
    price = alice.get("/api/payments/config").json()["prices"][0]["id"]
    made = alice.post("/api/subscriptions/create", json={"price_id": price, "trial_period_days": 7})
    assert (made.status_code, made.json()["status"]) == (201, "trialing")
    path = f"/api/subscriptions/{made.json()['id']}"
    assert alice.post(f"{path}/cancel", json={"at_period_end": True}).json()["cancel_at_period_end"] is True
    assert alice.post(f"{path}/cancel", json={"at_period_end": False}).json()["status"] == "canceled"
    assert alice.post("/api/payments/portal-session", json={}).json()["url"].startswith("http")
