"""Deleting an account: begun by its owner, carried through by whoever is there.

Table ``deletions``, partition ``pending``: a row for each account that is on its way out. It comes first and goes last, so that a
process may die between any two writes: a timer goes on with whatever has such a row. In this order:

1. the row, with what later steps must still know once the account's own row is emptied;
2. in one step the account is closed: sessions, keys, second factor and one-time tokens go, its row is marked and emptied;
3. its address may be registered anew, by anyone, as another account; the index and the identity forget it;
4. every service is told, removes what it has and answers. All of this is done in two rounds, the second when nothing that was
   under way while the account was closed can still be: an upload, a grant, a token that was just looked up;
5. what is left of the account goes, then the row.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.emails import normalise
from shared_code.errors import Busy, Forbidden, InvalidInput
from shared_code.storage.events import Events
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Missing, Replace, Row, Tables, Value

from . import registration
from .accounts import Accounts
from .identities import IDENTITIES, IDENTITY_KEY
from .lockout import Lockout
from .models import Client, User
from .ports import Forgetting
from .sessions import Change, Sessions
from .tables import EMAIL_KEY, EMAILS, SESSION_PREFIX, USER_KEY, USERS
from .user_index import UserIndex

log = structlog.get_logger("lydian.auth")

DELETIONS = "deletions"
PENDING = "pending"
ROUNDS = 2
SETTLED = timedelta(minutes=16)
"""How long after an account was closed the last of its requests has ended: a grant to upload directly holds for 15 minutes, a
function runs for 10, and who was looked up just before may come in for 5 seconds."""
ASKED_AGAIN = timedelta(hours=1)
"""A service that has not answered is told again after this long, then after twice as long each time: its message may have been
lost, but its app may also not be running at all, and messages never expire."""
TRIES = 8

# What nobody needs while the account is on its way out. The row stays until the end: its key must not be free for a new one.
_EMPTIED: dict[str, Value] = {
    "deleting": True,
    "disabled": True,
    "email": "",
    "name": "",
    "password_hash": "",
    "role": "user",
    "email_verified": False,
    "mfa_enabled": False,
    "devices": "",
}


@dataclass(frozen=True, slots=True)
class Leaving:
    """``waiting``: the services that have not answered in this round."""

    user_id: str
    email: str
    identity: str
    requested_at: datetime
    waiting: frozenset[str]
    round: int = 1
    closed_at: datetime | None = None
    asked_at: datetime | None = None
    etag: str = ""


class Deletion:
    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        accounts: Accounts,
        sessions: Sessions,
        lockout: Lockout,
        index: UserIndex,
        events: Events,
        audit: Audit,
        trail: Forgetting,
        holders_of: Callable[[str], Awaitable[Iterable[str]]],
        on_closed: Callable[[str], None] = lambda user_id: None,
    ) -> None:
        """``holders_of``: the services that hold data of a user, each of which consumes ``user_deleted``.
        ``on_closed``: told here of an account that is closed now, where something remembers users for seconds."""
        self._tables, self._clock, self._accounts, self._sessions, self._lockout = tables, clock, accounts, sessions, lockout
        self._index, self._events, self._audit, self._trail, self._holders_of = index, events, audit, trail, holders_of
        self._on_closed = on_closed

    async def request(self, user_id: str, password: str | None, client: Client) -> None:
        """Delete the caller's account. When this returns nobody can use it; what it owned goes within about 20 minutes.

        Raises InvalidInput without the password of an account that has one, Forbidden ``wrong_password``, which counts as a
        failed sign-in does, and RateLimited.
        """
        user = await self._accounts.profile(user_id)
        if user.password_hash:
            await self._check(user, password, client)
        link = await self._tables.get(USERS, user_id, IDENTITY_KEY)
        identity = str(link.values["identity"]) if link else ""
        leaving = Leaving(user_id, user.email, identity, self._clock.now(), frozenset(await self._holders_of(user_id)))
        try:
            await self._tables.apply(DELETIONS, PENDING, Insert(user_id, _values(leaving)))
        except AlreadyExists:
            pass  # asked for before, or our own first try: it is carried on
        await self._audit.record("account_deleted", user_id=user_id, address=client.address)
        await self.advance(user_id)

    async def _check(self, user: User, password: str | None, client: Client) -> None:
        if password is None:
            raise InvalidInput("Deleting an account asks for its password.", loc=("body", "password"))
        verdict = await self._lockout.password(user.email, password, client.network)
        if verdict.proof is None or verdict.user is None or verdict.user.id != user.id:
            await self._audit.record("wrong_password", user_id=user.id, where="delete_account", address=client.address)
            raise Forbidden("The password is wrong.", code="wrong_password")
        if verdict.failed:
            await self._lockout.clear(user.email)

    async def run(self) -> int:
        """Go on with every deletion that is not finished; return how many there were. Safe to repeat, and in parallel."""
        count, after = 0, None
        while rows := await self._tables.query(DELETIONS, PENDING, after=after, limit=100):
            after = rows[-1].key
            for row in rows:
                count += 1
                try:
                    await self.advance(row.key)
                except Exception:
                    log.exception("deletion_interrupted", user_id=row.key)  # the others' turn comes all the same
        return count

    async def answered(self, user_id: str, service: str, round: int) -> None:
        """A service has removed what it had; an answer of an earlier round says nothing about this one."""
        for _ in range(TRIES):
            leaving = await self._find(user_id)
            if leaving is None or leaving.round != round or service not in leaving.waiting:
                return
            if await self._save(replace(leaving, waiting=leaving.waiting - {service})):
                await self.advance(user_id)
                return
        raise Busy("This deletion is being continued by too many at once.")

    async def advance(self, user_id: str) -> None:
        """Do what can be done now."""
        for _ in range(TRIES):
            leaving = await self._find(user_id)
            if leaving is None:
                return
            now = self._clock.now()
            if leaving.closed_at is None:
                await self._close(leaving)
                changed = replace(leaving, closed_at=self._clock.now())
            elif leaving.waiting and self._may_ask(leaving, now):
                for service in sorted(leaving.waiting):
                    await self._events.send(service, {"kind": "user_deleted", "user_id": user_id, "round": leaving.round})
                changed = replace(leaving, asked_at=now)
            elif not leaving.waiting and leaving.round == ROUNDS:
                await self._finish(leaving)
                return
            elif not leaving.waiting and now - leaving.closed_at >= SETTLED:
                changed = replace(leaving, round=leaving.round + 1, waiting=frozenset(await self._holders_of(user_id)), asked_at=None)
            else:
                return
            await self._save(changed)  # if somebody else was faster, the next turn sees what is left to do

    @staticmethod
    def _may_ask(leaving: Leaving, now: datetime) -> bool:
        return leaving.asked_at is None or now - leaving.asked_at >= max(ASKED_AGAIN, leaving.asked_at - leaving.requested_at)

    async def _close(self, leaving: Leaving) -> None:
        def change(user: User, rows: Sequence[Row]) -> Change | None:
            others = [row.key for row in rows if row.key != USER_KEY and not row.key.startswith(SESSION_PREFIX)]
            return None if user.deleting else Change(_EMPTIED, removed=others)

        await registration.withdraw(self._tables, leaving.user_id, self._clock.now())
        try:
            await self._sessions.end_all(leaving.user_id, change=change)
        except Missing:
            pass  # it had gone
        await self._free(leaving)
        self._on_closed(leaving.user_id)

    async def _free(self, leaving: Leaving) -> None:
        """Give the address and the identity back, if they are still this account's."""
        owned = [(IDENTITIES, leaving.identity, IDENTITY_KEY)] if leaving.identity else []
        if leaving.email:
            owned.append((EMAILS, normalise(leaving.email), EMAIL_KEY))
        for table, partition, key in owned:
            row = await self._tables.get(table, partition, key)
            if row is not None and row.values["user_id"] == leaving.user_id:
                await self._delete(table, partition, Delete(key, row.etag))
        await self._index.remove(leaving.user_id, leaving.email)

    async def _finish(self, leaving: Leaving) -> None:
        await self._trail.forget(leaving.user_id)
        await self._free(leaving)
        # What was written by somebody who had been let in just before.
        while rows := [row for row in await self._tables.query(USERS, leaving.user_id, limit=100) if row.key != USER_KEY]:
            await asyncio.gather(*(self._delete(USERS, leaving.user_id, Delete(row.key)) for row in rows))
        await self._delete(USERS, leaving.user_id, Delete(USER_KEY))
        await self._delete(DELETIONS, PENDING, Delete(leaving.user_id))
        log.info("account_removed", user_id=leaving.user_id)

    async def _find(self, user_id: str) -> Leaving | None:
        row = await self._tables.get(DELETIONS, PENDING, user_id)
        return _to_leaving(row) if row else None

    async def _save(self, leaving: Leaving) -> bool:
        try:
            await self._tables.apply(DELETIONS, PENDING, Replace(leaving.user_id, _values(leaving), leaving.etag))
        except (EtagMismatch, Missing):
            return False
        return True

    async def _delete(self, table: str, partition: str, operation: Delete) -> None:
        try:
            await self._tables.apply(table, partition, operation)
        except (EtagMismatch, Missing):
            pass  # another was faster, or it has changed hands


def _values(leaving: Leaving) -> dict[str, Value]:
    return {
        "v": 1,
        "email": leaving.email,
        "identity": leaving.identity,
        "requested_at": leaving.requested_at,
        "waiting": " ".join(sorted(leaving.waiting)),
        "round": leaving.round,
        "closed_at": leaving.closed_at,
        "asked_at": leaving.asked_at,
    }


def _to_leaving(row: Row) -> Leaving:
    values = row.values
    requested_at, closed_at, asked_at, round = (values.get(name) for name in ("requested_at", "closed_at", "asked_at", "round"))
    assert isinstance(requested_at, datetime)
    assert isinstance(round, int)
    return Leaving(
        user_id=row.key,
        email=str(values["email"]),
        identity=str(values["identity"]),
        requested_at=requested_at,
        waiting=frozenset(str(values["waiting"]).split()),
        round=round,
        closed_at=closed_at if isinstance(closed_at, datetime) else None,
        asked_at=asked_at if isinstance(asked_at, datetime) else None,
        etag=row.etag,
    )
