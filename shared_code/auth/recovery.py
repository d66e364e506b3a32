"""Verified addresses, forgotten passwords and changed ones."""

from collections.abc import Sequence

import structlog

from shared_code import ids
from shared_code.audit.ports import Audit
from shared_code.clock import Clock, rfc3339
from shared_code.emails import is_address, normalise
from shared_code.errors import Busy, Conflict, Forbidden, RateLimited
from shared_code.mail.ports import Mail, Mailer
from shared_code.rate_limit import RateLimiter, Rule
from shared_code.storage.events import Events
from shared_code.storage.notices import Notices
from shared_code.storage.ports import Delete, EtagMismatch, Merge, Missing, Row, Tables, Value

from . import api_keys, devices, passwords
from .accounts import Accounts, no_account
from .models import Client, User
from .one_time import OneTimeTokens, invalid_link, prefix_of
from .registration import VERIFICATIONS, Registration, origin
from .sessions import Change, Sessions
from .tables import EMAILS, FAILURES_KEY, MFA_KEY, USER_KEY, USERS

log = structlog.get_logger("lydian.auth")

RESETS = Rule(5, 3600)
"""Mails with a reset link for one address, whoever asks for them."""
TRIES = 8


class _Moved(Exception):
    """The password is not the one that was checked any more."""


class Recovery:
    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        notices: Notices,
        accounts: Accounts,
        registration: Registration,
        sessions: Sessions,
        one_time: OneTimeTokens,
        events: Events,
        mailer: Mailer,
        audit: Audit,
        limiter: RateLimiter,
        address_rule: Rule | None,
        password_rule: Rule | None,
    ) -> None:
        """``address_rule``: what one network address may ask for; ``password_rule``: wrong current passwords of one account."""
        self._tables, self._clock, self._notices, self._accounts, self._registration = tables, clock, notices, accounts, registration
        self._sessions, self._one_time, self._events, self._mailer, self._audit = sessions, one_time, events, mailer, audit
        self._limiter, self._address_rule, self._password_rule = limiter, address_rule, password_rule

    async def request_verification(self, links: str, client: Client, *, user_id: str | None = None, email: str = "") -> None:
        """Ask for a mail with a link, for the caller's own account or for that of an address; it says nothing of either."""
        if user_id is not None:
            email = (await self._accounts.profile(user_id)).email
        if await self._may_mail("verify_email", email, VERIFICATIONS, client):
            event_id = ids.new_id(self._clock.now())
            asked = {"user_id": user_id, "email": email, "links": links, **origin(client)}
            await self._events.send("auth", {"kind": "verify_email", "id": event_id, **asked})

    async def verify(self, token: str, client: Client) -> User:
        """The account whose address is verified now, or which a registration's link has made. Raises ``invalid_token``."""
        row = await self._one_time.find(token, "verify")
        if row is None:
            return await self._registration.confirm(token, client)
        try:
            async with self._notices.changing(row.partition):  # the address may be an administrator's
                await self._tables.batch(USERS, row.partition, [Merge(USER_KEY, {"email_verified": True}), Delete(row.key, row.etag)])
        except (EtagMismatch, Missing):
            raise invalid_link() from None
        await self._audit.record("email_verified", user_id=row.partition, address=client.address)
        return await self._accounts.profile(row.partition)

    async def request_reset(self, email: str, links: str, client: Client) -> None:
        """Ask for a mail with a link. Whether the address has an account is looked up behind the queue, not here."""
        if await self._may_mail("forgot_password", email, RESETS, client):
            event_id = ids.new_id(self._clock.now())
            await self._events.send(
                "auth", {"kind": "forgot_password", "id": event_id, "email": email, "links": links, "address": client.address}
            )

    async def reset(self, token: str, password: str, client: Client) -> None:
        """Set a new password by a link; every session and every other link end with it. The mail has proved the address.

        Where the password was never set by whoever has the mailbox, somebody else may have made the account and left doors open:
        its API keys go too, and its second factor unless the address was verified since, for then it may well be the owner's
        (an administrator can remove it). Raises InvalidInput, InvalidRequest ``invalid_token`` and Busy.
        """
        passwords.check_rules(password)
        found = await self._one_time.find(token, "reset")
        if found is None:
            raise invalid_link()
        digest = await passwords.hash_password(password)

        def change(user: User, rows: Sequence[Row]) -> Change | None:
            if user.password_hash == digest:
                return None  # ours: no two hashes have one salt
            row = next((row for row in rows if row.key == found.key), None)
            if row is None or user.disabled:
                raise invalid_link()
            values: dict[str, Value] = {"password_hash": digest, "email_verified": True, "password_proved": True}
            removed = [key for key in _links(rows) if key != row.key]
            if not user.password_proved:
                removed += [each.key for each in rows if each.key.startswith(api_keys.PREFIX)]
            if not user.email_verified:
                values["mfa_enabled"] = False
                removed += [each.key for each in rows if each.key == MFA_KEY]
            return Change(values, consumed=[Delete(row.key, row.etag)], removed=removed)

        try:
            ended = await self._sessions.end_all(found.partition, change=change)
        except Missing:
            raise invalid_link() from None
        await self._audit.record("password_reset", user_id=found.partition, sessions_ended=ended, address=client.address)
        user = await self._tell(found.partition, client)
        if user is not None:
            await self._forgive(user.email)

    async def change(self, user_id: str, session_id: str | None, current: str, new: str, client: Client) -> None:
        """Set a new password; every session but this one and every reset link end with it.

        Raises InvalidInput, Conflict ``no_password``, Forbidden ``wrong_password``, RateLimited after too many wrong ones, and Busy.
        """
        passwords.check_rules(new, "new_password")
        user = await self._accounts.profile(user_id)
        if not user.password_hash:
            raise Conflict("This account signs in elsewhere and has no password here.", code="no_password")
        # Taken before the password is looked at, and given back by the right one: guesses sent at once are counted too.
        await self._limiter.take("change_password", user_id, self._password_rule)
        digest = await passwords.hash_password(new)
        for _ in range(TRIES):
            checked = user.password_hash
            if not await passwords.verify_password(current, checked):
                await self._audit.record("wrong_password", user_id=user_id, where="change_password", address=client.address)
                raise Forbidden("The current password is wrong.", code="wrong_password")

            def change(user: User, rows: Sequence[Row], checked: str = checked) -> Change | None:
                if user.password_hash == digest:
                    return None
                if user.password_hash != checked:
                    raise _Moved
                return Change({"password_hash": digest}, removed=_links(rows))

            try:
                ended = await self._sessions.end_all(user_id, keep=session_id, change=change)
                break
            except _Moved:
                user = await self._accounts.profile(user_id)  # changed, or only hashed anew by a sign-in: the check decides
            except Missing:
                raise no_account() from None
        else:
            raise Busy("This password is being changed by too many requests at once.")
        if self._password_rule is not None:
            await self._limiter.clear("change_password", user_id)
        await self._audit.record("password_changed", user_id=user_id, sessions_ended=ended, address=client.address)
        await self._tell(user_id, client)

    async def _tell(self, user_id: str, client: Client) -> User | None:
        """The owner learns of it by mail, in case it was somebody else."""
        user = await self._accounts.get(user_id)
        if user is not None:
            values = {"address": client.address, "device": devices.name_of(client.user_agent), "time": rfc3339(self._clock.now())}
            await self._mailer.send(Mail(user.email, "password_changed", values, name=user.greeting))
        return user

    async def _forgive(self, email: str) -> None:
        """Guesses at the forgotten password lock the owner of the new one out no longer."""
        try:
            await self._tables.apply(EMAILS, normalise(email), Delete(FAILURES_KEY))
        except Missing:
            pass  # nobody has guessed

    async def _may_mail(self, kind: str, email: str, rule: Rule, client: Client) -> bool:
        """Whether this may lead to a mail. What is refused is refused in silence: an answer would tell of others' requests."""
        if not is_address(email):
            return False
        try:
            await self._limiter.take("mail_client", client.network, self._address_rule)
            await self._limiter.take(kind, normalise(email), rule)
        except (RateLimited, Busy) as error:
            log.info("mail_not_asked_for", kind=kind, reason=error.code, address=client.address)
            return False
        return True


def _links(rows: Sequence[Row]) -> list[str]:
    return [row.key for row in rows if row.key.startswith(prefix_of("reset"))]
