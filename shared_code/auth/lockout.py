"""Guesses at an account: how many, from where, and when nobody is told any more whether one was right (SPEC §5).

An account's failures are a row beside its address (``emails``, in the address's own partition), also where the address is
nobody's: one query gives both, and nothing that happens to a guess tells whether there is an account. A network address's
failures are an ordinary limit.

Within a process one guess at an account is tried after another. Instances see each other's failures only once they are written:
of N instances that are asked at the same moment each may try one guess before the lock is seen by all.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.coalesce import Coalescer
from shared_code.emails import is_address, normalise
from shared_code.errors import Busy, RateLimited
from shared_code.rate_limit import RateLimiter, Rule, Window
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Missing, Replace, Row, Tables

from . import passwords
from .accounts import Accounts
from .models import User
from .tables import EMAIL_KEY, EMAILS, FAILURES_KEY

TRIES = 8
_KIND = "sign_in_failures"
_MESSAGE = "Too many failed attempts. Try again later."

Verify = Callable[[User | None], Awaitable[Any]]
"""What a guess proves of the account, None for nothing. It does the same work when there is no account."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``proof`` is what the guess has proved of ``user``; None: nothing, and that has been counted."""

    user: User | None
    proof: Any
    failed: bool = False
    """Whether the account has failures that a sign-in should clear."""


@dataclass(frozen=True, slots=True)
class _Guess:
    address: str
    """The network's."""
    verify: Verify
    same: object
    """Guesses that are equal in this are one: of the same password, one slow hash tells all."""


class Lockout:
    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        accounts: Accounts,
        limiter: RateLimiter,
        audit: Audit,
        account_rule: Rule | None,
        address_rule: Rule | None,
    ) -> None:
        """Both rules lock: the failure that fills the window closes it for the rule's seconds."""
        self._tables, self._clock, self._accounts, self._limiter, self._audit = tables, clock, accounts, limiter, audit
        self._account_rule, self._address_rule = account_rule, address_rule
        # Guesses at one account are tried one group after another: those sent at once do not slip under the limit.
        self._guesses: Coalescer[_Guess, Verdict] = Coalescer(self._try)

    async def password(self, email: str, password: str, address: str) -> Verdict:
        """Try a password for whoever has this e-mail address; ``address`` is the network's.

        A wrong one has been counted by the time the verdict is known. Raises RateLimited, before any hashing, while either is
        locked, also for the right one. An unknown address is the same calls and the same work.
        """

        async def verify(user: User | None) -> bool | None:
            right = await passwords.verify_password(password, (user.password_hash or None) if user else None)
            return True if right and user is not None and not user.disabled else None

        return await self.attempt(email, address, verify, same=password)

    async def attempt(self, email: str, address: str, verify: Verify, *, same: object = None) -> Verdict:
        """As ``password``, for any other proof. An exception of ``verify`` is raised here and is no failure."""
        return await self._guesses.submit(_partition(email), _Guess(address, verify, same if same is not None else object()))

    async def clear(self, email: str) -> None:
        """After a sign-in for which ``Verdict.failed``: the account's failures count no more. Raises RateLimited when they have
        locked it meanwhile."""
        partition = _partition(email)
        for attempt in range(TRIES):
            row = await self._tables.get(EMAILS, partition, FAILURES_KEY)
            if row is None:
                return
            if (refusal := self._locked(_window(row))) is not None:
                raise refusal
            try:
                await self._tables.apply(EMAILS, partition, Delete(FAILURES_KEY, row.etag))
                return
            except (EtagMismatch, Missing):
                await _pause(attempt)
        raise _busy()

    async def _try(self, partition: str, guesses: Sequence[_Guess]) -> Sequence[Verdict | BaseException]:
        rows = {row.key: row for row in await self._tables.query(EMAILS, partition, limit=10)}
        user_id = str(rows[EMAIL_KEY].values["user_id"]) if EMAIL_KEY in rows else "nobody"
        user = await self._accounts.get(user_id)
        refusals = {address: await self._refusal(address) for address in dict.fromkeys(guess.address for guess in guesses)}
        window, now = _window(rows.get(FAILURES_KEY)), self._clock.now()
        verdicts: dict[object, Any] = {}
        results: list[Verdict | BaseException] = []
        wrong: list[int] = []
        for index, guess in enumerate(guesses):
            refusal = refusals[guess.address] or self._locked(window)
            if refusal is not None:
                results.append(refusal)
                continue
            if guess.same not in verdicts:
                try:
                    verdicts[guess.same] = await guess.verify(user)
                except Exception as error:
                    results.append(error)
                    continue
            results.append(Verdict(user, verdicts[guess.same], failed=bool(wrong) or FAILURES_KEY in rows))
            if verdicts[guess.same] is None:
                wrong.append(index)
                window = window.add(self._account_rule, now) if self._account_rule else window
        counted = await self._count(partition, rows.get(FAILURES_KEY), len(wrong), user)
        # Others were faster to fail: these are told nothing.
        for index in wrong[counted:]:
            results[index] = self._refused(self._account_rule)
        told = wrong[:counted]
        for index, late in zip(
            told, await asyncio.gather(*[self._count_address(guesses[each].address, user) for each in told]), strict=True
        ):
            results[index] = late or results[index]
        return results

    async def _count(self, partition: str, row: Row | None, failures: int, user: User | None) -> int:
        """Count failures of the account until it is locked; return how many of them came before."""
        rule = self._account_rule
        if rule is None or not failures:
            return failures
        for attempt in range(TRIES):
            window, now, counted = _window(row), self._clock.now(), 0
            while counted < failures and not window.wait(rule, now):
                window, counted = window.add(rule, now), counted + 1
            if not counted:
                return 0
            values = window.values(rule)
            try:
                operation = Replace(FAILURES_KEY, values, row.etag) if row else Insert(FAILURES_KEY, values)
                await self._tables.apply(EMAILS, partition, operation)
            except (AlreadyExists, EtagMismatch, Missing):
                await _pause(attempt)
                row = await self._tables.get(EMAILS, partition, FAILURES_KEY)
                continue
            if window.wait(rule, now):
                await self._audit.record("sign_in_locked", user_id=user.id if user else None, scope="account")
            return counted
        raise _busy()

    async def _count_address(self, address: str, user: User | None) -> RateLimited | None:
        """Count a failure of the network address; what to answer instead when others have filled its window meanwhile."""
        rule = self._address_rule
        count = await self._limiter.count(_KIND, address, rule)
        if rule is None or count < rule.count:
            return None
        if count > rule.count:
            return self._refused(rule)
        await self._audit.record("sign_in_locked", user_id=user.id if user else None, scope="address", address=address)
        return None

    async def _refusal(self, address: str) -> RateLimited | None:
        try:
            await self._limiter.check(_KIND, address, self._address_rule)
        except RateLimited as error:
            return error
        return None

    def _locked(self, window: Window) -> RateLimited | None:
        return window.refusal(self._account_rule, self._clock.now(), _MESSAGE) if self._account_rule else None

    @staticmethod
    def _refused(rule: Rule | None) -> RateLimited:
        seconds = rule.seconds if rule else 1
        return RateLimited(_MESSAGE, retry_after=seconds, limit=rule.count if rule else None, reset=seconds)


def _partition(email: str) -> str:
    """The address's partition; for what is no address, one that no account can have and that does not repeat what was typed."""
    normal = normalise(email)
    return normal if is_address(email) else "-" + hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()


def _window(row: Row | None) -> Window:
    return Window.of(row.values) if row else Window()


async def _pause(attempt: int) -> None:
    await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))


def _busy() -> Busy:
    return Busy("This account is being tried by too many at once.")
