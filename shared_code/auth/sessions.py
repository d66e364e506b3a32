"""Sessions: made at sign-in, rotated at refresh, ended at sign-out, and checked on every use."""

import asyncio
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime, timedelta

from shared_code import ids
from shared_code.clock import Clock
from shared_code.errors import Busy
from shared_code.storage.ports import Delete, EtagMismatch, Insert, Missing, Replace, Tables

from . import refresh
from .models import Client, Session
from .tables import USERS, session_key, session_values, to_session

CACHED_FOR = timedelta(seconds=5)
"""A session ended elsewhere is noticed at the latest after this long (SPEC §5)."""
REMEMBERED = 10_000
TRIES = 8


class ReuseDetected(Exception):
    """A refresh token was presented again: the session is ended."""


class Sessions:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock
        self._cache: OrderedDict[str, tuple[bool, datetime]] = OrderedDict()
        self._checks: dict[str, asyncio.Task[bool]] = {}

    def new(self, user_id: str, client: Client) -> tuple[Session, str]:
        """A session that is not stored yet, and its refresh token."""
        now, secret = self._clock.now(), refresh.new_secret()
        session = Session(
            id=ids.new_id(now),
            user_id=user_id,
            created_at=now,
            last_used_at=now,
            expires_at=now + refresh.LIFETIME,
            user_agent=client.user_agent[:512],
            address=client.address,
            current_hash=refresh.hash_secret(secret),
        )
        return session, refresh.render(user_id, session.id, secret)

    async def start(self, user_id: str, client: Client) -> tuple[Session, str]:
        session, token = self.new(user_id, client)
        await self._tables.apply(USERS, user_id, Insert(session_key(session.id), session_values(session)))
        return session, token

    async def rotate(self, token: str, client: Client) -> tuple[Session, str] | None:
        """The session and the successor of a refresh token; None for a token of no live session.

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
            if rotation is None:
                await self.end(session.user_id, session.id)
                raise ReuseDetected
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
        try:
            await self._tables.apply(USERS, user_id, Delete(session_key(session_id)))
        except Missing:
            pass  # it has ended already
        self._remember(session_id, False)

    async def is_live(self, user_id: str, session_id: str) -> bool:
        """Whether the session may be used: asked of storage at most once in CACHED_FOR by this process."""
        known = self._cache.get(session_id)
        if known is not None and known[1] > self._clock.now():
            return known[0]
        check = self._checks.get(session_id)
        if check is None:  # many requests of one page load wait for one look
            check = asyncio.ensure_future(self._look(user_id, session_id))
            self._checks[session_id] = check
            check.add_done_callback(lambda _: self._checks.pop(session_id, None))
        return await asyncio.shield(check)

    async def _look(self, user_id: str, session_id: str) -> bool:
        before = self._cache.get(session_id)
        row = await self._tables.get(USERS, user_id, session_key(session_id))
        live = row is not None and to_session(row).expires_at > self._clock.now()
        meanwhile = self._cache.get(session_id)
        if meanwhile is not before and meanwhile is not None:
            return meanwhile[0]  # it was ended while we looked
        self._remember(session_id, live)
        return live

    def _remember(self, session_id: str, live: bool) -> None:
        self._cache[session_id] = (live, self._clock.now() + CACHED_FOR)
        self._cache.move_to_end(session_id)
        if len(self._cache) > REMEMBERED:
            self._cache.popitem(last=False)
