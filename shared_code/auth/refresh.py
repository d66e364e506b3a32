"""Refresh tokens: opaque, rotated on every use, with only hashes at rest (RFC 9700, 4.14.2).

A token is ``lyr_<user id>.<session id>.<secret>``. Its successor's secret is derived from the presented secret and a salt
kept with the session: a retry by the same client finds the same successor again, though storage never held it, and
neither an old token nor the table alone gives the next one.

A secret is 16 bytes that nobody can guess and a MAC of them under the session's ``token_key``. The ids of a token can be read
in any JWT: the MAC tells a token that was once issued, whose reuse ends the session, from one that was made up around them,
which is merely invalid. Whoever reads ``token_key`` in the table can make secrets that count as issued: each provokes the end of
that one session and a false report of reuse. None signs in, since the hashes say which token does.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from .models import Session

LIFETIME = timedelta(days=30)
RETRY_WINDOW = timedelta(seconds=10)
"""How long a just rotated token still gets the same successor: two tabs, or an answer that was lost."""

_ENTROPY = 16
"""Bytes of a secret that are random, or derived from such; as many of the MAC follow."""

_TOKEN = re.compile(r"lyr_([0-9a-z]{26})\.([0-9a-z]{26})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Presented:
    user_id: str
    session_id: str
    secret: str


class Refused(Enum):
    REUSED = auto()
    """Issued once, and used up: two have it."""
    INVALID = auto()
    """Never issued for this session."""


def parse(token: str) -> Presented | None:
    match = _TOKEN.fullmatch(token)
    return Presented(*match.groups()) if match else None


def render(user_id: str, session_id: str, secret: str) -> str:
    return f"lyr_{user_id}.{session_id}.{secret}"


def new_secret() -> str:
    """Of a token that is used once: 32 random bytes, without a MAC."""
    return secrets.token_urlsafe(32)


def new_token_key() -> str:
    return secrets.token_hex(32)


def new_token_secret(token_key: str) -> str:
    return _marked(secrets.token_bytes(_ENTROPY), token_key)


def hash_secret(secret: str) -> str:
    # 128 random bits or more need no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()


def rotate(session: Session, presented: Presented, user_agent: str, now: datetime) -> tuple[Session, str] | Refused:
    """The rotated session and the successor's secret; the session itself when this is a permitted retry."""
    digest = hash_secret(presented.secret)
    if hmac.compare_digest(digest, session.current_hash):
        salt, token_key = secrets.token_hex(16), session.token_key or new_token_key()
        successor = _successor(presented.secret, salt, token_key)
        rotated = replace(
            session,
            current_hash=hash_secret(successor),
            token_key=token_key,
            previous_hash=digest,
            successor_salt=salt,
            rotated_at=now,
            last_used_at=now,
            expires_at=now + LIFETIME,
            user_agent=user_agent,
        )
        return rotated, successor
    # When the successor has been used, it is the previous one, and this token matches neither hash.
    if hmac.compare_digest(digest, session.previous_hash):
        retried = session.rotated_at is not None and now - session.rotated_at <= RETRY_WINDOW and user_agent == session.user_agent
        return (session, _successor(presented.secret, session.successor_salt, session.token_key)) if retried else Refused.REUSED
    # Without a key nothing tells what was issued: better one session too many ended than a stolen token unnoticed.
    return Refused.REUSED if not session.token_key or _was_issued(presented.secret, session.token_key) else Refused.INVALID


def _successor(secret: str, salt: str, token_key: str) -> str:
    derived = hmac.digest(secret.encode(), salt.encode(), "sha256")
    # A successor that was made before there were keys is still found by its retry.
    return _marked(derived[:_ENTROPY], token_key) if token_key else _text(derived)


def _was_issued(secret: str, token_key: str) -> bool:
    # Compared as text: 43 characters have two bits more than 32 bytes, and only one way to write these was issued.
    return hmac.compare_digest(_marked(base64.urlsafe_b64decode(secret + "=")[:_ENTROPY], token_key), secret)


def _marked(entropy: bytes, token_key: str) -> str:
    return _text(entropy + hmac.digest(token_key.encode(), entropy, "sha256")[:_ENTROPY])


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
