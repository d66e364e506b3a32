"""Sessions: made at sign-in, rotated at refresh, ended at sign-out, and checked on every use."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared_code import ids
from shared_code.clock import Clock
from shared_code.errors import Busy, NotFound, Unauthenticated
from shared_code.lookups import Lookups
from shared_code.storage.notices import Notices
from shared_code.storage.ports import Delete, EtagMismatch, Merge, Missing, Operation, Replace, Row, Tables, Value

from . import refresh
from .models import Client, Session, User
from .tables import SESSION_PREFIX, USER_KEY, USERS, session_key, session_values, to_session, to_user

CACHED_FOR = timedelta(seconds=5)
"""A session ended elsewhere is noticed at the latest after this long (SPEC §5)."""
REMEMBERED = 10_000
"""Sessions that a process knows."""
TRIES = 8
BATCH = 95
"""Rows removed at once: a batch holds 100 operations, and the last one the change too."""


class ReuseDetected(Exception):
    """A refresh token was presented again: the session is ended."""

    def __init__(self, session: Session) -> None:
        super().__init__("a refresh token was presented again")
        self.session = session


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes true of an account in the moment in which its sessions end."""

    values: Mapping[str, Value]
    """Properties of the user's row."""
    consumed: Sequence[Delete] = ()
    """Up to four rows that permit it once, with their ETags."""
    removed: Sequence[str] = field(default_factory=tuple)
    """Keys of further rows that go. Some may go a little earlier when there are many."""


ChangeOf = Callable[[User, Sequence[Row]], Change | None]


class Sessions:
    def __init__(self, tables: Tables, clock: Clock, notices: Notices) -> None:
        self._tables, self._clock, self._notices = tables, clock, notices
        self._expiries: Lookups[datetime] = Lookups(clock, kept=CACHED_FOR, size=REMEMBERED, notices=notices)

    def new(self, user_id: str, client: Client) -> tuple[Session, str]:
        """A session that is not stored yet, and its refresh token."""
        now, token_key = self._clock.now(), refresh.new_token_key()
        secret = refresh.new_token_secret(token_key)
        session = Session(
            id=ids.new_id(now),
            user_id=user_id,
            created_at=now,
            last_used_at=now,
            expires_at=now + refresh.LIFETIME,
            user_agent=client.user_agent[:512],
            address=client.address,
            current_hash=refresh.hash_secret(secret),
            token_key=token_key,
        )
        return session, refresh.render(user_id, session.id, secret)

    async def rotate(self, token: str, client: Client) -> tuple[Session, str] | None:
        """The session and the successor of a refresh token; None for one of no live session, or made up.

        Raises ReuseDetected after ending the session. A race of two tabs gives both the same successor.
        """
        presented = refresh.parse(token)
        if presented is None:
            return None
        for _ in range(TRIES):
            row = await self._tables.get(USERS, presented.user_id, session_key(presented.session_id))
            now = self._clock.now()
            session = to_session(row) if row else None
            if session is None or session.expires_at <= now:
                return None
            rotation = refresh.rotate(session, presented, client.user_agent[:512], now)
            if rotation is refresh.Refused.INVALID:
                return None
            if rotation is refresh.Refused.REUSED:
                await self.end(session.user_id, session.id)
                raise ReuseDetected(session)
            rotated, secret = rotation
            successor = refresh.render(session.user_id, session.id, secret)
            if rotated is session:
                return session, successor
            rotated = replace(rotated, address=client.address)
            try:
                await self._tables.apply(USERS, session.user_id, Replace(session_key(session.id), session_values(rotated), session.etag))
            except EtagMismatch:
                continue  # another tab was first: read again, and find its successor
            except Missing:
                return None
            return rotated, successor
        raise Busy("This session is being refreshed by too many requests at once.")

    async def end(self, user_id: str, session_id: str) -> None:
        """End the session; its access tokens stop working here at once, elsewhere within CACHED_FOR."""
        async with self._notices.changing(user_id):
            try:
                await self._tables.apply(USERS, user_id, Delete(session_key(session_id)))
            except Missing:
                pass  # it has ended already
        self._expiries.set(_cache_key(user_id, session_id), None)

    async def end_all(self, user_id: str, *, keep: str | None = None, change: ChangeOf | None = None) -> int:
        """End every session but ``keep``, in one step with ``change``; return how many. Raises Busy, and Missing without a user.

        ``change`` is given the account and all rows of its partition as they are now. It may raise, and is asked again when
        something has changed meanwhile; None says that there is nothing to do (our own try, whose answer was lost, has done it).

        Nobody slips through: whatever inserts a session writes the user's row with its ETag in the same batch. A session that
        is not in our list was thus inserted after we had read that ETag, and the last batch, which names it, fails: all is
        read again. A process that dies before the last batch has ended some sessions and changed nothing. Without ``change``
        there is no such batch: who signs in meanwhile has signed in afterwards.
        """
        ended: set[str] = set()
        for attempt in range(TRIES):
            owner = await self._tables.get(USERS, user_id, USER_KEY)
            if owner is None:
                raise Missing
            rows = await self._rows(user_id, "" if change else SESSION_PREFIX)
            wanted = change(to_user(owner), rows) if change else Change({})
            if wanted is None:
                break
            sessions = [row.key for row in rows if row.key.startswith(SESSION_PREFIX) and (keep is None or row.key != session_key(keep))]
            last: list[Operation] = [Merge(USER_KEY, wanted.values, owner.etag), *wanted.consumed] if change else []
            if await self._remove(user_id, [*sessions, *wanted.removed], last):
                ended.update(sessions)
                break
            ended.update(sessions)  # of those that are there still, the next turn takes care
            await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
        else:
            raise Busy("This account is being changed by too many requests at once.")
        for key in ended:
            self._expiries.set(_cache_key(user_id, ids.inverted(key.removeprefix(SESSION_PREFIX))), None)
        return len(ended)

    async def _remove(self, user_id: str, keys: Sequence[str], last: Sequence[Operation]) -> bool:
        """Delete the rows; the last batch also holds ``last``. False when one was not as it had been read."""
        doomed = [Delete(key) for key in keys]
        try:
            while len(doomed) > BATCH:
                async with self._notices.changing(user_id):
                    await self._tables.batch(USERS, user_id, doomed[:BATCH])
                doomed = doomed[BATCH:]
            if doomed or last:
                async with self._notices.changing(user_id):
                    await self._tables.batch(USERS, user_id, [*doomed, *last])
        except (EtagMismatch, Missing):
            return False
        return True

    async def _rows(self, user_id: str, prefix: str) -> list[Row]:
        found: list[Row] = []
        while rows := await self._tables.query(USERS, user_id, prefix=prefix, after=found[-1].key if found else None, limit=1000):
            found += rows
            if len(rows) < 1000:
                break
        return found

    async def page(self, user_id: str, *, after: str | None, limit: int) -> list[Session]:
        """Up to ``limit`` live sessions, newest first, behind the session id ``after``."""
        key = session_key(after) if after else None
        found: list[Session] = []
        while len(found) < limit and (
            rows := await self._tables.query(USERS, user_id, prefix=SESSION_PREFIX, after=key, limit=limit - len(found))
        ):
            key = rows[-1].key
            found += [session for session in map(to_session, rows) if session.expires_at > self._clock.now()]
        return found

    async def revoke(self, user_id: str, session_id: str) -> None:
        """End one of the user's sessions. Raises NotFound."""
        row = await self._tables.get(USERS, user_id, session_key(session_id)) if ids.is_id(session_id) else None
        if row is None or to_session(row).expires_at <= self._clock.now():
            raise NotFound("There is no such session.", code="session_not_found")
        await self.end(user_id, session_id)

    async def is_live(self, user_id: str, session_id: str) -> bool:
        """Whether the session may be used. No storage call for one that this process knows and of whose account there was no notice."""
        key, now = _cache_key(user_id, session_id), self._clock.now()
        expires_at = await self._expiries.get(key, lambda: self._expiry(user_id, session_id))
        if expires_at is not None and expires_at <= now:
            self._expiries.forget(key)  # a refresh may have prolonged it since
            expires_at = await self._expiries.get(key, lambda: self._expiry(user_id, session_id))
        return expires_at is not None and expires_at > now

    async def _expiry(self, user_id: str, session_id: str) -> datetime | None:
        row = await self._tables.get(USERS, user_id, session_key(session_id))
        return to_session(row).expires_at if row is not None else None


def _cache_key(user_id: str, session_id: str) -> str:
    return f"{user_id}/{session_id}"


def while_live(session_id: str | None) -> list[Operation]:
    """What makes a batch fail (``Missing``) once the session has ended, though this process may not have noticed yet: for
    writes that open a door which would outlive it. Nothing for a caller without a session of ours."""
    return [] if session_id is None else [Merge(session_key(session_id), {"v": 1})]


def session_ended() -> Unauthenticated:
    return Unauthenticated("This session has ended.", code="session_ended")
