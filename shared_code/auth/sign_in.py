"""Signing in, staying signed in, signing out."""

import asyncio
from dataclasses import replace

import structlog

from shared_code.audit.ports import Audit
from shared_code.clock import Clock, rfc3339
from shared_code.errors import Busy, Forbidden, Unauthenticated
from shared_code.storage.events import Events
from shared_code.storage.ports import Delete, EtagMismatch, Merge, Missing, Operation, Tables

from . import devices, mfa_logins, passwords
from .accounts import Accounts
from .issuer import Issuer
from .lockout import Lockout, Verdict
from .mfa import Mfa, Used
from .mfa_logins import MfaLogins
from .models import Client, Tokens, User
from .session_starts import Changed, Lost, SessionStarts
from .sessions import ReuseDetected, Sessions
from .tables import USER_KEY, USERS

log = structlog.get_logger("lydian.auth")

TRIES = 4
"""How often a sign-in is decided again because the account has changed meanwhile."""
TELLING = 2.0
"""Seconds that a sign-in waits at most for the queue to take the notice of a new device."""


class SignIn:
    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        accounts: Accounts,
        sessions: Sessions,
        starts: SessionStarts,
        issuer: Issuer,
        audit: Audit,
        events: Events,
        lockout: Lockout,
        mfa: Mfa,
        mfa_logins: MfaLogins,
        require_verified: bool,
    ) -> None:
        """``require_verified``: an account whose address is not verified cannot sign in."""
        self._tables, self._clock, self._accounts, self._sessions, self._starts = tables, clock, accounts, sessions, starts
        self._issuer, self._audit, self._events, self._lockout = issuer, audit, events, lockout
        self._mfa, self._mfa_logins, self._require_verified = mfa, mfa_logins, require_verified

    async def login(self, email: str, password: str, client: Client) -> Tokens:
        """Sign in. An unknown address, a wrong password and a disabled account are one error and the same work.

        Raises Unauthenticated (``mfa_required`` with an ``mfa_token`` when a code is wanted too), Forbidden
        ``email_not_verified``, and RateLimited before any hashing. Five storage calls; six where the device is new.
        """
        verdict = await self._judge(email, password, client)
        for _ in range(TRIES):
            user = verdict.user
            assert user is not None  # nothing is proved of nobody
            if passwords.needs_rehash(user.password_hash):
                user = await self._rehash(user, password)
            if user.mfa_enabled:
                raise await self._mfa_required(user)
            try:
                return await self._complete(user, client, failed=verdict.failed)
            except Changed as change:
                if change.user is None or change.user.disabled or change.user.password_hash != user.password_hash:
                    verdict = await self._judge(email, password, client)
                else:
                    verdict = replace(verdict, user=change.user)
        raise Busy("This account is being changed by too many requests at once.")

    async def login_mfa(self, token: str, code: str, client: Client) -> Tokens:
        """The second step, with a code of the app or a recovery code.

        Raises Unauthenticated, ``invalid_code`` or, when the token is used up, expired or made up, ``invalid_mfa_token``;
        RateLimited while the account is locked, to which wrong codes contribute.
        """
        login = await self._mfa_logins.find(token)
        if login is None:
            raise _invalid_mfa_token()

        async def verify(user: User | None) -> Used | None:
            if user is None or not login.belongs_to(user) or user.disabled or not await self._mfa_logins.take_try(login):
                raise _invalid_mfa_token()
            return await self._mfa.check(user, code)

        verdict = await self._lockout.attempt(login.email, client.network, verify)
        user, used = verdict.user, verdict.proof
        for _ in range(TRIES):
            if user is None or not login.belongs_to(user) or user.disabled:
                raise _invalid_mfa_token()
            if used is None:
                await self._audit.record("mfa_failed", user_id=user.id, address=client.address)
                raise Unauthenticated("The code is wrong, of another time, or used already.", code="invalid_code")
            try:
                tokens = await self._complete(user, client, used.operation, login.consume, failed=verdict.failed)
            except Changed as change:
                user = change.user
            except Lost as lost:
                if isinstance(lost.operation, Delete):
                    raise _invalid_mfa_token() from None
                used = await self._mfa.check(user, code)
            else:
                if used.recovery_left is not None:
                    await self._audit.record("recovery_code_used", user_id=user.id, left=used.recovery_left)
                return tokens
        raise Busy("This account is being changed by too many requests at once.")

    async def refresh(self, token: str, client: Client) -> Tokens:
        """The next pair of tokens. Raises Unauthenticated; a reused token has by then ended its session."""
        try:
            rotation = await self._sessions.rotate(token, client)
        except ReuseDetected as reuse:
            ended = reuse.session
            await self._audit.record("refresh_token_reused", user_id=ended.user_id, session_id=ended.id, address=client.address)
            rotation = None
        if rotation is None:
            raise _invalid_refresh()
        session, successor = rotation
        user = await self._accounts.get(session.user_id)
        if user is None or user.disabled:
            await self._sessions.end(session.user_id, session.id)
            raise _invalid_refresh()
        return await self._issuer.tokens(user, session, successor)

    async def logout(self, user_id: str, session_id: str, client: Client) -> None:
        await self._sessions.end(user_id, session_id)
        await self._audit.record("sign_out", user_id=user_id, session_id=session_id, address=client.address)

    async def _judge(self, email: str, password: str, client: Client) -> Verdict:
        verdict = await self._lockout.password(email, password, client.network)
        if verdict.proof is None:
            await self._audit.record("sign_in_failed", user_id=verdict.user.id if verdict.user else None, address=client.address)
            raise Unauthenticated("The e-mail address or the password is wrong.", code="invalid_credentials")
        return verdict

    async def _mfa_required(self, user: User) -> Unauthenticated:
        """The failures stay counted: half a sign-in is none."""
        extra = {"mfa_token": await self._mfa_logins.start(user), "expires_in": int(mfa_logins.LIFETIME.total_seconds())}
        return Unauthenticated("This account also needs a code.", code="mfa_required", extra=extra)

    async def _complete(self, user: User, client: Client, *uses: Operation, failed: bool) -> Tokens:
        if self._require_verified and not self._accounts.counts_as_verified(user):
            await self._audit.record("sign_in_failed", user_id=user.id, address=client.address, reason="email_not_verified")
            raise Forbidden("The e-mail address of this account must be verified first.", code="email_not_verified")
        if failed:
            await self._lockout.clear(user.email)
        started = await self._starts.start(user, client, *uses)
        session = started.session
        await self._audit.record("sign_in", user_id=user.id, session_id=session.id, address=client.address, mfa=bool(uses))
        if started.new_device:
            await self._tell(user, session.id, client)
        return await self._issuer.tokens(user, session, started.refresh_token)

    async def _tell(self, user: User, session_id: str, client: Client) -> None:
        """Have the owner told of a device that the account has not seen. The sign-in has succeeded, whatever becomes of that."""
        device, at = devices.name_of(client.user_agent), rfc3339(self._clock.now())
        event = {"kind": "new_device", "user_id": user.id, "session_id": session_id, "device": device, "address": client.address, "at": at}
        try:
            async with asyncio.timeout(TELLING):
                await self._events.send("auth", event)
        except Exception:
            log.exception("new_device_not_told", user_id=user.id, session_id=session_id)

    async def _rehash(self, user: User, password: str) -> User:
        """The account under today's parameters, if it has not changed since it was read."""
        try:
            digest = await passwords.hash_password(password)
            etag = await self._tables.apply(USERS, user.id, Merge(USER_KEY, {"password_hash": digest}, user.etag))
        except (EtagMismatch, Missing):
            return user  # the next sign-in tries again
        return replace(user, password_hash=digest, etag=etag)


def _invalid_refresh() -> Unauthenticated:
    return Unauthenticated("The refresh token is not valid any more.", code="invalid_refresh_token")


def _invalid_mfa_token() -> Unauthenticated:
    return Unauthenticated("This sign-in is not waiting for a code any more: begin again.", code="invalid_mfa_token")
