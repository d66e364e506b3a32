"""Registration: how an account comes into being. At once, or, where AUTH_REQUIRE_VERIFIED_EMAIL is set, when the link in a
mail is followed. Until then there is a pending registration, a row of the day's table ``registrations<date>``."""

import asyncio
import hmac
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from shared_code import ids
from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.emails import cleaned, normalise
from shared_code.errors import Busy, Conflict, RateLimited
from shared_code.rate_limit import RateLimiter, Rule
from shared_code.storage.daily import table_for
from shared_code.storage.events import Event, Events
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Merge, Missing, Row, Tables, Value

from . import passwords
from .accounts import checked_name
from .devices import fingerprint, name_of
from .issuer import Issuer
from .models import Client, Tokens, User
from .one_time import invalid_link
from .refresh import hash_secret, new_secret
from .sessions import Sessions
from .tables import EMAIL_KEY, EMAILS, USER_KEY, USERS, session_key, session_values, to_user, user_values
from .user_index import UserIndex

log = structlog.get_logger("lydian.auth")

PENDING = "registrations"
PENDING_KEY = "registration"
PENDING_FOR = timedelta(hours=24)
VERIFICATIONS, EVERYBODYS = Rule(5, 3600), Rule(20, 3600)
"""Mails with a link for one address: from one network, and whoever asks for them."""
ASKING = 2.0
"""Seconds that a registration waits at most for the queue to take the request for its mail."""
TRIES = 8

_TOKEN = re.compile(r"([0-9a-z]{26})\.([A-Za-z0-9_-]{43})")


class Registration:
    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        sessions: Sessions,
        issuer: Issuer,
        audit: Audit,
        events: Events,
        limiter: RateLimiter,
        address_rule: Rule | None,
        index: UserIndex,
    ) -> None:
        """``address_rule`` limits registrations from one network address."""
        self._tables, self._clock, self._sessions, self._issuer, self._audit = tables, clock, sessions, issuer, audit
        self._events, self._limiter, self._address_rule, self._index = events, limiter, address_rule, index

    async def register(self, email: str, password: str, name: str | None, client: Client, links: str) -> Tokens:
        """A new account, signed in, and a mail to verify its address; ``links`` is where its link leads.

        Raises InvalidInput, RateLimited, or Conflict ``email_taken``.
        """
        email, name = await self._admitted(email, password, name, client)
        address = normalise(email)
        if await self._tables.get(EMAILS, address, EMAIL_KEY):
            raise _taken()  # before the work of hashing; what decides is the insert below
        now = self._clock.now()
        user = _new_user(ids.new_id(now), email, name, await passwords.hash_password(password), now)
        user = replace(user, devices=(fingerprint(client.user_agent),))
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
        await self._index.add(user)
        await self._audit.record("register", user_id=user.id, address=client.address)
        await self._ask_for_mail({"kind": "verify_email", "id": ids.new_id(now), "user_id": user.id, "links": links, **origin(client)})
        return await self._issuer.tokens(user, session, refresh_token)

    async def request(self, email: str, password: str, name: str | None, client: Client, links: str) -> None:
        """Keep a registration until its link is followed. Whether the address is taken is never looked at here: the work,
        the answer and its time are the same. Raises InvalidInput and RateLimited."""
        email, name = await self._admitted(email, password, name, client)
        now, secret = self._clock.now(), new_secret()
        pending_id = ids.new_id(now)
        values: dict[str, Value] = {
            "v": 1,
            "secret_hash": hash_secret(secret),
            "email": email,
            "name": name,
            "password_hash": await passwords.hash_password(password),
        }
        await self._tables.apply(_table_of(pending_id), pending_id, Insert(PENDING_KEY, values))
        try:
            # Each network has its own share of what an address gets: nobody uses up the owner's by registering it first.
            await self._limiter.take("verify_email", f"{normalise(email)} {client.network}", VERIFICATIONS)
            await self._limiter.take("verify_email", normalise(email), EVERYBODYS)
        except (RateLimited, Busy):
            return  # the answer is the same: how many mails an address gets is its owner's affair
        token = f"{pending_id}.{secret}"
        asked = {"email": email, "token": token, "links": links, **origin(client)}
        await self._events.send("auth", {"kind": "registration", "id": pending_id, **asked})

    async def confirm(self, token: str, client: Client) -> User:
        """The account of a pending registration whose link was followed; the first link of an address wins.

        The account gets the registration's id: whoever repeats this after a crash, or at the same time, makes the same one. Which
        of several clicks has made it is decided by the deletion of the pending row. Raises InvalidRequest ``invalid_token``.
        """
        row = await self._pending(token)
        if row is None:
            raise invalid_link()
        now, values = self._clock.now(), row.values
        email, name = str(values["email"]), values.get("name")
        user = _new_user(row.partition, email, str(name) if name else None, str(values["password_hash"]), now, verified=True)
        if not await self._create(user):
            await self._forget(row)
            raise invalid_link()
        if not await self._forget(row):
            raise invalid_link()
        await self._index.add(user)
        await self._audit.record("register", user_id=user.id, address=client.address)
        await self._audit.record("email_verified", user_id=user.id, address=client.address)
        stored = await self._tables.get(USERS, user.id, USER_KEY)
        return to_user(stored) if stored else user

    async def _create(self, user: User) -> bool:
        """Make the account, or find it made; False when its address is another's."""
        address = normalise(user.email)
        for _ in range(TRIES):
            owner = await self._tables.get(EMAILS, address, EMAIL_KEY)
            if owner is not None:
                return owner.values["user_id"] == user.id
            try:
                await self._tables.apply(USERS, user.id, Insert(USER_KEY, user_values(user)))
            except AlreadyExists:
                # An earlier click died here, or another is at it. The purge, which removes accounts that have had no address
                # for an hour, must see that this one is being made now.
                try:
                    await self._tables.apply(USERS, user.id, Merge(USER_KEY, {"created_at": user.created_at}))
                except Missing:
                    continue
            try:
                await self._tables.apply(EMAILS, address, Insert(EMAIL_KEY, {"v": 1, "user_id": user.id}))
            except AlreadyExists:
                continue  # whose it is, the next turn reads; if not ours, the purge collects the row above
            return True
        raise Busy("This address is being registered by too many requests at once.")

    async def _pending(self, token: str) -> Row | None:
        match = _TOKEN.fullmatch(token)
        if match is None or not ids.is_id(match[1]):
            return None
        now = self._clock.now()
        age = now.timestamp() * 1000 - ids.timestamp_ms(match[1])
        # A minute ahead: another instance's clock. An id that was made up names no table that could be.
        if not -60_000 <= age < PENDING_FOR.total_seconds() * 1000:
            return None
        row = await self._tables.get(_table_of(match[1]), match[1], PENDING_KEY)
        return row if row and hmac.compare_digest(str(row.values["secret_hash"]), hash_secret(match[2])) else None

    async def _forget(self, row: Row) -> bool:
        """Delete the pending row; False when another has."""
        try:
            await self._tables.apply(_table_of(row.partition), row.partition, Delete(row.key, row.etag))
        except (EtagMismatch, Missing):
            return False
        return True

    async def _admitted(self, email: str, password: str, name: str | None, client: Client) -> tuple[str, str | None]:
        email, name = cleaned(email), checked_name(name)
        passwords.check_rules(password)
        await self._limiter.take("register", client.network, self._address_rule)
        return email, name

    async def _ask_for_mail(self, event: Event) -> None:
        """The account stands, whatever becomes of its mail; it can be asked for again."""
        try:
            async with asyncio.timeout(ASKING):
                await self._events.send("auth", event)
        except Exception:
            log.exception("verification_not_asked_for", user_id=event["user_id"])


def origin(client: Client) -> dict[str, str]:
    """What the mail says of where it was asked for, so that its reader knows whether that was they."""
    return {"device": name_of(client.user_agent), "address": client.address}


def _new_user(user_id: str, email: str, name: str | None, password_hash: str, now: datetime, *, verified: bool = False) -> User:
    return User(
        id=user_id,
        email=email,
        name=name,
        role="user",
        email_verified=verified,
        mfa_enabled=False,
        disabled=False,
        password_hash=password_hash,
        created_at=now,
    )


async def withdraw(tables: Tables, user_id: str, now: datetime) -> None:
    """Forget the registration that made an account, if a cut has left it: its link would make the account once more."""
    if now.timestamp() * 1000 - ids.timestamp_ms(user_id) > 2 * PENDING_FOR.total_seconds() * 1000:
        return  # older than any, and its table has been dropped
    try:
        await tables.apply(_table_of(user_id), user_id, Delete(PENDING_KEY))
    except Missing:
        pass


def _table_of(pending_id: str) -> str:
    return table_for(PENDING, datetime.fromtimestamp(ids.timestamp_ms(pending_id) / 1000, UTC))


def _taken() -> Conflict:
    return Conflict("An account with this e-mail address exists already.", code="email_taken")
