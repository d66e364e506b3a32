"""The demo's second half: a card that is declined, one that pays, a part given back, and what the history says."""

import secrets
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx

ADMIN = "admin@example.com"
PASSWORD = "a demo on this machine only"  # noqa: S105  # of an account that exists in local runs alone
PATIENCE = 15.0
"""Seconds that Stripe's event and the mail behind it may take."""


def administrator(url: str) -> httpx.Client | None:
    """A client of the administrator that `local.settings.example.json` names; None where settings name another."""
    client = httpx.Client(base_url=url, timeout=30)
    for route in ("register", "login"):
        answer = client.post(f"/api/auth/{route}", json={"email": ADMIN, "password": PASSWORD, "name": "Admin"})
        if answer.is_success and answer.json()["user"]["role"] == "admin":
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            return client
    client.close()
    return None


def confirm(client: httpx.Client, payment_id: str, method: str) -> httpx.Response:
    return client.post("/api/payments/confirm-payment", json={"payment_intent_id": payment_id, "payment_method": method})


def wait_for(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def pay(client: httpx.Client, url: str, email: str, step: Callable[[str], None], number: int) -> None:
    config = client.get("/api/payments/config")
    if config.status_code == 503:
        step(f"{number}. Payments are not configured here: nothing is paid.")
        return
    prices = ", ".join(f"{price['id']} at {price['amount']} {price['currency']}" for price in config.raise_for_status().json()["prices"])
    step(f"{number}. On sale: {prices}.")

    headers = {"Idempotency-Key": secrets.token_hex(8)}
    body = {"amount": "49.99", "currency": "usd", "description": "A print of the mountains"}
    payment = client.post("/api/payments/create-payment-intent", json=body, headers=headers).raise_for_status().json()
    declined = confirm(client, payment["id"], "pm_card_visa_chargeDeclined")
    step(f"{number + 1}. Paying 49.99 USD with a card that is declined: {declined.status_code} {declined.json()['code']}.")
    paid = confirm(client, payment["id"], "pm_card_visa").raise_for_status().json()
    step(f"   With another card: {paid['status']}, {paid['amount']} {paid['currency'].upper()}.")

    admin = administrator(url)
    if admin is None:
        step(f"{number + 2}. No refund: {ADMIN} is no administrator here, or has another password.")
        return
    step(f"   (The administrator of this machine is {ADMIN}, with the password {PASSWORD!r}.)")
    with closing(admin):
        refund = admin.post("/api/refunds/create", json={"payment_intent_id": payment["id"], "amount": "20.00"}).raise_for_status().json()
        step(f"{number + 2}. An administrator gave {refund['amount']} {refund['currency'].upper()} back.")

        def receipt() -> Any:
            mails = admin.get("/api/mail/outbox", params={"limit": 100})
            items = mails.json()["items"] if mails.is_success else []
            return next((mail for mail in items if mail["to"] == email and mail["template"] == "receipt"), None)

        mail = wait_for(receipt)
        step(
            f"   The receipt in the local outbox: {mail['subject']!r}."
            if mail
            else "   No receipt in the outbox: mail goes elsewhere here."
        )
    [entry] = client.get("/api/payments/history").raise_for_status().json()["items"]
    step(f"{number + 3}. The history, which asks Stripe nothing: {entry['amount']} {entry['currency']}, {entry['status']}, "
         f"{entry['amount_refunded']} refunded.")  # fmt: skip
