"""The pages where a person pays: plain HTML that works without script, and leads back to the app."""

from typing import Any

import httpx
import pytest

from tests.unit.local.stripe.support import BACK, World


async def _session(world: World, mode: str = "payment", **more: Any) -> Any:
    line: Any = {"price": "price_pro", "quantity": 1}
    if mode == "payment":
        line = {"price_data": {"currency": "usd", "unit_amount": 700, "product_data": {"name": "<b>Cap</b>"}}, "quantity": 2}
    given = {"mode": mode, "success_url": BACK + "?s={CHECKOUT_SESSION_ID}", "cancel_url": BACK + "?no", **more}
    given |= {"currency": "usd"} if mode == "setup" else {"line_items": [line]}
    return await world.sdk.checkout.sessions.create_async(given)  # type: ignore[arg-type]


def _sound(page: httpx.Response) -> None:
    text = page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert text.startswith('<!doctype html><html lang="en">')
    assert "<title>" in text
    assert "<h1>" in text
    for forbidden in ("<script", "style=", "<b>Cap", "onclick"):
        assert forbidden not in text


async def test_paying(world: World) -> None:
    session = await _session(world, metadata={"order": "7"}, payment_intent_data={"metadata": {"order": "7"}})
    page = await world.http.get(session.url)
    _sound(page)
    assert "$14.00" in page.text
    assert '<span class="number">•••• 4242</span>' in page.text, "its style keeps it on one line, on a telephone too"
    assert f'href="{BACK}?no"' in page.text
    refused = await world.http.post(session.url, data={"card": "pm_card_visa_chargeDeclined", "email": "a@example.com"})
    assert refused.status_code == 402
    assert 'role="alert">Your card was declined.' in refused.text
    paid = await world.http.post(session.url, data={"card": "pm_card_visa", "email": "a@example.com"})
    assert (paid.status_code, paid.headers["location"]) == (303, f"{BACK}?s={session.id}")
    done = await world.sdk.checkout.sessions.retrieve_async(session.id, {"expand": ["payment_intent", "line_items"]})
    assert (done.status, done.payment_status, done.url, done.customer) == ("complete", "paid", None, None)
    assert (done.payment_intent.status, done.payment_intent.metadata.to_dict()) == ("succeeded", {"order": "7"})  # type: ignore[union-attr]
    assert done.line_items.data[0].quantity == 2  # type: ignore[union-attr]
    assert (await world.types()).count("payment_intent.created") == 1  # the declined one was used again
    assert (await world.types())[-1] == "checkout.session.completed"
    assert (await world.http.post(session.url, data={"card": "pm_card_visa"})).status_code == 410


@pytest.mark.parametrize("trial", [None, 7])
async def test_subscribing(world: World, trial: int | None) -> None:
    data = {"metadata": {"plan": "x"}} | ({"trial_period_days": trial} if trial else {})
    session = await _session(world, "subscription", subscription_data=data)
    for card in ("pm_card_chargeCustomerFail", "pm_card_visa"):
        answer = await world.http.post(session.url, data={"card": card, "email": "a@example.com"})
        if trial:
            break
        assert answer.status_code == (402 if card.endswith("Fail") else 303)
    done = await world.sdk.checkout.sessions.retrieve_async(session.id, {"expand": ["subscription", "customer"]})
    sub: Any = done.subscription
    assert (sub.status, sub.metadata.to_dict()) == ("trialing" if trial else "active", {"plan": "x"})
    assert (done.customer.email, done.payment_status) == (  # type: ignore[union-attr]
        "a@example.com",
        "no_payment_required" if trial else "paid",
    )
    assert (await world.http.get("/_test/state")).json()["counts"]["customer"] == 1


async def test_authenticating_in_checkout(world: World) -> None:
    customer = await world.customer()
    session = await _session(world, "subscription", customer=customer.id)
    asks = await world.http.post(session.url, data={"card": "pm_card_authenticationRequired"})
    _sound(asks)
    assert "Complete authentication" in asks.text
    failed = await world.http.post(session.url, data={"card": "pm_card_authenticationRequired", "authenticated": "no"})
    assert failed.status_code == 402
    done = await world.http.post(session.url, data={"card": "pm_card_authenticationRequired", "authenticated": "yes"})
    assert done.status_code == 303
    assert [sub.status for sub in (await world.sdk.subscriptions.list_async({"customer": customer.id})).data] == ["active"]


async def test_saving_a_card(world: World) -> None:
    customer = await world.customer()
    session = await _session(world, "setup", customer=customer.id)
    assert (await world.http.post(session.url, data={"card": "pm_card_visa_chargeDeclined"})).status_code == 402
    assert (await world.http.post(session.url, data={"card": "pm_card_visa"})).status_code == 303
    assert len((await world.sdk.payment_methods.list_async({"customer": customer.id})).data) == 1


async def test_sessions_expire(world: World) -> None:
    by_hand, by_time = await _session(world), await _session(world)
    assert (await world.sdk.checkout.sessions.expire_async(by_hand.id)).status == "expired"
    await world.advance(days=1)
    assert (await world.http.get(by_time.url)).status_code == 410
    assert (await world.types()).count("checkout.session.expired") == 2


async def test_the_portal(world: World) -> None:
    customer = await world.customer("pm_card_visa")
    other = await world.customer("pm_card_visa")
    sub = await world.sdk.subscriptions.create_async({"customer": customer.id, "items": [{"price": "price_pro"}]})
    foreign = await world.sdk.subscriptions.create_async({"customer": other.id, "items": [{"price": "price_pro"}]})
    portal = await world.sdk.billing_portal.sessions.create_async({"customer": customer.id, "return_url": BACK})
    _sound(await world.http.get(portal.url))
    for action, wanted in (("cancel", True), ("keep", False)):
        assert (await world.http.post(portal.url, data={"action": action, "id": sub.id})).status_code == 303
        assert (await world.sdk.subscriptions.retrieve_async(sub.id)).cancel_at_period_end is wanted
    assert (await world.http.post(portal.url, data={"action": "cancel", "id": foreign.id})).status_code == 400
    assert (await world.http.post(portal.url, data={"action": "add", "card": "pm_card_visa_chargeDeclined"})).status_code == 402
    assert (await world.http.post(portal.url, data={"action": "add", "card": "pm_card_mastercard"})).status_code == 303
    default = (await world.sdk.customers.retrieve_async(customer.id)).invoice_settings.default_payment_method  # type: ignore[union-attr]
    assert "mastercard •••• 4444 (default)" in (await world.http.get(portal.url)).text
    await world.http.post(portal.url, data={"action": "remove", "id": str(default)})
    assert "mastercard" not in (await world.http.get(portal.url)).text.split("<fieldset>")[0]


async def test_an_invoice_is_paid_on_its_page(world: World) -> None:
    customer = await world.customer()
    sub = await world.sdk.subscriptions.create_async(
        {"customer": customer.id, "items": [{"price": "price_pro"}], "payment_behavior": "default_incomplete", "expand": ["latest_invoice"]}
    )
    url = str(sub.latest_invoice.hosted_invoice_url)  # type: ignore[union-attr]
    _sound(await world.http.get(url))
    assert (
        (await world.http.post(url, data={"card": "pm_card_authenticationRequired"})).headers["location"].startswith("/pages/authenticate/")
    )
    await world.http.post(url, data={"card": "pm_card_visa"})
    assert (await world.sdk.subscriptions.retrieve_async(sub.id)).status == "active"
    assert "It is paid" in (await world.http.get(url)).text


@pytest.mark.parametrize("path", ["/pages/checkout/cs_none", "/pages/nothing/x", "/pages/portal/", "/pages/authenticate/pi_none"])
async def test_pages_that_there_are_not(world: World, path: str) -> None:
    assert (await world.http.get(path)).status_code == 404
