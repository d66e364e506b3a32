"""The nightly purge of what sign-in leaves behind. Safe to run twice."""

from datetime import timedelta

import structlog

from shared_code.clock import Clock
from shared_code.storage.ports import Delete, EtagMismatch, Missing, Row, Tables

from .emails import normalise
from .tables import EMAIL_KEY, EMAILS, SESSION_PREFIX, USER_KEY, USERS, to_session, to_user

log = structlog.get_logger("lydian.auth")

REGISTERING = timedelta(hours=1)
"""An account without an address older than this lost its process before it had one."""


class AuthPurge:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def run(self) -> dict[str, int]:
        counts = {"sessions": 0, "accounts": 0}
        partition = key = None
        while rows := await self._tables.query(USERS, after_partition=partition, after=key, limit=500):
            partition, key = rows[-1].partition, rows[-1].key
            for row in rows:
                if row.key.startswith(SESSION_PREFIX) and to_session(row).expires_at <= self._clock.now():
                    counts["sessions"] += await self._remove(row)
                elif row.key == USER_KEY and await self._is_cut_off(row):
                    counts["accounts"] += await self._remove(row)
        log.info("purged", **counts)
        return counts

    async def _is_cut_off(self, row: Row) -> bool:
        user = to_user(row)
        if self._clock.now() - user.created_at < REGISTERING:
            return False
        address = await self._tables.get(EMAILS, normalise(user.email), EMAIL_KEY)
        return address is None or address.values["user_id"] != user.id

    async def _remove(self, row: Row) -> bool:
        try:
            await self._tables.apply(USERS, row.partition, Delete(row.key, row.etag))
        except (EtagMismatch, Missing):
            return False  # used or removed meanwhile
        return True
