"""Refresh tokens: opaque, rotated on every use, with only hashes at rest (RFC 9700, 4.14.2).

A token is ``lyr_<user id>.<session id>.<secret>``. Its successor's secret is derived from the presented secret and a salt
kept with the session: a retry by the same client finds the same successor again, though storage never held it, and
neither an old token nor the table alone gives the next one.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .models import Session

LIFETIME = timedelta(days=30)
RETRY_WINDOW = timedelta(seconds=10)
"""How long a just rotated token still gets the same successor: two tabs, or an answer that was lost."""

_TOKEN = re.compile(r"lyr_([0-9a-z]{26})\.([0-9a-z]{26})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Presented:
    user_id: str
    session_id: str
    secret: str


def parse(token: str) -> Presented | None:
    match = _TOKEN.fullmatch(token)
    return Presented(*match.groups()) if match else None


def render(user_id: str, session_id: str, secret: str) -> str:
    return f"lyr_{user_id}.{session_id}.{secret}"


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()


def rotate(session: Session, presented: Presented, user_agent: str, now: datetime) -> tuple[Session, str] | None:
    """The rotated session and the successor's secret; the session itself when this is a permitted retry; None for reuse."""
    digest = hash_secret(presented.secret)
    if hmac.compare_digest(digest, session.current_hash):
        salt = secrets.token_hex(16)
        successor = _successor(presented.secret, salt)
        rotated = replace(
            session,
            current_hash=hash_secret(successor),
            previous_hash=digest,
            successor_salt=salt,
            rotated_at=now,
            last_used_at=now,
            expires_at=now + LIFETIME,
            user_agent=user_agent,
        )
        return rotated, successor
    # When the successor has been used, it is the previous one, and this token matches neither hash.
    retried = (
        hmac.compare_digest(digest, session.previous_hash) and session.rotated_at is not None and now - session.rotated_at <= RETRY_WINDOW
    )
    if retried and user_agent == session.user_agent:
        return session, _successor(presented.secret, session.successor_salt)
    return None


def _successor(secret: str, salt: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), salt.encode(), "sha256")).rstrip(b"=").decode()
