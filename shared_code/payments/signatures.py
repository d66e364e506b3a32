"""Webhook signatures as Stripe makes them (https://docs.stripe.com/webhooks#verify-manually).

The header ``Stripe-Signature`` holds ``t=<seconds>`` and one ``v1=<hex HMAC-SHA256>`` for each secret that is active, over
``<t>.<raw body>``. Our own check, so that acknowledging an event needs no Stripe SDK in memory.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared_code.errors import InvalidRequest

TOLERANCE = timedelta(minutes=5)
"""How far the signature's time may be from ours, in either direction."""
_MAX_HEADER = 4096


def verify(body: bytes, header: str | None, secrets: Sequence[str], now: datetime) -> None:
    """Raises InvalidRequest ``invalid_signature`` unless one of the secrets signed these bytes within the tolerance."""
    if header is None or len(header) > _MAX_HEADER:
        raise _invalid()
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    given = [value for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdigit() or len(times[0]) > 12 or not given:
        raise _invalid()
    signed = times[0].encode() + b"." + body
    expected = [hmac.digest(secret.encode(), signed, "sha256").hex().encode() for secret in secrets]
    # Every pair is compared, whichever matches: how long it takes says nothing.
    matches = [hmac.compare_digest(value.encode("utf-8", "replace"), wanted) for value in given for wanted in expected]
    if not any(matches) or abs(now.timestamp() - int(times[0])) > TOLERANCE.total_seconds():
        raise _invalid()


def _invalid() -> InvalidRequest:
    return InvalidRequest("The webhook's signature is missing, wrong or too old.", code="invalid_signature")
