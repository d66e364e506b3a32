"""Accounts and sign-in: what may be done, and in which order it is written."""

import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from shared_code import ids
from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.errors import Conflict, InvalidInput, Unauthenticated
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Merge, Missing, Tables

from . import passwords, tokens
from .emails import cleaned, is_address, normalise
from .keys import SigningKey
from .models import Client, Role, Session, Tokens, User
from .sessions import ReuseDetected, Sessions
from .tables import EMAIL_KEY, EMAILS, USER_KEY, USERS, session_key, session_values, to_user, user_values

MAX_NAME = 200

KeyProvider = Callable[[], Awaitable[Sequence[SigningKey]]]


class AuthService:
    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        sessions: Sessions,
        audit: Audit,
        signing_keys: KeyProvider,
        issuer: str,
        audience: str,
        admin_emails: frozenset[str],
        trust_admin_emails: bool,
    ) -> None:
        """``admin_emails`` are normalised; ``trust_admin_emails`` (local runs) makes an unverified address on it count."""
        self._tables, self._clock, self._sessions, self._audit = tables, clock, sessions, audit
        self._signing_keys, self._issuer, self._audience = signing_keys, issuer, audience
        self._admin_emails, self._trust_admin_emails = admin_emails, trust_admin_emails

    async def register(self, email: str, password: str, name: str | None, client: Client) -> Tokens:
        """A new account, signed in. Raises InvalidInput, or Conflict ``email_taken``."""
        email, name = cleaned(email), _checked_name(name)
        passwords.check_rules(password)
        address = normalise(email)
        if await self._tables.get(EMAILS, address, EMAIL_KEY):
            raise _taken()  # before the work of hashing; what decides is the insert below
        now = self._clock.now()
        user = User(
            id=ids.new_id(now),
            email=email,
            name=name,
            role="user",
            email_verified=False,
            mfa_enabled=False,
            disabled=False,
            password_hash=await passwords.hash_password(password),
            created_at=now,
        )
        session, refresh_token = self._sessions.new(user.id, client)
        # The account first and its address last: a process that dies in between leaves an account that nobody can reach,
        # not an address that nobody can take.
        await self._tables.batch(
            USERS, user.id, [Insert(USER_KEY, user_values(user)), Insert(session_key(session.id), session_values(session))]
        )
        try:
            await self._tables.apply(EMAILS, address, Insert(EMAIL_KEY, {"v": 1, "user_id": user.id}))
        except AlreadyExists:
            # A write that was repeated after a lost answer meets itself (storage/ports.py).
            present = await self._tables.get(EMAILS, address, EMAIL_KEY)
            if present is None or present.values["user_id"] != user.id:
                await self._tables.batch(USERS, user.id, [Delete(USER_KEY), Delete(session_key(session.id))])
                raise _taken() from None
        await self._audit.record("register", user_id=user.id, address=client.address)
        return await self._tokens(user, session, refresh_token)

    async def login(self, email: str, password: str, client: Client) -> Tokens:
        """Sign in. An unknown address and a wrong password are one error and the same work: two reads and one Argon2."""
        # What is no address is nobody's, and costs the same as an address that is nobody's.
        address = normalise(email) if is_address(email) else "-"
        found = await self._tables.get(EMAILS, address, EMAIL_KEY)
        row = await self._tables.get(USERS, str(found.values["user_id"]) if found else "nobody", USER_KEY)
        user = to_user(row) if row else None
        right = await passwords.verify_password(password, user.password_hash if user else None)
        if user is None or not right or user.disabled:
            await self._audit.record("sign_in_failed", user_id=user.id if user else None, address=client.address)
            raise Unauthenticated("The e-mail address or the password is wrong.", code="invalid_credentials")
        if passwords.needs_rehash(user.password_hash):
            await self._rehash(user, password)
        session, refresh_token = await self._sessions.start(user.id, client)
        await self._audit.record("sign_in", user_id=user.id, session_id=session.id, address=client.address)
        return await self._tokens(user, session, refresh_token)

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
        user = await self._user(session.user_id)
        if user is None or user.disabled:
            await self._sessions.end(session.user_id, session.id)
            raise _invalid_refresh()
        return await self._tokens(user, session, successor)

    async def logout(self, user_id: str, session_id: str) -> None:
        await self._sessions.end(user_id, session_id)
        await self._audit.record("sign_out", user_id=user_id, session_id=session_id)

    async def profile(self, user_id: str) -> User:
        user = await self._user(user_id)
        if user is None:
            raise _no_account()
        return user

    async def rename(self, user_id: str, name: str | None) -> User:
        user = replace(await self.profile(user_id), name=_checked_name(name))
        # An empty text, since a merge leaves out what is None.
        try:
            await self._tables.apply(USERS, user_id, Merge(USER_KEY, {"name": user.name or ""}))
        except Missing:
            raise _no_account() from None
        return user

    def role_of(self, user: User) -> Role:
        """``admin`` by its own row, or by a verified address on ADMIN_EMAILS."""
        listed = normalise(user.email) in self._admin_emails
        return "admin" if user.role == "admin" or (listed and (user.email_verified or self._trust_admin_emails)) else "user"

    async def _user(self, user_id: str) -> User | None:
        row = await self._tables.get(USERS, user_id, USER_KEY)
        return to_user(row) if row else None

    async def _rehash(self, user: User, password: str) -> None:
        row = await self._tables.get(USERS, user.id, USER_KEY)
        if row is None or row.values["password_hash"] != user.password_hash:
            return
        try:
            digest = await passwords.hash_password(password)
            await self._tables.apply(USERS, user.id, Merge(USER_KEY, {"password_hash": digest}, row.etag))
        except (EtagMismatch, Missing):
            pass  # changed meanwhile; the next sign-in tries again

    async def _tokens(self, user: User, session: Session, refresh_token: str) -> Tokens:
        role = self.role_of(user)
        access_token = tokens.sign(
            (await self._signing_keys())[0],
            issuer=self._issuer,
            audience=self._audience,
            user_id=user.id,
            session_id=session.id,
            role=role,
            now=self._clock.now(),
        )
        return Tokens(user, role, access_token, refresh_token, int(tokens.LIFETIME.total_seconds()))


def _checked_name(name: str | None) -> str | None:
    name = (name or "").strip()
    if len(name) > MAX_NAME or any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise InvalidInput(
            f"A name has at most {MAX_NAME} characters and no control characters.", loc=("body", "name"), code="invalid_name"
        )
    return name or None


def _no_account() -> Unauthenticated:
    return Unauthenticated("This account does not exist any more.", code="invalid_token")


def _taken() -> Conflict:
    return Conflict("An account with this e-mail address exists already.", code="email_taken")


def _invalid_refresh() -> Unauthenticated:
    return Unauthenticated("The refresh token is not valid any more.", code="invalid_refresh_token")
