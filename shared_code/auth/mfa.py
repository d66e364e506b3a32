"""The second factor: enrolment of an authenticator app, its codes, and the recovery codes for when it is lost.

All of it is the row ``mfa`` in the user's partition. A code is used by replacing that row, with its ETag, in the batch that
inserts the session: it works once, whoever presents it how often and wherever.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.errors import Busy, Conflict, InvalidInput, NotFound, Unavailable
from shared_code.mail.ports import Mailer
from shared_code.rate_limit import RateLimiter, Rule
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Merge, Missing, Operation, Replace, Row, Tables, Value

from . import factor_mails, totp
from .accounts import Accounts
from .models import Client, User
from .secrets_box import SecretsBox, Unreadable
from .sessions import session_ended, while_live
from .tables import MFA_KEY, USER_KEY, USERS

log = structlog.get_logger("lydian.auth")

RECOVERY_CODES = 10
CONFIRMATIONS = Rule(10, 900)
ENROLLING = timedelta(hours=1)
"""How long an enrolment waits for its first code."""
TRIES = 8


@dataclass(frozen=True, slots=True)
class Factor:
    secret: str = ""
    """Sealed; empty until an enrolment is confirmed."""
    pending: str = ""
    pending_until: datetime | None = None
    last_step: int = 0
    recovery: tuple[str, ...] = ()
    etag: str = ""

    @property
    def enabled(self) -> bool:
        return bool(self.secret)


@dataclass(frozen=True, slots=True)
class Used:
    """A code that is right, and the write that uses it."""

    operation: Operation
    recovery_left: int | None = None
    """For a recovery code, how many others there are."""


class Mfa:
    def __init__(
        self, *, tables: Tables, clock: Clock, accounts: Accounts, box: SecretsBox, limiter: RateLimiter, audit: Audit, mailer: Mailer
    ) -> None:
        self._tables, self._clock, self._accounts, self._box = tables, clock, accounts, box
        self._limiter, self._audit, self._mailer = limiter, audit, mailer

    async def enrol(self, user_id: str) -> tuple[str, str]:
        """A new secret, in base32 and as an ``otpauth`` URI; it replaces one that has not been confirmed.

        Raises Conflict when a factor is enabled already, or when the account has no password here.
        """
        user = await self._accounts.profile(user_id)
        if user.provider:
            raise Conflict("This account signs in elsewhere: its second factor is there.", code="no_password")
        secret = totp.new_secret()
        sealed = await self._box.seal(secret, _place(user_id))
        for _ in range(TRIES):
            row = await self._row(user_id)
            if row is not None and to_factor(row).enabled:
                raise _enabled_already()
            values = factor_values(Factor(pending=sealed, pending_until=self._clock.now() + ENROLLING))
            try:
                await self._tables.apply(USERS, user_id, Replace(MFA_KEY, values, row.etag) if row else Insert(MFA_KEY, values))
            except (AlreadyExists, EtagMismatch, Missing):
                continue  # enrolled or confirmed meanwhile
            return secret, totp.uri(secret, user.email)
        raise Busy("This second factor is being changed by too many requests at once.")

    async def confirm(self, user_id: str, code: str, client: Client, session_id: str | None = None) -> list[str]:
        """Enable the enrolled factor by its first code; the recovery codes, which are shown this once. The owner is sent a mail.

        Raises NotFound without an enrolment, Conflict when it is confirmed already, InvalidInput for a wrong code,
        RateLimited after ten tries in 15 minutes, and Unauthenticated when the caller's session has just ended.
        """
        await self._limiter.take("mfa_confirm", user_id, CONFIRMATIONS)
        row = await self._row(user_id)
        factor = to_factor(row) if row else Factor()
        if factor.enabled:
            raise _enabled_already()
        if factor.pending_until is None or factor.pending_until <= self._clock.now():
            raise NotFound("There is nothing to confirm: ask for a secret first.", code="mfa_not_enrolled")
        secret, _ = await self._open(user_id, factor.pending)
        step = totp.matching_step(secret, code, self._clock.now(), after=0)
        if step is None:
            await self._audit.record("mfa_failed", user_id=user_id, step="confirm", address=client.address)
            raise InvalidInput("This code is wrong, or of another time.", loc=("body", "code"), code="invalid_code")
        codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
        enabled = Factor(
            # Sealed when it was enrolled, and now perhaps under a newer key.
            secret=await self._box.seal(secret, _place(user_id)),
            last_step=step,
            recovery=tuple(_hash(user_id, each) for each in codes),
        )
        try:
            change: list[Operation] = [Replace(MFA_KEY, factor_values(enabled), factor.etag), Merge(USER_KEY, {"mfa_enabled": True})]
            await self._tables.batch(USERS, user_id, [*change, *while_live(session_id)])
        except (EtagMismatch, Missing) as error:
            if error.index == len(change):
                raise session_ended() from None
            # Confirmed by another, enrolled anew or deleted; or by ourselves, and the answer was lost (storage/ports.py).
            await self._accounts.profile(user_id)
            row = await self._row(user_id)
            now = to_factor(row) if row else Factor()
            if now.secret != enabled.secret:
                raise (_enabled_already() if now.enabled else _replaced()) from None
        await self._audit.record("mfa_enabled", user_id=user_id, address=client.address)
        await self._tell(user_id, client, on=True)
        return codes

    async def disable(self, user_id: str, client: Client) -> None:
        """Remove the factor; the owner is sent a mail. Raises NotFound when no factor is enabled."""
        for _ in range(TRIES):
            row = await self._row(user_id)
            if row is None or not to_factor(row).enabled:
                raise NotFound("There is no second factor.", code="mfa_not_enabled")
            try:
                await self._tables.batch(USERS, user_id, [Delete(MFA_KEY, row.etag), Merge(USER_KEY, {"mfa_enabled": False})])
            except (EtagMismatch, Missing):
                continue  # a code was used, or another was faster
            await self._audit.record("mfa_disabled", user_id=user_id, address=client.address)
            await self._tell(user_id, client, on=False)
            return
        raise Busy("This second factor is being changed by too many requests at once.")

    async def check(self, user: User, code: str) -> Used | None:
        """What uses the code, if it is right and unused: one of the app's around now, or a recovery code."""
        row = await self._row(user.id)
        factor = to_factor(row) if row else Factor()
        if not factor.enabled:
            return None
        digest = _hash(user.id, code)
        left = tuple(each for each in factor.recovery if not hmac.compare_digest(each, digest))
        if len(left) < len(factor.recovery):
            return Used(Replace(MFA_KEY, factor_values(replace(factor, recovery=left)), factor.etag), len(left))
        secret, stale = await self._open(user.id, factor.secret)
        step = totp.matching_step(secret, code, self._clock.now(), after=factor.last_step)
        if step is None:
            return None
        sealed = await self._box.seal(secret, _place(user.id)) if stale else factor.secret
        return Used(Replace(MFA_KEY, factor_values(replace(factor, secret=sealed, last_step=step)), factor.etag))

    async def _tell(self, user_id: str, client: Client, *, on: bool) -> None:
        user = await self._accounts.get(user_id)
        if user is not None:
            await self._mailer.send(factor_mails.switched(user, on=on, now=self._clock.now(), client=client))

    async def _row(self, user_id: str) -> Row | None:
        return await self._tables.get(USERS, user_id, MFA_KEY)

    async def _open(self, user_id: str, sealed: str) -> tuple[str, bool]:
        try:
            return await self._box.open(sealed, _place(user_id))
        except Unreadable:
            log.error(  # noqa: TRY400  # the trace would say no more
                "mfa_secret_unreadable", user_id=user_id, remedy="give AUTH_DATA_KEY the key under which it was sealed"
            )
            raise Unavailable("Codes cannot be checked at the moment; a recovery code can.", code="mfa_unavailable") from None


def factor_values(factor: Factor) -> dict[str, Value]:
    return {
        "v": 1,
        "secret": factor.secret,
        "pending": factor.pending,
        "pending_until": factor.pending_until,
        "last_step": factor.last_step,
        "recovery": " ".join(factor.recovery),
    }


def to_factor(row: Row) -> Factor:
    values = row.values
    until, last_step = values.get("pending_until"), values["last_step"]
    assert isinstance(last_step, int)
    return Factor(
        secret=str(values["secret"]),
        pending=str(values["pending"]),
        pending_until=until if isinstance(until, datetime) else None,
        last_step=last_step,
        recovery=tuple(str(values["recovery"]).split()),
        etag=row.etag,
    )


def _place(user_id: str) -> str:
    return f"totp:{user_id}"


def _new_recovery_code() -> str:
    """80 random bits: ``xxxx-xxxx-xxxx-xxxx``."""
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[index : index + 4] for index in range(0, 16, 4))


def _hash(user_id: str, code: str) -> str:
    """Of a recovery code in any case, with or without dashes and spaces. 80 random bits need no slow hash."""
    plain = "".join(character for character in code.lower() if character.isalnum())
    return hashlib.sha256(f"{user_id}\0{plain}".encode("utf-8", "surrogatepass")).hexdigest()


def _enabled_already() -> Conflict:
    return Conflict("A second factor is enabled already.", code="mfa_already_enabled")


def _replaced() -> Conflict:
    return Conflict("The secret has been replaced meanwhile: use the new one.", code="mfa_enrolment_replaced")
