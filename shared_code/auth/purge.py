"""The nightly purge of what sign-in leaves behind. Safe to run twice."""

from datetime import datetime, timedelta

import structlog

from shared_code.clock import Clock
from shared_code.emails import normalise
from shared_code.storage.daily import drop_expired
from shared_code.storage.ports import Delete, EtagMismatch, Missing, Row, Tables, Where

from . import api_keys, mfa_logins, one_time
from .identities import IDENTITIES, IDENTITY_KEY
from .registration import PENDING
from .tables import EMAIL_KEY, EMAILS, FAILURES_KEY, MFA_LOGIN_PREFIX, SESSION_PREFIX, USER_KEY, USERS, to_session, to_user
from .user_index import UserIndex

log = structlog.get_logger("lydian.auth")

REGISTERING = timedelta(hours=1)
"""An account without an address older than this lost its process before it had one."""
KEYS_KEPT = timedelta(days=30)
"""How long an expired API key stays listed."""


class AuthPurge:
    def __init__(self, tables: Tables, clock: Clock, index: UserIndex) -> None:
        self._tables, self._clock, self._index = tables, clock, index

    async def run(self) -> dict[str, int]:
        counts = {"sessions": 0, "accounts": 0, "keys": 0, "tokens": 0, "mfa_logins": 0, "indexed": 0}
        counts |= {"failures": await self._purge_failures(), "identities": await self._purge_identities()}
        partition = key = None
        while rows := await self._tables.query(USERS, after_partition=partition, after=key, limit=500):
            partition, key = rows[-1].partition, rows[-1].key
            users = []
            for row in rows:
                if row.key.startswith(SESSION_PREFIX) and to_session(row).expires_at <= self._clock.now():
                    counts["sessions"] += await self._remove(row)
                elif row.key.startswith(api_keys.PREFIX) and api_keys.is_expired(row, self._clock.now() - KEYS_KEPT):
                    counts["keys"] += await self._remove(row)
                elif row.key.startswith(one_time.PREFIX) and one_time.is_expired(row, self._clock.now()):
                    counts["tokens"] += await self._remove(row)
                elif row.key.startswith(MFA_LOGIN_PREFIX) and mfa_logins.is_expired(row, self._clock.now()):
                    counts["mfa_logins"] += await self._remove(row)
                elif row.key == IDENTITY_KEY and await self._leads_nowhere(row):
                    counts["identities"] += await self._remove(row)
                elif row.key == USER_KEY and await self._is_cut_off(row):
                    counts["accounts"] += await self._remove(row)
                    self._index.note(row.partition)
                elif row.key == USER_KEY and not to_user(row).deleting:
                    users.append(to_user(row))
            counts["indexed"] += await self._index.repair(users)
        await drop_expired(self._tables, PENDING, self._clock.now(), keep_days=1)
        log.info("purged", **counts)
        return counts

    async def _purge_failures(self) -> int:
        """Remove failed sign-ins that count no more; most are of addresses that nobody has."""
        count = 0
        partition = key = None
        expired = [Where("expires_at", "le", self._clock.now())]
        while rows := await self._tables.query(EMAILS, prefix=FAILURES_KEY, where=expired, after_partition=partition, after=key, limit=500):
            partition, key = rows[-1].partition, rows[-1].key
            for row in rows:
                count += await self._remove(row, EMAILS)
        return count

    async def _is_cut_off(self, row: Row) -> bool:
        user = to_user(row)
        if user.deleting or self._clock.now() - user.created_at < REGISTERING:
            return False  # what is being deleted is ``deletion.py``'s
        if user.provider:  # it has no address here; its identity says whose it is
            return not await self._is_identified(user.id)
        address = await self._tables.get(EMAILS, normalise(user.email), EMAIL_KEY)
        return address is None or address.values["user_id"] != user.id

    async def _is_identified(self, user_id: str) -> bool:
        link = await self._tables.get(USERS, user_id, IDENTITY_KEY)
        identity = await self._tables.get(IDENTITIES, str(link.values["identity"]), IDENTITY_KEY) if link else None
        return identity is not None and identity.values["user_id"] == user_id

    async def _leads_nowhere(self, row: Row) -> bool:
        """Whether an account's link to its identity has lost its account."""
        return self._is_settled(row) and await self._tables.get(USERS, row.partition, USER_KEY) is None

    async def _purge_identities(self) -> int:
        """Remove those whose account was deleted: who comes back with one gets a new account."""
        count = 0
        partition = None
        while rows := await self._tables.query(IDENTITIES, after_partition=partition, limit=500):
            partition = rows[-1].partition
            for row in rows:
                if self._is_settled(row) and await self._tables.get(USERS, str(row.values["user_id"]), USER_KEY) is None:
                    count += await self._remove(row, IDENTITIES)
        return count

    def _is_settled(self, row: Row) -> bool:
        created_at = row.values["created_at"]
        return isinstance(created_at, datetime) and self._clock.now() - created_at >= REGISTERING

    async def _remove(self, row: Row, table: str = USERS) -> bool:
        try:
            await self._tables.apply(table, row.partition, Delete(row.key, row.etag))
        except (EtagMismatch, Missing):
            return False  # used or removed meanwhile
        return True
