"""SendGrid's client against a receiver that accepts, refuses, is busy, slow or gone."""

import dataclasses
import logging
import time
from datetime import timedelta
from email.utils import format_datetime

import pytest

from shared_code.clock import ManualClock
from shared_code.mail.ports import Message, PermanentFailure, TemporaryFailure
from shared_code.mail.sendgrid_provider import SendGrid
from tests.azurite import free_ports
from tests.unit.mail.receiver import Receiver

KEY = "k" * 24
MESSAGE = Message("01hx", "ada@example.com", "Ada", "Grüße", "text\n", "<p>html</p>")


def provider(url: str, key: str = KEY, timeout: float = 5) -> SendGrid:
    return SendGrid(key, "lydian@example.com", "Lydian", url, ManualClock(), timeout=timeout)


async def test_what_is_sent(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert await provider(receiver.url).send(MESSAGE) == "sg-1"
    [(path, headers, body)] = receiver.requests
    assert path == "/v3/mail/send"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {
        "personalizations": [{"to": [{"email": "ada@example.com", "name": "Ada"}], "custom_args": {"lydian_message_id": "01hx"}}],
        "from": {"email": "lydian@example.com", "name": "Lydian"},
        "subject": "Grüße",
        "content": [{"type": "text/plain", "value": "text\n"}, {"type": "text/html", "value": "<p>html</p>"}],
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
    }
    assert KEY not in caplog.text
    assert "ada@" not in caplog.text


async def test_nobody_is_called_nothing(receiver: Receiver) -> None:
    await provider(receiver.url).send(dataclasses.replace(MESSAGE, name=""))
    assert receiver.requests[0][2]["personalizations"][0]["to"] == [{"email": "ada@example.com"}], "SendGrid refuses an empty name"


@pytest.mark.parametrize(("status", "ours"), [(400, False), (401, True), (403, True), (404, False), (413, False)])
async def test_refusals(receiver: Receiver, status: int, ours: bool) -> None:
    receiver.status = status
    with pytest.raises(PermanentFailure, match=f"^sendgrid_{status}$") as caught:
        await provider(receiver.url).send(MESSAGE)
    assert caught.value.ours == ours


NOW = ManualClock().now()


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"Retry-After": "17"}, 17),
        (429, {"Retry-After": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90),
        (429, {"X-RateLimit-Reset": str(int(NOW.timestamp()) + 60)}, 60),
        (429, {"X-RateLimit-Reset": "1"}, 0),
        (429, {"Retry-After": "-5", "X-RateLimit-Reset": "soon"}, 0),
        (503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        (500, {}, 0),
        (502, {}, 0),
        (200, {}, 0),
    ],
)
async def test_not_now(receiver: Receiver, status: int, headers: dict[str, str], wait: float) -> None:
    receiver.status, receiver.headers = status, headers
    with pytest.raises(TemporaryFailure, match=f"^sendgrid_{status}$") as caught:
        await provider(receiver.url).send(MESSAGE)
    assert caught.value.retry_after == wait


async def test_silence(receiver: Receiver) -> None:
    receiver.status, began = -1, time.monotonic()
    with pytest.raises(TemporaryFailure, match=r"^sendgrid_timeout$"):
        await provider(receiver.url, timeout=0.05).send(MESSAGE)
    assert time.monotonic() - began < 2


async def test_a_cut_connection(receiver: Receiver) -> None:
    receiver.status = 0
    with pytest.raises(TemporaryFailure, match=r"^sendgrid_unreachable"):
        await provider(receiver.url).send(MESSAGE)


async def test_a_dead_host() -> None:
    [port] = free_ports(1)
    with pytest.raises(TemporaryFailure, match=r"^sendgrid_unreachable: ConnectionRefusedError$"):
        await provider(f"http://127.0.0.1:{port}").send(MESSAGE)


async def test_a_key_that_no_header_holds_is_not_shown(receiver: Receiver) -> None:
    with pytest.raises(PermanentFailure) as caught:
        await provider(receiver.url, key=f"{KEY}\nX: y").send(MESSAGE)
    assert caught.value.ours
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__
    assert receiver.requests == []
