"""Sign-ins that wait for their second factor: a token of five minutes and five tries.

A token is ``lym_<user id>.<id>.<secret>``; its row ``mfa-login:<id>`` in the user's partition holds a hash of it. A try is
counted, by ETag, before its code is looked at; the batch that inserts the session deletes the row.
"""

import asyncio
import hashlib
import hmac
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared_code import ids
from shared_code.clock import Clock
from shared_code.coalesce import Coalescer
from shared_code.errors import Busy
from shared_code.storage.ports import Delete, EtagMismatch, Insert, Merge, Missing, Row, Tables

from .models import User
from .refresh import hash_secret, new_secret
from .tables import MFA_LOGIN_PREFIX, USERS

LIFETIME = timedelta(minutes=5)
MAX_TRIES = 5
TRIES = 8

_TOKEN = re.compile(r"lym_([0-9a-z]{26})\.([0-9a-z]{26})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class MfaLogin:
    user_id: str
    key: str
    email: str
    password: str
    """A digest of the account's password hash: a password that was changed meanwhile has not been given."""

    @property
    def consume(self) -> Delete:
        return Delete(self.key)

    def belongs_to(self, user: User | None) -> bool:
        return user is not None and user.id == self.user_id and hmac.compare_digest(_digest(user), self.password)


class MfaLogins:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock
        self._tries: Coalescer[MfaLogin, bool] = Coalescer(self._count)

    async def start(self, user: User) -> str:
        """A token for a user whose password was right."""
        now, secret = self._clock.now(), new_secret()
        login_id = ids.new_id(now)
        row = Insert(
            MFA_LOGIN_PREFIX + login_id,
            {
                "v": 1,
                "secret_hash": hash_secret(secret),
                "email": user.email,
                "password": _digest(user),
                "tries": 0,
                "created_at": now,
                "expires_at": now + LIFETIME,
            },
        )
        await self._tables.apply(USERS, user.id, row)
        return f"lym_{user.id}.{login_id}.{secret}"

    async def find(self, token: str) -> MfaLogin | None:
        """What the token stands for, while it may be tried."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        user_id, login_id, secret = match.groups()
        row = await self._tables.get(USERS, user_id, MFA_LOGIN_PREFIX + login_id)
        if row is None or not hmac.compare_digest(str(row.values["secret_hash"]), hash_secret(secret)) or not self._left(row):
            return None
        return MfaLogin(user_id, row.key, str(row.values["email"]), str(row.values["password"]))

    async def take_try(self, login: MfaLogin) -> bool:
        """Count a try; False when there is none left, or the sign-in has been completed. Raises Busy."""
        return await self._tries.submit(f"{login.user_id} {login.key}", login)

    async def _count(self, _: str, logins: Sequence[MfaLogin]) -> Sequence[bool]:
        login = logins[0]
        for attempt in range(TRIES):
            row = await self._tables.get(USERS, login.user_id, login.key)
            left = self._left(row) if row else 0
            if row is None or not left:
                return [False] * len(logins)
            granted = min(left, len(logins))
            try:
                await self._tables.apply(USERS, login.user_id, Merge(login.key, {"tries": MAX_TRIES - left + granted}, row.etag))
            except (EtagMismatch, Missing):
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
                continue
            return [index < granted for index in range(len(logins))]
        raise Busy("This sign-in is being completed by too many requests at once.")

    def _left(self, row: Row) -> int:
        tries = row.values["tries"]
        assert isinstance(tries, int)
        return 0 if is_expired(row, self._clock.now()) else max(0, MAX_TRIES - tries)


def is_expired(row: Row, now: datetime) -> bool:
    expires_at = row.values["expires_at"]
    return isinstance(expires_at, datetime) and expires_at <= now


def _digest(user: User) -> str:
    return hashlib.sha256(user.password_hash.encode()).hexdigest()
