"""Accounts of people who sign in elsewhere: whose account a subject of another issuer is.

Table ``identities``, one row for each subject; its insert decides. The account has a row ``identity`` that leads back.
Deleting an account gives its identity back (``deletion.py``). One whose account has gone otherwise stays closed until the purge
removes the row.
"""

from shared_code import ids
from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.emails import is_address
from shared_code.storage.ports import AlreadyExists, Delete, Insert, Missing, Tables

from .models import User
from .tables import USER_KEY, USERS, user_values
from .user_index import UserIndex

IDENTITIES = "identities"
IDENTITY_KEY = "identity"
"""The row's key in both tables: the subject's own partition, and the user's."""


class Identities:
    def __init__(self, tables: Tables, clock: Clock, audit: Audit, index: UserIndex | None = None) -> None:
        self._tables, self._clock, self._audit, self._index = tables, clock, audit, index or UserIndex(tables)

    async def user_id(self, provider: str, subject: str, email: str) -> str:
        """Whose account it is; at first sight a new one is made. It is never joined to one that has the same address: who
        controls an address over there need not be who has it here."""
        identity = f"{provider}:{subject}"
        return await self._find(identity) or await self._create(provider, identity, email)

    async def _find(self, identity: str) -> str | None:
        row = await self._tables.get(IDENTITIES, identity, IDENTITY_KEY)
        return str(row.values["user_id"]) if row else None

    async def _create(self, provider: str, identity: str, email: str) -> str:
        now = self._clock.now()
        user = User(
            id=ids.new_id(now),
            email=email.strip() if is_address(email) else "",
            name=None,
            role="user",
            email_verified=False,
            mfa_enabled=False,
            disabled=False,
            password_hash="",
            created_at=now,
            provider=provider,
        )
        # The account first: a process that dies in between leaves one that nobody can reach, which the purge collects.
        rows = [Insert(USER_KEY, user_values(user)), Insert(IDENTITY_KEY, {"v": 1, "identity": identity, "created_at": now})]
        try:
            await self._tables.batch(USERS, user.id, rows)
        except AlreadyExists:
            pass  # a write that was repeated after a lost answer met itself: the id is new
        try:
            await self._tables.apply(IDENTITIES, identity, Insert(IDENTITY_KEY, {"v": 1, "user_id": user.id, "created_at": now}))
        except AlreadyExists:
            first = await self._find(identity)
            if first is not None and first != user.id:
                await self._withdraw(user.id)
                return first
        await self._index.add(user)
        await self._audit.record("register", user_id=user.id, provider=provider)
        return user.id

    async def _withdraw(self, user_id: str) -> None:
        try:
            await self._tables.batch(USERS, user_id, [Delete(USER_KEY), Delete(IDENTITY_KEY)])
        except Missing:
            pass
