"""Time-based one-time passwords (RFC 6238): SHA-1, six digits, thirty seconds, as every authenticator app knows them."""

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

DIGITS, PERIOD = 6, 30
DRIFT = 1
"""Steps that a device's clock may be off, either way (RFC 6238, 5.2)."""
ISSUER = "Lydian"


def new_secret() -> str:
    """160 random bits (RFC 4226, 4, R6) in base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def uri(secret: str, account: str) -> str:
    """What a QR code shows: https://github.com/google/google-authenticator/wiki/Key-Uri-Format."""
    query = urlencode({"secret": secret, "issuer": ISSUER, "algorithm": "SHA1", "digits": DIGITS, "period": PERIOD})
    return f"otpauth://totp/{quote(f'{ISSUER}:{account}', safe='')}?{query}"


def step_of(now: datetime) -> int:
    return int(now.timestamp()) // PERIOD


def code_at(secret: str, step: int) -> str:
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**DIGITS:0{DIGITS}}"


def matching_step(secret: str, code: str, now: datetime, *, after: int) -> int | None:
    """The step whose code this is, if that is around now and later than ``after``, the last one used."""
    typed = "".join(code.split())
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdigit()):
        return None
    current, found = step_of(now), None
    for step in range(current - DRIFT, current + DRIFT + 1):
        if hmac.compare_digest(code_at(secret, step), typed) and step > after:
            found = step
    return found
