"""Payments from the first request to money taken, as customers and an administrator see it."""

from datetime import timedelta

import pytest

from tests.unit.payments.shop import Shop

MEMBERS = {
    "id", "client_secret", "amount", "amount_minor", "amount_refunded", "currency", "status", "customer_id", "metadata", "next_action",
    "last_error", "created_at",
}  # fmt: skip


async def test_a_payment_is_made_confirmed_and_shown(shop: Shop) -> None:
    ada = await shop.user("ada@example.com")
    made = await ada.payment("49.99", metadata={"order": "7"}, description="A lamp", receipt_email="x@example.com")
    assert set(made) == MEMBERS
    assert (made["amount"], made["amount_minor"], made["currency"], made["amount_refunded"]) == ("49.99", 4999, "usd", "0.00")
    assert (made["status"], made["metadata"], made["next_action"], made["last_error"]) == (
        "requires_payment_method",
        {"order": "7"},
        None,
        None,
    )
    assert made["client_secret"].startswith(made["id"])

    [at_stripe] = await shop.at_stripe("payment_intent")
    assert (at_stripe["amount"], at_stripe["description"], at_stripe["receipt_email"]) == (4999, "A lamp", "x@example.com")
    [customer] = await shop.at_stripe("customer")
    assert (customer["email"], customer["metadata"]["lydian_user_id"]) == ("ada@example.com", ada.user_id)

    confirmed = (await ada.confirm(made["id"])).json()
    assert confirmed == {**made, "status": "succeeded"}
    shop.wire.requests.clear()
    assert (await ada.get(f"/api/payments/{made['id']}")).json() == confirmed
    assert (await ada.get("/api/payments/history")).json() == {"items": [confirmed], "next_cursor": None}
    assert shop.wire.calls == [], "the mirror answers"


@pytest.mark.parametrize(
    ("body", "minor"),
    [
        ('{"amount": 49.99}', 4999), ('{"amount": 0.57}', 57), ('{"amount": 1.10}', 110), ('{"amount": "500", "currency": "JPY"}', 500),
        ('{"amount": 9007199254.01}', 900719925401), ('{"amount": 1.230, "currency": "bhd"}', 1230), ('{"amount": 7}', 700),
    ],
)  # fmt: skip
async def test_json_numbers_are_exact(body: str, minor: int, shop: Shop) -> None:
    ada = await shop.user()
    await ada.http.post("/api/payments/create-payment-intent", content=body)
    sent = [request.content.decode() for request in shop.wire.requests if request.url.path == "/v1/payment_intents"]
    assert f"amount={minor}&" in sent[0]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"amount": "1e3"}', "invalid_amount"), ('{"amount": 1e3}', "invalid_amount"), ('{"amount": "NaN"}', "invalid_amount"),
        ('{"amount": "-0"}', "invalid_amount"), ('{"amount": -0.0}', "invalid_amount"), ('{"amount": 1.005}', "invalid_amount"),
        ('{"amount": "٣"}', "invalid_amount"), ('{"amount": 1' + "0" * 30 + "}", "invalid_amount"), ('{"amount": 0}', "invalid_amount"),
        ('{"amount": "1.001", "currency": "kwd"}', "invalid_amount"), ('{"amount": "1", "currency": "xyz"}', "unknown_currency"),
        ('{"amount": true}', "validation_failed"), ('{"amount": null}', "validation_failed"), ('{"amount": ["1"]}', "validation_failed"),
        ("{}", "validation_failed"), ('{"amount": "1", "metadata": {"a": 1}}', "validation_failed"),
        ('{"amount": "1", "metadata": {"' + "k" * 41 + '": "v"}}', "validation_failed"),
        ('{"amount": "1", "metadata": {"k": "' + "v" * 501 + '"}}', "validation_failed"),
        ('{"amount": "1", "metadata": {"a[b]": "v"}}', "validation_failed"),
        ('{"amount": "1", "metadata": {"lydian_x": "v"}}', "validation_failed"),
        ('{"amount": "1", "metadata": {' + ",".join(f'"k{n}": ""' for n in range(51)) + "}}", "validation_failed"),
        ('{"amount": "1", "receipt_email": "nobody"}', "validation_failed"), ('{"amount": "1", "currency": 840}', "validation_failed"),
    ],
)  # fmt: skip
async def test_bad_input_never_reaches_stripe(body: str, code: str, shop: Shop) -> None:
    ada = await shop.user()
    answer = await ada.http.post("/api/payments/create-payment-intent", content=body.encode())
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert shop.wire.calls == []


async def test_stripes_own_minimum_comes_back_as_its_error(shop: Shop) -> None:
    ada = await shop.user()
    answer = await ada.post("/api/payments/create-payment-intent", amount="0.10")
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "amount_too_small", "amount")


async def test_the_largest_metadata_comes_back_whole(shop: Shop) -> None:
    ada = await shop.user()
    metadata = {f"{n:02}" + "k" * 38: '"\U0001f4b0' * 250 for n in range(48)}
    made = await ada.payment(metadata=metadata)
    assert (await ada.get("/api/payments/history")).json()["items"][0]["metadata"] == metadata == made["metadata"]


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
    ],
)
async def test_a_declined_card(card: str, code: str, decline_code: str | None, shop: Shop) -> None:
    ada = await shop.user()
    made = await ada.payment()
    answer = await ada.confirm(made["id"], card)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("decline_code")) == (402, code, decline_code)
    shown = (await ada.get("/api/payments/history")).json()["items"][0]
    assert (shown["status"], shown["last_error"]["code"]) == ("requires_payment_method", code)
    assert shown["last_error"].get("decline_code") == decline_code
    again = await ada.confirm(made["id"])
    assert (again.status_code, again.json()["status"], again.json()["last_error"]) == (200, "succeeded", None)


async def test_a_payer_who_must_act(shop: Shop) -> None:
    ada = await shop.user()
    made = await ada.payment()
    asked = (await ada.confirm(made["id"], "pm_card_authenticationRequired", return_url="https://shop.example/back")).json()
    assert asked["status"] == "requires_action"
    assert asked["next_action"]["type"] == "redirect_to_url"
    assert asked["next_action"]["redirect_to_url"]["return_url"] == "https://shop.example/back"
    await shop.control(f"authenticate/{made['id']}")
    shop.app.clock.advance(3)
    done = (await ada.get(f"/api/payments/{made['id']}")).json()
    assert (done["status"], done["next_action"]) == ("succeeded", None)


async def test_a_payment_that_succeeded_is_not_confirmed_again(shop: Shop) -> None:
    ada = await shop.user()
    paid = await ada.paid()
    answer = await ada.confirm(paid["id"])
    assert (answer.status_code, answer.json()["code"]) == (400, "payment_intent_unexpected_state")
    assert len(await shop.at_stripe("charge")) == 1


async def test_another_users_payment_is_no_payment(shop: Shop) -> None:
    ada, eve = await shop.user(), await shop.user()
    paid = await ada.paid()
    theirs = paid["customer_id"]
    missing = (await eve.get("/api/payments/pi_missing")).json()
    for path, body in (
        (f"/api/payments/{paid['id']}", None),
        ("/api/payments/confirm-payment", {"payment_intent_id": paid["id"]}),
        ("/api/payments/create-payment-intent", {"amount": "1", "customer_id": theirs}),
        ("/api/payments/history?customer_id=" + theirs, None),
        (f"/api/refunds?payment_intent_id={paid['id']}", None),
        (f"/api/refunds?customer_id={theirs}", None),
        (f"/api/customers/{theirs}", None),
        (f"/api/payments/methods?customer_id={theirs}", None),
        ("/api/payments/setup-intent", {"customer_id": theirs}),
        ("/api/payments/portal-session", {"customer_id": theirs}),
        ("/api/payments/checkout-session", {"customer_id": theirs, "amount": "1"}),
        ("/api/subscriptions/create", {"customer_id": theirs, "price_id": "price_pro"}),
        ("/api/subscriptions?customer_id=" + theirs, None),
        ("/api/invoices?customer_id=" + theirs, None),
    ):
        answer = await eve.get(path) if body is None else await eve.post(path, **body)
        assert answer.status_code == 404, path
    found = (await eve.get(f"/api/payments/{paid['id']}")).json()
    assert {**found, "instance": "", "request_id": ""} == {**missing, "instance": "", "request_id": ""}
    assert (await eve.get("/api/payments/history")).json() == {"items": [], "next_cursor": None}
    for strange in ("pi_..%2F..", "cus_x", "pi_" + "x" * 300, "%00", "pi_٣"):
        assert (await eve.get(f"/api/payments/{strange}")).status_code == 404, strange


async def test_an_administrator_acts_on_anyones_and_sees_no_secret(shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    paid = await ada.paid()
    seen = (await admin.get(f"/api/payments/{paid['id']}")).json()
    assert (seen["id"], seen["client_secret"]) == (paid["id"], None)
    listed = (await admin.get("/api/payments/history", customer_id=paid["customer_id"])).json()["items"]
    assert [(each["id"], each["client_secret"]) for each in listed] == [(paid["id"], None)]
    own = await admin.payment()
    assert own["client_secret"]
    assert own["customer_id"] != paid["customer_id"]


async def test_history_pages_and_filters(shop: Shop) -> None:
    ada = await shop.user()
    ids, times = [], []
    for number in range(5):
        shop.app.clock.advance(60)
        times.append(shop.app.clock.now())
        ids.append((await (ada.paid() if number % 2 else ada.payment()))["id"])
    shop.wire.requests.clear()

    async def listed(**query: object) -> list[str]:
        found, cursor = [], None
        while True:
            answer = (await ada.get("/api/payments/history", limit=2, **({"cursor": cursor} if cursor else {}), **query)).json()
            found += [each["id"] for each in answer["items"]]
            if (cursor := answer["next_cursor"]) is None:
                return found

    newest_first = ids[::-1]
    assert await listed() == newest_first
    assert await listed(status="succeeded") == [ids[3], ids[1]]
    at = [moment.isoformat().replace("+00:00", "Z") for moment in times]
    assert await listed(**{"from": at[1]}) == newest_first[:4], "from is inclusive"
    assert await listed(to=at[3]) == newest_first[2:], "to is exclusive"
    assert await listed(**{"from": at[1], "to": at[3]}) == [ids[2], ids[1]]
    half = (times[1] + timedelta(milliseconds=500)).isoformat()
    assert await listed(**{"from": half}) == newest_first[:3]
    assert await listed(to=half) == [ids[1], ids[0]]
    assert await listed(**{"from": at[3], "to": at[1]}) == []
    assert await listed(**{"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}) == newest_first
    assert shop.wire.calls == []

    for query in ({"from": "yesterday"}, {"to": "2026-01-01"}, {"from": "2026-13-01T00:00:00Z"}, {"status": "paid"}):
        assert (await ada.get("/api/payments/history", **query)).status_code == 422, query
    cursor = (await ada.get("/api/payments/history", limit=2)).json()["next_cursor"]
    for query in ({"cursor": "forged"}, {"cursor": cursor, "status": "succeeded"}):
        answer = await ada.get("/api/payments/history", **query)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_who_may_call(shop: Shop) -> None:
    ada = await shop.user()
    anonymous = shop.app.client()
    for path in (
        "/api/payments/history",
        "/api/payments/pi_1",
        "/api/customers/cus_1",
        "/api/subscriptions",
        "/api/invoices",
        "/api/refunds",
    ):
        assert (await anonymous.get(path)).status_code == 401, path
    await anonymous.aclose()
    refused = await ada.post("/api/refunds/create", payment_intent_id="pi_1")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_a_key_needs_the_scope(shop: Shop) -> None:
    ada = await shop.user()
    for scope, status in (("files", 403), ("payments", 200)):
        key = (await ada.post("/api/auth/keys", name="k", scopes=[scope])).json()["key"]
        answer = await ada.http.get("/api/payments/history", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == status
