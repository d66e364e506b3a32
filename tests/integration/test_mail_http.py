"""Mail through the real queue and its trigger."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from shared_code import ids
from shared_code.clock import SystemClock
from tests.integration.support import Host, User, eventually


def mails_to(admin: User, address: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = admin.get("/api/mail/outbox", params={"limit": 100}).json()["items"]
    return [item for item in items if item["to"] == address]


@pytest.mark.skipif("BASE_URL" in os.environ, reason="needs the host's own storage")
def test_a_message_on_the_queue_ends_in_the_outbox_once(host: Host, user: Callable[..., User]) -> None:
    admin = user("admin@example.com")
    address = f"{uuid4().hex}@example.com"
    values = json.dumps({"title": "Grüße & <more>", "link": "https://app.example.com/a?b=1&c=2"})
    event = {"kind": "send", "id": ids.new_id(SystemClock().now()), "to": address, "name": "Ada", "template": "alert", "values": values}
    with QueueClient.from_connection_string(host.connection_string(), "mail-events") as queue:
        with suppress(ResourceExistsError):  # it comes into being with the first mail
            queue.create_queue()
        for _ in range(2):
            queue.send_message(json.dumps({**event, "key": "", "attempt": 0}))
            eventually(lambda: queue.get_queue_properties().approximate_message_count == 0, what="the queue's end")
    [mail] = mails_to(admin, address)
    assert (mail["subject"], mail["template"], mail["status"]) == ("Lydian alert: Grüße & <more>", "alert", "outbox")
    assert "https://app.example.com/a?b=1&c=2" in mail["text"]
    assert "Grüße &amp; &lt;more&gt;" in mail["html"]


def test_who_is_let_in(client: httpx.Client, alice: User) -> None:
    assert client.get("/api/mail/outbox").status_code == 401
    assert alice.get("/api/mail/outbox").status_code == 403
    answer = client.post("/api/webhooks/sendgrid", json=[])
    assert (answer.status_code, answer.json()["code"]) == (503, "mail_not_configured")
