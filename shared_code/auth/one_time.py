"""One-time tokens: what a link in a mail carries, to verify an address or to set a forgotten password.

A token is ``<user id>.<id>.<secret>``, opaque to everyone else. Its row ``once:<purpose>:<id>`` is in the user's partition
and holds a hash of the secret only. Whoever honours a token deletes that row, with its ETag, in the batch that writes what the
token permits: it works once, and for its purpose only, since another purpose has another key.
"""

import hmac
import re
from datetime import datetime, timedelta
from typing import Literal

from shared_code import ids
from shared_code.clock import Clock
from shared_code.errors import InvalidRequest
from shared_code.storage.ports import Insert, Row, Tables, Value

from .refresh import hash_secret, new_secret
from .tables import USERS

Purpose = Literal["verify", "reset"]
LIFETIMES: dict[Purpose, timedelta] = {"verify": timedelta(hours=24), "reset": timedelta(hours=1)}

PREFIX = "once:"
_TOKEN = re.compile(r"([0-9a-z]{26})\.([0-9a-z]{26})\.([A-Za-z0-9_-]{43})")


class OneTimeTokens:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def issue(self, user_id: str, purpose: Purpose) -> str:
        now, secret = self._clock.now(), new_secret()
        token_id = ids.new_id(now)
        values: dict[str, Value] = {"v": 1, "secret_hash": hash_secret(secret), "created_at": now, "expires_at": now + LIFETIMES[purpose]}
        await self._tables.apply(USERS, user_id, Insert(prefix_of(purpose) + token_id, values))
        return f"{user_id}.{token_id}.{secret}"

    async def find(self, token: str, purpose: Purpose) -> Row | None:
        """The row of a token that may be used now. One storage call, or none for what cannot be a token."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        user_id, token_id, secret = match.groups()
        row = await self._tables.get(USERS, user_id, prefix_of(purpose) + token_id)
        if row is None or not hmac.compare_digest(str(row.values["secret_hash"]), hash_secret(secret)):
            return None
        return None if is_expired(row, self._clock.now()) else row


def prefix_of(purpose: Purpose) -> str:
    return f"{PREFIX}{purpose}:"


def is_expired(row: Row, now: datetime) -> bool:
    expires_at = row.values["expires_at"]
    assert isinstance(expires_at, datetime)
    return expires_at <= now


def invalid_link() -> InvalidRequest:
    """One answer for a token that is used, expired, replaced, of another purpose or made up."""
    return InvalidRequest("This link is not valid any more. Ask for a new one.", code="invalid_token")
