"""API keys: made, listed and revoked by their owner, and checked on every use. Their text is ``key_text.py``'s.

One row in its user's partition is a key: ``key:<SHA-256 of the secret>``. Deleting it revokes the key, deleting all rows
with that prefix revokes a user's. No secret is compared with another: one is found by its hash or not at all.
"""

import asyncio
import json
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from shared_code import ids
from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from shared_code.lookups import Lookups
from shared_code.quick_limit import QuickLimiter
from shared_code.rate_limit import Rule
from shared_code.storage.notices import Notices
from shared_code.storage.ports import AlreadyExists, Delete, Insert, Merge, Missing, Row, Tables, Value

from . import key_text
from .accounts import Accounts
from .key_text import KeyText
from .models import Client, Role
from .sessions import session_ended, while_live
from .tables import USERS

log = structlog.get_logger("lydian.auth")

PREFIX = "key:"
MAX_KEYS = 100
MAX_NAME = 100
SCOPES = ("ai", "chat", "files", "payments", "monitoring")
CACHED_FOR = timedelta(seconds=5)
"""A key that was revoked on another instance, or whose user was disabled there, is noticed at the latest after this long."""
REMEMBERED = 10_000
USE_NOTED = timedelta(minutes=1)
"""``last_used_at`` is written at most this often."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.A)


AiLimits = Mapping[str, int | list[str] | None]
"""What the gateway is to limit the key to, kept here as it is handed on: ``monthly_micro`` (micro-dollars), ``models``,
``requests_per_minute``, ``tokens_per_minute``."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    id: str
    name: str
    scopes: tuple[str, ...]
    hint: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    row_key: str
    ai: AiLimits | None = None


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whom a usable key stands for."""

    user_id: str
    role: Role
    key_id: str
    scopes: frozenset[str]
    expires_at: datetime | None
    ai: AiLimits | None = None
    row_key: str = ""
    last_used_at: datetime | None = None
    """As it was when the key was looked up."""


class ApiKeys:
    note_after = 1.0
    """Seconds from a key's use to its note, so that the note is written behind the request and not beside it."""

    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        notices: Notices,
        accounts: Accounts,
        audit: Audit,
        limiter: QuickLimiter,
        rate: Rule | None,
    ) -> None:
        self._tables, self._clock, self._accounts, self._audit = tables, clock, accounts, audit
        self._limiter, self._rate, self._notices = limiter, rate, notices
        self._holders: Lookups[KeyHolder] = Lookups(clock, kept=CACHED_FOR, size=REMEMBERED, notices=notices)
        self._noted: OrderedDict[str, datetime] = OrderedDict()
        self._notes: dict[str, asyncio.Task[None]] = {}

    async def create(
        self,
        user_id: str,
        *,
        name: str,
        scopes: Sequence[str],
        expires_at: str | None,
        client: Client,
        session_id: str | None = None,
        ai: AiLimits | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which is stored only as a hash. Raises InvalidInput, Conflict ``too_many_keys``, and
        Unauthenticated when the caller's session has just ended: a key would outlive what ended it.

        The limit is exact: whoever has inserted counts, and takes back what was one too many. Those who create at the limit
        at the same time may therefore all be refused.
        """
        now = self._clock.now()
        name, until = _checked_name(name), _checked_expiry(expires_at, now)
        if not scopes or len(set(scopes)) != len(scopes) or not set(scopes) <= set(SCOPES):
            raise InvalidInput(f"Scopes are one or more of {', '.join(SCOPES)}, each once.", loc=("body", "scopes"), code="invalid_scopes")
        text = key_text.new(user_id)
        parsed = key_text.parse(text)
        assert parsed is not None, "a user's id is one of ours"
        key = ApiKey(ids.new_id(now), name, tuple(scopes), key_text.hint(text), now, until, None, PREFIX + parsed.digest, ai)
        try:
            await self._tables.batch(USERS, user_id, [Insert(key.row_key, _values(key)), *while_live(session_id)])
        except Missing:
            raise session_ended() from None
        except AlreadyExists:
            pass  # a write that was repeated after a lost answer met itself: nobody else has this secret
        if len(await self._all(user_id)) > MAX_KEYS:
            await self._delete(user_id, key.row_key)
            raise Conflict(f"An account has at most {MAX_KEYS} API keys.", code="too_many_keys")
        await self._audit.record("key_created", user_id=user_id, key_id=key.id, scopes=" ".join(scopes), address=client.address)
        return key, text

    async def page(self, user_id: str, *, after: str | None, limit: int) -> list[ApiKey]:
        """Up to ``limit`` keys, newest first, behind the id ``after``; the expired too. One storage call."""
        keys = sorted(await self._all(user_id), key=lambda key: key.id, reverse=True)
        return [key for key in keys if after is None or key.id < after][:limit]

    async def revoke(self, user_id: str, key_id: str, client: Client) -> None:
        """End a key: at once here, elsewhere within CACHED_FOR. Raises NotFound."""
        key = next((key for key in await self._all(user_id) if key.id == key_id), None)
        if key is None:
            raise NotFound("There is no such API key.", code="key_not_found")
        async with self._notices.changing(user_id):
            await self._delete(user_id, key.row_key)
        self._holders.set(_cache_key(user_id, key.row_key), None)
        await self._audit.record("key_revoked", user_id=user_id, key_id=key_id, address=client.address)

    def forget(self, user_id: str) -> None:
        """The user was disabled or has left: here the next use of each key asks storage; elsewhere within CACHED_FOR."""
        self._holders.forget_all(_cache_key(user_id, ""))

    async def authenticate(self, text: str) -> KeyHolder:
        """Whom the key stands for: no storage call for one that this process knows and of whose account there was no notice, or for what
        cannot be a key.

        Raises Unauthenticated ``invalid_api_key``, whatever is wrong with it, and RateLimited.
        """
        parsed = key_text.parse(text)
        if parsed is None:
            raise _invalid()
        row_key = PREFIX + parsed.digest
        holder = await self._holders.get(_cache_key(parsed.user_id, row_key), lambda: self._look(parsed, row_key))
        if holder is None or (holder.expires_at is not None and holder.expires_at <= self._clock.now()):
            raise _invalid()
        await self._limiter.take("api_key", holder.key_id, self._rate)
        self._note_use(holder)
        return holder

    async def _look(self, parsed: KeyText, row_key: str) -> KeyHolder | None:
        row, user = await asyncio.gather(self._tables.get(USERS, parsed.user_id, row_key), self._accounts.get(parsed.user_id))
        now = self._clock.now()
        if row is None or user is None or user.disabled:
            return None
        key = _to_key(row)
        if key.expires_at is not None and key.expires_at <= now:
            return None
        return KeyHolder(
            user.id,
            self._accounts.role_of(user),
            key.id,
            frozenset(key.scopes),
            key.expires_at,
            key.ai,
            row_key,
            key.last_used_at,
        )

    def _note_use(self, holder: KeyHolder) -> None:
        """Write ``last_used_at`` behind the request's back, each instance once in USE_NOTED."""
        now = self._clock.now()
        noted = max(filter(None, (holder.last_used_at, self._noted.get(holder.key_id))), default=None)
        if (noted is not None and now - noted < USE_NOTED) or holder.key_id in self._notes:
            return
        self._noted[holder.key_id] = now
        self._noted.move_to_end(holder.key_id)
        if len(self._noted) > REMEMBERED:
            self._noted.popitem(last=False)
        note = asyncio.ensure_future(self._write_use(holder, now))
        self._notes[holder.key_id] = note
        note.add_done_callback(lambda _: self._notes.pop(holder.key_id, None))

    async def _write_use(self, holder: KeyHolder, now: datetime) -> None:
        await asyncio.sleep(self.note_after)
        try:
            await self._tables.apply(USERS, holder.user_id, Merge(holder.row_key, {"last_used_at": now}))
        except Exception as error:  # a note is worth no request
            log.debug("key_use_not_noted", error=type(error).__name__)

    async def _all(self, user_id: str) -> list[ApiKey]:
        return [_to_key(row) for row in await self._tables.query(USERS, user_id, prefix=PREFIX, limit=1000)]

    async def _delete(self, user_id: str, row_key: str) -> None:
        try:
            await self._tables.apply(USERS, user_id, Delete(row_key))
        except Missing:
            pass  # another was faster


def is_expired(row: Row, before: datetime) -> bool:
    """For the purge: whether the row of a key says that it expired before then."""
    expires_at = row.values.get("expires_at")
    return isinstance(expires_at, datetime) and expires_at < before


def _cache_key(user_id: str, row_key: str) -> str:
    return f"{user_id}/{row_key}"


def _values(key: ApiKey) -> dict[str, Value]:
    return {
        "v": 1,
        "id": key.id,
        "name": key.name,
        "scopes": " ".join(key.scopes),
        "hint": key.hint,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "ai": json.dumps(key.ai) if key.ai else None,
    }


def _to_key(row: Row) -> ApiKey:
    values = row.values
    created_at, expires_at, last_used_at = (values.get(name) for name in ("created_at", "expires_at", "last_used_at"))
    assert isinstance(created_at, datetime)
    ai = values.get("ai")
    return ApiKey(
        id=str(values["id"]),
        name=str(values["name"]),
        scopes=tuple(str(values["scopes"]).split()),
        hint=str(values["hint"]),
        created_at=created_at,
        expires_at=expires_at if isinstance(expires_at, datetime) else None,
        last_used_at=last_used_at if isinstance(last_used_at, datetime) else None,
        row_key=row.key,
        ai=json.loads(ai) if isinstance(ai, str) else None,
    )


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise InvalidInput(
            f"A key's name has 1 to {MAX_NAME} characters and no control characters.", loc=("body", "name"), code="invalid_name"
        )
    return name


def _checked_expiry(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC) if _RFC3339.fullmatch(text) else None
    except (ValueError, OverflowError):  # the 30th of February; the year 0 somewhere
        moment = None
    if moment is None or moment <= now:
        message = "expires_at is a time in the future with its offset, as RFC 3339 writes it."
        raise InvalidInput(message, loc=("body", "expires_at"), code="invalid_expires_at")
    return moment


def _invalid() -> Unauthenticated:
    return Unauthenticated("The API key is not valid.", code="invalid_api_key")
