"""Registration: how an account comes into being."""

from shared_code import ids
from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.errors import Conflict
from shared_code.rate_limit import RateLimiter, Rule
from shared_code.storage.ports import AlreadyExists, Delete, Insert, Tables

from . import passwords
from .accounts import checked_name
from .emails import cleaned, normalise
from .issuer import Issuer
from .models import Client, Tokens, User
from .sessions import Sessions
from .tables import EMAIL_KEY, EMAILS, USER_KEY, USERS, session_key, session_values, user_values


class Registration:
    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        sessions: Sessions,
        issuer: Issuer,
        audit: Audit,
        limiter: RateLimiter,
        address_rule: Rule | None,
    ) -> None:
        """``address_rule``: how many registrations one network address may try."""
        self._tables, self._clock, self._sessions, self._issuer, self._audit = tables, clock, sessions, issuer, audit
        self._limiter, self._address_rule = limiter, address_rule

    async def register(self, email: str, password: str, name: str | None, client: Client) -> Tokens:
        """A new account, signed in. Raises InvalidInput, RateLimited, or Conflict ``email_taken``."""
        email, name = cleaned(email), checked_name(name)
        passwords.check_rules(password)
        await self._limiter.take("register", client.address, self._address_rule)
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
        return await self._issuer.tokens(user, session, refresh_token)


def _taken() -> Conflict:
    return Conflict("An account with this e-mail address exists already.", code="email_taken")
