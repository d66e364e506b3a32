"""Refunds: never more than was paid, once for a request however often it is sent, and known again after a crash."""

import asyncio

import httpx
import pytest

from shared_code.payments import reservations
from tests.unit.payments.shop import Shop


def lost(count: int = 3) -> list[Exception]:
    """Answers lost on the way, those of the SDK's own further tries included."""
    return [httpx.ReadError("cut") for _ in range(count)]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    import stripe

    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0)


async def test_part_of_a_payment_then_all_that_is_left(shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    paid = await ada.paid("49.99")
    first = (await admin.post("/api/refunds/create", payment_intent_id=paid["id"], amount="9.99", reason="duplicate")).json()
    assert (first["amount"], first["amount_minor"], first["currency"], first["status"]) == ("9.99", 999, "usd", "succeeded")
    assert (first["payment_intent_id"], first["reason"]) == (paid["id"], "duplicate")
    assert (await ada.get(f"/api/payments/{paid['id']}")).json()["amount_refunded"] == "9.99"
    second = (await admin.post("/api/refunds/create", payment_intent_id=paid["id"])).json()
    assert second["amount"] == "40.00"
    await ada.paid()
    for query in ({"payment_intent_id": paid["id"]}, {}):
        listed = (await ada.get("/api/refunds", **query)).json()["items"]
        assert {each["id"] for each in listed} == {first["id"], second["id"]}
    trail = (await admin.get("/api/auth/audit", kind="refund_created")).json()["items"]
    assert sorted(event["details"]["amount_minor"] for event in trail) == [999, 4000]


@pytest.mark.parametrize(("amount", "code"), [("50.00", "refund_exceeds_payment"), ("0", "invalid_amount"), ("1.001", "invalid_amount")])
async def test_too_much_is_refused_before_stripe_is_asked(amount: str, code: str, shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    paid = await ada.paid("49.99")
    shop.wire.requests.clear()
    answer = await admin.post("/api/refunds/create", payment_intent_id=paid["id"], amount=amount)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert shop.wire.calls == []


async def test_what_was_not_paid_is_not_refunded(shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    made = await ada.payment()
    answer = await admin.post("/api/refunds/create", payment_intent_id=made["id"])
    assert (answer.status_code, answer.json()["code"]) == (422, "payment_not_refundable")
    assert (await admin.post("/api/refunds/create", payment_intent_id="pi_none")).status_code == 404


async def test_parallel_refunds_stay_within_the_payment(shop: Shop) -> None:
    """Two apps on one storage, twelve refunds of 10 of 49.99."""
    ada, admin = await shop.user(), await shop.admin()
    other = shop.sibling().client(headers=dict(admin.http.headers))
    paid = await ada.paid("49.99")
    body = {"payment_intent_id": paid["id"], "amount": "10"}
    answers = await asyncio.gather(*((admin.http if n % 2 else other).post("/api/refunds/create", json=body) for n in range(12)))
    await other.aclose()
    assert sorted(answer.status_code for answer in answers) == [201] * 4 + [422] * 8
    assert {answer.json()["code"] for answer in answers if answer.status_code == 422} == {"refund_exceeds_payment"}
    assert sum(refund["amount"] for refund in await shop.at_stripe("refund")) == 4000
    assert shop.wire.calls.count("POST /v1/refunds") == 4, "the others were refused without Stripe"
    assert (await ada.get(f"/api/payments/{paid['id']}")).json()["amount_refunded"] == "40.00"


async def test_a_refund_whose_answer_was_lost_is_found_again(shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    paid = await ada.paid("49.99")
    shop.wire.lost = lost()
    body = {"payment_intent_id": paid["id"], "amount": "30"}
    failed = await admin.post("/api/refunds/create", "one", **body)
    assert (failed.status_code, failed.headers["Retry-After"]) == (502, "5")
    # While nobody knows, that part is nobody else's; and the same request is carried out once.
    assert (await admin.post("/api/refunds/create", "two", **body)).json()["code"] == "refund_exceeds_payment"
    again = await admin.post("/api/refunds/create", "one", **body)
    assert again.status_code == 201
    [at_stripe] = await shop.at_stripe("refund")
    assert at_stripe["id"] == again.json()["id"]
    payment = await shop.app.container.payments_mirror.find("payment_intent", paid["id"])
    assert payment is not None
    assert (payment.number("amount_refunded"), reservations.of(payment)) == (3000, {})


@pytest.mark.parametrize(("carried_out", "left"), [(False, "50.00"), (True, "30.00")])
async def test_a_reservation_that_a_crash_left_is_resolved_by_stripe(carried_out: bool, left: str, shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    paid = await ada.paid("50.00")
    mirror = shop.app.container.payments_mirror
    payment = await mirror.find("payment_intent", paid["id"])
    assert payment is not None
    await mirror.amend(payment, {"reserved": reservations.with_one(payment, "crashed", 2000, shop.app.clock.now())})
    if carried_out:
        await shop.gateway.create("refund", {"payment_intent": paid["id"], "amount": 2000}, key="by the one that crashed")
    refused = await admin.post("/api/refunds/create", payment_intent_id=paid["id"], amount="31")
    assert refused.json()["code"] == "refund_exceeds_payment"
    shop.app.clock.advance(601)
    assert (await admin.post("/api/refunds/create", payment_intent_id=paid["id"])).json()["amount"] == left


async def test_a_refund_made_elsewhere_meanwhile(shop: Shop) -> None:
    """In Stripe's dashboard, and its event has not come yet."""
    ada, admin = await shop.user(), await shop.admin()
    paid = await ada.paid("50.00")
    await shop.gateway.create("refund", {"payment_intent": paid["id"], "amount": 4000}, key="dashboard")
    refused = await admin.post("/api/refunds/create", payment_intent_id=paid["id"], amount="20")
    assert (refused.status_code, refused.json()["code"]) == (422, "refund_exceeds_payment")
    assert (await admin.post("/api/refunds/create", payment_intent_id=paid["id"])).json()["amount"] == "10.00"


async def test_a_refused_refund_leaves_nothing_reserved(shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    paid = await ada.paid("50.00")
    await shop.control("faults", {"api": [{"fault": "429", "path": "/v1/refunds"}]})
    busy = await admin.post("/api/refunds/create", payment_intent_id=paid["id"])
    assert (busy.status_code, busy.json()["code"]) == (429, "stripe_rate_limited")
    assert int(busy.headers["Retry-After"]) >= 1
    assert (await admin.post("/api/refunds/create", payment_intent_id=paid["id"])).json()["amount"] == "50.00"
