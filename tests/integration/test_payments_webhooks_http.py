"""From a payment to its receipt: Stripe's stand-in, its webhooks, the queue, the mirror and the outbox, all of them real."""

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.support import NO_TLS, Host, User, eventually, problem, register, running_host

own_stripe = pytest.mark.skipif("BASE_URL" in os.environ, reason="needs the host's own Stripe")


class Stripe:
    """The host's Stripe, as its Dashboard would reach it."""

    def __init__(self, data: Path) -> None:
        known = json.loads((data / "stripe.json").read_text())
        self.key, self.port = known["key"], int(known["port"])

    def post(self, path: str, **form: str) -> dict[str, Any]:
        url, headers = f"http://127.0.0.1:{self.port}{path}", {"Authorization": f"Bearer {self.key}"}
        answer = httpx.post(url, data=form, headers=headers, verify=NO_TLS, timeout=20)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def begun(user: User, amount: str = "12.50", **body: str) -> dict[str, Any]:
    made = user.post("/api/payments/create-payment-intent", json={"amount": amount, **body})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def confirmed(user: User, payment: str) -> None:
    body = {"payment_intent_id": payment, "payment_method": "pm_card_visa"}
    answer = user.post("/api/payments/confirm-payment", json=body)
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded"), answer.text


def inbox(admin: User, object_id: str) -> dict[str, dict[str, Any]]:
    """The events of an object by their types, once none of them waits."""
    items: list[dict[str, Any]] = admin.get("/api/payments/events", params={"limit": 100}).json()["items"]
    found = {each["type"]: each for each in items if each["object_id"] == object_id}
    return found if all(each["status"] in ("processed", "ignored") for each in found.values()) else {}


@own_stripe
def test_a_payment_ends_in_the_mirror_and_in_a_receipt(host: Host, user: Callable[..., User]) -> None:
    alice, admin, stripe = user(), user("admin@example.com"), Stripe(host.data)
    address = f"{uuid4().hex}@example.com"
    payment = begun(alice, receipt_email=address)
    confirmed(alice, payment["id"])
    told = eventually(lambda: (found := inbox(admin, payment["id"])).get("payment_intent.succeeded") and found, what="the event")
    assert {each["error"] for each in told.values()} == {None}
    mails = eventually(
        lambda: [each for each in admin.get("/api/mail/outbox", params={"limit": 100}).json()["items"] if each["to"] == address]
    )
    assert [each["template"] for each in mails] == ["receipt"]
    assert "12.50" in mails[0]["text"]

    # What is done at Stripe itself we learn by its webhooks.
    stripe.post(f"/v1/customers/{payment['customer_id']}", name="Ada of the Dashboard")
    path = f"/api/customers/{payment['customer_id']}"
    eventually(lambda: alice.get(path).json()["name"] == "Ada of the Dashboard", what="the new name")
    stripe.post("/v1/refunds", payment_intent=payment["id"], amount="250")
    eventually(lambda: alice.get(f"/api/payments/{payment['id']}").json()["amount_refunded"] == "2.50", what="the refund")
    refunds = alice.get("/api/refunds", params={"payment_intent_id": payment["id"]}).json()["items"]
    assert [each["amount"] for each in refunds] == ["2.50"]


@own_stripe
def test_the_inbox_from_outside(client: httpx.Client, user: Callable[..., User]) -> None:
    problem(client.post("/api/webhooks/stripe", json={"id": "evt_1"}), 400, "invalid_signature")
    headers = {"Stripe-Signature": "t=1,v1=" + "0" * 64}
    problem(client.post("/api/webhooks/stripe", content=b"{}", headers=headers), 400, "invalid_signature")
    answer = client.post("/api/webhooks/stripe", content=b"x" * 5_242_880, headers=headers)
    assert answer.status_code == 413
    admin = user("admin@example.com")
    report = admin.post("/api/payments/reconcile").json()
    assert report["finished"], report
    problem(user().post("/api/payments/reconcile"), 403, "forbidden")


@own_stripe
def test_the_stand_in_ends_with_its_host_and_comes_back_as_it_was(tmp_path: Path) -> None:
    email = f"{uuid4().hex}@example.com"
    with running_host(tmp_path) as first:
        stripe = Stripe(first.data)
        assert stripe.listens()
        with register(first.url, email) as alice:
            payment = begun(alice)
        first.process.send_signal(signal.SIGINT)
        first.process.wait(20)
    assert not stripe.listens(), "Ctrl-C ends it too"
    with running_host(tmp_path) as second:
        again = Stripe(second.data)
        assert again.key == stripe.key
        with register(second.url, email) as alice:
            confirmed(alice, payment["id"])
            assert begun(alice)["customer_id"] == payment["customer_id"]
            # Its webhooks find the host, wherever it listens now.
            again.post(f"/v1/customers/{payment['customer_id']}", name="Back again")
            path = f"/api/customers/{payment['customer_id']}"
            eventually(lambda: alice.get(path).json()["name"] == "Back again", what="the new name")
    assert not again.listens(), "and so does SIGTERM"
