"""Receipts and reminders: one for each payment that came or did not, to whom it concerns, whatever is delivered how often."""

import asyncio
from typing import Any

import pytest

from tests.unit.payments.hooks import deliver, event, events_of, post, unpaced
from tests.unit.payments.shop import Shop


async def mails(shop: Shop, template: str = "") -> list[dict[str, Any]]:
    """What is in the outbox, by its template."""
    await shop.app.settled()
    outbox = shop.app.container.mail_outbox
    assert outbox is not None
    found = await outbox.page(after=None, limit=100)
    shown = [{"to": each.to, "text": each.text, "template": each.template, "subject": each.subject} for each in found]
    return [each for each in shown if each["template"] in (("receipt", "payment_failed") if not template else (template,))]


async def test_one_receipt_whatever_is_delivered_how_often(shop: Shop) -> None:
    ada = await shop.user("ada@example.com")
    paid = await ada.paid("49.99", description="A year of <b>tea</b>")
    told = await events_of(shop)
    await deliver(shop, told + told[::-1])
    other = shop.sibling()
    await deliver(shop, told, other)
    unpaced(shop.app)
    [succeeded] = await events_of(shop, "payment_intent.succeeded")
    await asyncio.gather(*(app.container.payments_processor.replay(succeeded["id"]) for app in (shop.app, other, shop.app)))
    await other.settled()
    # A second event of Stripe's for the same payment, too.
    await deliver(shop, [{**succeeded, "id": "evt_again"}])
    [mail] = await mails(shop)
    assert (mail["to"], mail["template"]) == ("ada@example.com", "receipt")
    for part in ("49.99", "USD", "A year of <b>tea</b>", paid["id"]):
        assert part in mail["text"], mail["text"]


async def test_to_the_address_that_the_payment_names(shop: Shop) -> None:
    ada = await shop.user("ada@example.com")
    await ada.paid(receipt_email="books@example.com")
    await deliver(shop, await events_of(shop))
    assert [mail["to"] for mail in await mails(shop)] == ["books@example.com"]


async def test_each_payment_has_its_own(shop: Shop) -> None:
    ada = await shop.user("ada@example.com")
    for amount in ("1.00", "2.00"):
        await ada.paid(amount)
    await deliver(shop, await events_of(shop))
    assert len(await mails(shop)) == 2


async def test_no_receipt_without_money(shop: Shop) -> None:
    """A payment that was begun, one that was declined, one that was cancelled, and a trial, whose first invoice is of zero."""
    ada = await shop.user("ada@example.com")
    await ada.payment()
    assert (await ada.confirm((await ada.payment())["id"], "pm_card_chargeDeclined")).status_code == 402
    cancelled = await ada.payment()
    await shop.gateway.act("payment_intent", cancelled["id"], "cancel", {}, key="k")
    assert (await ada.post("/api/subscriptions/create", price_id="price_basic", trial_period_days=7)).status_code == 201
    [zero] = await shop.at_stripe("invoice")
    assert (zero["total"], zero["status"]) == (0, "paid")
    await deliver(shop, await events_of(shop))
    assert await mails(shop) == []


async def test_a_lie_is_not_believed(shop: Shop) -> None:
    """The event says that it succeeded; Stripe holds that it did not."""
    ada = await shop.user("ada@example.com")
    made = await ada.payment()
    await deliver(shop, [event(subject={"id": made["id"], "status": "succeeded", "amount_received": 4999})])
    assert await mails(shop) == []


async def test_nobody_to_write_to(shop: Shop) -> None:
    params = {"amount": 500, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa", "return_url": "https://a.example"}
    await shop.gateway.create("payment_intent", params, key="k")
    await deliver(shop, await events_of(shop))
    assert await mails(shop) == []
    inbox = [each for _, each in await shop.app.container.payments_inbox.page(after=None, limit=9)]
    assert {each.status for each in inbox if each.type == "payment_intent.succeeded"} == {"processed"}


async def failing(shop: Shop) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A subscription whose first invoice was not paid; that invoice, and the events."""
    ada = await shop.user("ada@example.com")
    customer = await ada.post("/api/customers/create", email="ada@example.com")
    card = await shop.gateway.act("payment_method", "pm_card_chargeCustomerFail", "attach", {"customer": customer.json()["id"]}, key="a")
    made = await ada.post("/api/subscriptions/create", price_id="price_basic")
    assert (made.status_code, made.json()["status"]) == (201, "incomplete"), (made.text, card)
    [invoice] = await shop.at_stripe("invoice")
    return invoice, await events_of(shop)


async def test_word_of_a_payment_that_failed_once_with_where_to_pay(shop: Shop) -> None:
    invoice, told = await failing(shop)
    assert [each["type"] for each in told if each["type"] == "invoice.payment_failed"]
    await deliver(shop, told + told)
    [mail] = await mails(shop)
    assert (mail["to"], mail["template"]) == ("ada@example.com", "payment_failed")
    assert invoice["hosted_invoice_url"] in mail["text"]
    assert "USD" in mail["text"]


async def test_none_when_it_has_been_paid_meanwhile(shop: Shop) -> None:
    invoice, told = await failing(shop)
    card = await shop.gateway.act("payment_method", "pm_card_visa", "attach", {"customer": invoice["customer"]}, key="b")
    auth = {"Authorization": "Bearer sk_test_x"}
    form = {"payment_method": card.object["id"]}
    paid = await shop._control.post(f"/v1/invoices/{invoice['id']}/pay", data=form, headers=auth)
    assert (paid.status_code, paid.json()["status"]) == (200, "paid"), paid.text
    await deliver(shop, told)
    assert await mails(shop, "payment_failed") == []
    await deliver(shop, await events_of(shop))
    assert len(await mails(shop, "receipt")) == 1


async def test_without_a_page_of_the_invoice_the_portal(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    _, told = await failing(shop)
    retrieve = shop.gateway.retrieve

    async def without(kind: Any, object_id: str) -> Any:
        found = await retrieve(kind, object_id)
        return {**found, "hosted_invoice_url": None} if found and kind == "invoice" else found

    monkeypatch.setattr(shop.gateway, "retrieve", without)
    await deliver(shop, told)
    [mail] = await mails(shop)
    assert "http://stripe.test/pages/" in mail["text"], mail["text"]


async def test_a_receipt_that_could_not_be_made_is_tried_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await shop.user("ada@example.com")
    await ada.paid()
    [succeeded] = await events_of(shop, "payment_intent.succeeded")
    unpaced(shop.app)
    accounts = shop.app.container.accounts
    get = accounts.get

    async def fails(user_id: str) -> Any:
        raise ValueError("broken")

    monkeypatch.setattr(accounts, "get", fails)
    # The signature is checked, the event stored and acknowledged; what follows from it fails.
    assert (await post(shop.app, succeeded)).status_code == 200
    await shop.app.settled()
    assert await mails(shop) == []
    monkeypatch.setattr(accounts, "get", get)
    shop.app.clock.advance(61)
    assert await shop.app.container.payments_processor.retry_due() == 1
    assert len(await mails(shop)) == 1
