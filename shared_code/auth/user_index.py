"""Where all users are: table ``userindex``, one partition with two rows for each account.

A user's own rows are a partition of their own, which can neither be listed newest first nor searched. The rows here only lead
there: what is missing is repaired by the nightly purge, what leads nowhere is removed by whoever meets it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from shared_code import ids
from shared_code.emails import normalise
from shared_code.storage import keys
from shared_code.storage.feeds import Changes
from shared_code.storage.ports import Delete, Missing, Row, Tables, Upsert, Value

from .models import User

log = structlog.get_logger("lydian.auth")

INDEX = "userindex"
PARTITION = "all"
CREATED, EMAIL = "c:", "e:"
ADDING = 2.0
"""Seconds that a registration waits at most for its rows here."""


@dataclass(frozen=True, slots=True)
class Found:
    """``position`` is where a list that ends here goes on."""

    user_id: str
    position: str


class UserIndex:
    def __init__(self, tables: Tables, changes: Changes | None = None) -> None:
        """``changes`` is told of accounts that came or went."""
        self._tables, self._changes = tables, changes

    def note(self, user_id: str) -> None:
        """An account has come or gone."""
        if self._changes is not None:
            self._changes.note(user_id)

    async def add(self, user: User) -> None:
        """List a new account. It stands, whatever becomes of this: the purge adds what is missing."""
        self.note(user.id)
        try:
            async with asyncio.timeout(ADDING):
                await self._write(user)
        except Exception:
            log.exception("user_not_indexed", user_id=user.id)

    async def remove(self, user_id: str, email: str) -> None:
        """Remove both rows of an account; no error when they have gone."""
        self.note(user_id)
        for key in (_created_key(user_id), _email_key(user_id, email)):
            await self._delete(key)

    async def newest(self, *, after: str | None, limit: int) -> list[Found]:
        """Up to ``limit`` accounts, newest first, behind a position. One storage call."""
        return await self._page(CREATED, "", after, limit)

    async def by_email(self, prefix: str, *, after: str | None, limit: int) -> list[Found]:
        """Up to ``limit`` accounts whose address begins so, by address, behind a position. At most one storage call."""
        normal = normalise(prefix)
        try:
            keys.encode(normal)
        except ValueError:
            return []  # longer than any address
        return await self._page(EMAIL, normal, after, limit)

    async def forget(self, found: Found, prefix: str | None) -> None:
        """Remove an entry whose account has gone."""
        await self._delete((CREATED if prefix is None else EMAIL) + found.position)

    async def repair(self, users: Sequence[User]) -> int:
        """Add what is missing of these accounts, which follow each other in order of their ids; return how many were. One call when
        none is."""
        if not users:
            return 0
        # The index runs from the newest: it begins at the last of them. A key's beginning comes before the key.
        first, last = _created_key(users[-1].id)[:-1], _created_key(users[0].id) + "0"
        rows = await self._tables.query(INDEX, PARTITION, after=first, before=last, limit=1000)
        known = {str(row.values["user_id"]) for row in rows}
        missing = [user for user in users if user.id not in known]
        for user in missing:
            await self._write(user)
        return len(missing)

    async def _write(self, user: User) -> None:
        values: dict[str, Value] = {"v": 1, "user_id": user.id}
        await self._tables.batch(INDEX, PARTITION, [Upsert(_created_key(user.id), values), Upsert(_email_key(user.id, user.email), values)])

    async def _page(self, kind: str, prefix: str, after: str | None, limit: int) -> list[Found]:
        behind = None if after is None else kind + after
        rows: list[Row] = await self._tables.query(INDEX, PARTITION, prefix=kind + prefix, after=behind, limit=limit)
        return [Found(str(row.values["user_id"]), row.key.removeprefix(kind)) for row in rows]

    async def _delete(self, key: str) -> None:
        try:
            await self._tables.apply(INDEX, PARTITION, Delete(key))
        except Missing:
            pass


def _created_key(user_id: str) -> str:
    return CREATED + ids.inverted(user_id)


def _email_key(user_id: str, email: str) -> str:
    """Of an address several accounts may have had, or have (of other providers): the id's random part tells them apart. The
    whole id would make the longest keys longer than a cursor may be."""
    return f"{EMAIL}{normalise(email)} {user_id[10:]}"
