"""All users, for administrators: a list, a search, roles, and who may sign in."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from shared_code import ids
from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.errors import Busy, Conflict, InvalidInput, NotFound
from shared_code.mail.ports import Mailer
from shared_code.storage.notices import Notices
from shared_code.storage.ports import Delete, EtagMismatch, Merge, Missing, Row, Tables, Value

from . import factor_mails
from .accounts import Accounts
from .models import Client, Role, User
from .sessions import Change, Sessions
from .tables import MFA_KEY, USER_KEY, USERS
from .user_index import Found, UserIndex

AT_ONCE = 25
"""Users' rows that one page reads at the same time."""
TRIES = 8


@dataclass(frozen=True, slots=True)
class Page:
    """``next`` is where the following page begins; None at the end. A page may be short before the end."""

    users: list[User]
    next: str | None


class Directory:
    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        notices: Notices,
        accounts: Accounts,
        sessions: Sessions,
        index: UserIndex,
        audit: Audit,
        mailer: Mailer,
        on_changed: Callable[[str], None],
    ) -> None:
        """``on_changed``: told here of an account that is disabled or has another role now, where something remembers that."""
        self._tables, self._accounts, self._sessions, self._index, self._audit = tables, accounts, sessions, index, audit
        self._clock, self._notices, self._mailer, self._on_changed = clock, notices, mailer, on_changed

    async def page(self, *, email: str | None, after: str | None, limit: int) -> Page:
        """Accounts newest first; with ``email`` those whose address begins so, by address. One storage call and one for each user."""
        if email is None:
            found = await self._index.newest(after=after, limit=limit + 1)
        else:
            found = await self._index.by_email(email, after=after, limit=limit + 1)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def read(each: Found) -> User | None:
            async with at_once:
                user = await self._accounts.get(each.user_id)
                if user is None:
                    await self._index.forget(each, email)
                return user

        users = await asyncio.gather(*(read(each) for each in found[:limit]))
        return Page([user for user in users if user is not None], found[limit - 1].position if len(found) > limit else None)

    async def change(
        self, actor_id: str, user_id: str, client: Client, *, role: Role | None, disabled: bool | None, without_mfa: bool = False
    ) -> User:
        """Set what is given; the account as it is then. Raises NotFound, Conflict and InvalidInput.

        Whoever is disabled or demoted is signed out in the same step: an access token carries its role for 15 minutes, and
        without its session it is worth nothing, here at once and elsewhere after five seconds. So are API keys.

        ``without_mfa`` removes the second factor, for whoever has lost it with its recovery codes; a mail tells them.
        """
        if role is None and disabled is None and not without_mfa:
            raise InvalidInput("There is nothing to change: role, disabled or mfa_enabled is wanted.", loc=("body",))
        if actor_id == user_id and (disabled or role == "user"):
            raise Conflict("Nobody disables or demotes their own account: ask another administrator.", code="cannot_change_self")
        before = await self._accounts.get(user_id) if ids.is_id(user_id) else None
        if before is None:
            raise _not_found()
        wanted = replace(before, role=role or before.role, disabled=before.disabled if disabled is None else disabled)
        if role is not None and self._accounts.role_of(wanted) != role:
            raise Conflict("This address is on ADMIN_EMAILS, which makes it an administrator.", code="role_is_configured")
        values: dict[str, Value] = {}
        if wanted.role != before.role:
            values["role"] = wanted.role
        if wanted.disabled != before.disabled:
            values["disabled"] = wanted.disabled
        if without_mfa and before.mfa_enabled:
            values["mfa_enabled"] = False
        if values.get("disabled") or values.get("role") == "user":
            await self._end_sessions(user_id, values)
        elif values:
            await self._merge(user_id, values)
        if values:
            self._on_changed(user_id)
        address = client.address
        if "role" in values:
            await self._audit.record("role_changed", user_id=user_id, role=wanted.role, by=actor_id, address=address)
        if "disabled" in values:
            kind = "user_disabled" if wanted.disabled else "user_enabled"
            await self._audit.record(kind, user_id=user_id, by=actor_id, address=address)
        if "mfa_enabled" in values:
            await self._audit.record("mfa_disabled", user_id=user_id, by=actor_id, address=address)
            await self._mailer.send(factor_mails.switched(before, on=False, now=self._clock.now(), client=None))
        return await self._accounts.get(user_id) or wanted

    async def _end_sessions(self, user_id: str, values: dict[str, Value]) -> None:
        def change(user: User, rows: Sequence[Row]) -> Change:
            if user.deleting:
                raise _not_found()
            lost = [Delete(row.key, row.etag) for row in rows if row.key == MFA_KEY and "mfa_enabled" in values]
            return Change(values, consumed=lost)

        try:
            await self._sessions.end_all(user_id, change=change)
        except Missing:
            raise _not_found() from None

    async def _merge(self, user_id: str, values: dict[str, Value]) -> None:
        for _ in range(TRIES):
            user = await self._accounts.get(user_id)
            if user is None:
                raise _not_found()
            factor = await self._tables.get(USERS, user_id, MFA_KEY) if "mfa_enabled" in values else None
            lost = [Delete(MFA_KEY, factor.etag)] if factor else []
            try:
                async with self._notices.changing(user_id):
                    await self._tables.batch(USERS, user_id, [Merge(USER_KEY, values, user.etag), *lost])
                return
            except (EtagMismatch, Missing):
                continue
        raise Busy("This account is being changed by too many requests at once.")


def _not_found() -> NotFound:
    return NotFound("There is no such user.", code="user_not_found")
