"""Signing in, staying signed in, signing out."""

from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.errors import Unauthenticated
from shared_code.storage.ports import EtagMismatch, Merge, Missing, Tables

from . import passwords
from .accounts import Accounts
from .issuer import Issuer
from .models import Client, Tokens, User
from .sessions import ReuseDetected, Sessions
from .tables import USER_KEY, USERS


class SignIn:
    def __init__(self, *, tables: Tables, clock: Clock, accounts: Accounts, sessions: Sessions, issuer: Issuer, audit: Audit) -> None:
        self._tables, self._clock, self._accounts, self._sessions = tables, clock, accounts, sessions
        self._issuer, self._audit = issuer, audit

    async def login(self, email: str, password: str, client: Client) -> Tokens:
        """Sign in. An unknown address and a wrong password are one error and the same work: two reads and one Argon2."""
        user = await self._accounts.find(email)
        right = await passwords.verify_password(password, user.password_hash if user else None)
        if user is None or not right or user.disabled:
            await self._audit.record("sign_in_failed", user_id=user.id if user else None, address=client.address)
            raise Unauthenticated("The e-mail address or the password is wrong.", code="invalid_credentials")
        if passwords.needs_rehash(user.password_hash):
            await self._rehash(user, password)
        session, refresh_token = await self._sessions.start(user.id, client)
        await self._audit.record("sign_in", user_id=user.id, session_id=session.id, address=client.address)
        return await self._issuer.tokens(user, session, refresh_token)

    async def refresh(self, token: str, client: Client) -> Tokens:
        """The next pair of tokens. Raises Unauthenticated; a reused token has by then ended its session."""
        try:
            rotation = await self._sessions.rotate(token, client)
        except ReuseDetected:
            await self._audit.record("refresh_token_reused", user_id=None, address=client.address)
            rotation = None
        if rotation is None:
            raise _invalid_refresh()
        session, successor = rotation
        user = await self._accounts.get(session.user_id)
        if user is None or user.disabled:
            await self._sessions.end(session.user_id, session.id)
            raise _invalid_refresh()
        return await self._issuer.tokens(user, session, successor)

    async def logout(self, user_id: str, session_id: str) -> None:
        await self._sessions.end(user_id, session_id)
        await self._audit.record("sign_out", user_id=user_id, session_id=session_id)

    async def _rehash(self, user: User, password: str) -> None:
        current = await self._accounts.get(user.id)
        if current is None or current.password_hash != user.password_hash:
            return
        try:
            digest = await passwords.hash_password(password)
            await self._tables.apply(USERS, user.id, Merge(USER_KEY, {"password_hash": digest}, current.etag))
        except (EtagMismatch, Missing):
            pass  # changed meanwhile; the next sign-in tries again


def _invalid_refresh() -> Unauthenticated:
    return Unauthenticated("The refresh token is not valid any more.", code="invalid_refresh_token")
