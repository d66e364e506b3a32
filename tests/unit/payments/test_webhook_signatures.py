"""Stripe's signatures: which are taken, and that nothing else is."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_code.errors import InvalidRequest
from shared_code.payments.signatures import verify

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
T = int(NOW.timestamp())
OLD, NEW = "whsec_" + "o" * 8, "whsec_" + "n" * 8
BODY = b'{"id": "evt_1"}'


def signature(body: bytes = BODY, secret: str = NEW, t: int | str = T) -> str:
    return hmac.new(secret.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest()


def header(body: bytes = BODY, secret: str = NEW, t: int | str = T) -> str:
    return f"t={t},v1={signature(body, secret, t)}"


@pytest.mark.parametrize(
    "good",
    [
        header(),
        header(secret=OLD),
        f"t={T},v1={'0' * 64},v1={signature()},v0=ignored",
        f" t={T} , v1={signature()}",
        header(t=T - 300),
        header(t=T + 300),
    ],
)
def test_taken(good: str) -> None:
    verify(BODY, good, [OLD, NEW], NOW)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "",
        "nonsense",
        f"v1={signature()}",
        f"t={T}",
        f"t={T},v1=",
        f"t={T},v0={signature()}",
        f"t={T},t={T},v1={signature()}",
        f"t=٣,v1={signature()}",
        f"t=-5,v1={signature(t=-5)}",
        f"t={'9' * 400},v1={signature()}",
        header(secret="another secret"),
        header(body=BODY + b" "),
        header(t=T - 360),
        header(t=T - 301),
        header(t=T + 301),
        f"t={T + 1},v1={signature()}",
        f"t={T},v1={signature().upper()}",
        f"t={T},v1=é",
        header() + "," * 5000,
    ],
)
def test_refused(bad: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        verify(BODY, bad, [OLD, NEW], NOW)
    assert caught.value.code == "invalid_signature"


def test_without_a_secret_nothing_is_taken() -> None:
    with pytest.raises(InvalidRequest):
        verify(BODY, header(secret=""), [], NOW)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_it_is_the_bytes_that_are_signed(body: bytes, other: bytes) -> None:
    verify(body, header(body), [NEW], NOW)
    if other != body:
        with pytest.raises(InvalidRequest):
            verify(other, header(body), [NEW], NOW)
