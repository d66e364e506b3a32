"""How a session begins: in one batch with the account's row, so that it is what the sign-in was decided on."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from shared_code.clock import Clock
from shared_code.coalesce import Coalescer
from shared_code.errors import Busy
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Insert, Merge, Missing, Operation, Tables, Value

from . import devices
from .accounts import Accounts
from .models import Client, Session, User
from .sessions import Sessions
from .tables import USER_KEY, USERS, session_key, session_values

TRIES = 8


class Changed(Exception):
    """The account is not the one any more for which the sign-in was decided; ``user`` is as it is now."""

    def __init__(self, user: User | None) -> None:
        super().__init__("changed meanwhile")
        self.user = user


class Lost(Exception):
    """What was to be used up with the sign-in has been used or changed by another."""

    def __init__(self, operation: Operation) -> None:
        super().__init__("used meanwhile")
        self.operation = operation


@dataclass(frozen=True, slots=True)
class Started:
    session: Session
    refresh_token: str
    new_device: bool
    """Never for an account's first device."""


@dataclass(frozen=True, slots=True)
class _Start:
    user: User
    session: Session
    refresh_token: str
    uses: tuple[Operation, ...]


class SessionStarts:
    def __init__(self, tables: Tables, clock: Clock, accounts: Accounts, sessions: Sessions) -> None:
        self._tables, self._clock, self._accounts, self._sessions = tables, clock, accounts, sessions
        # Sign-ins of one account at one time are one write, or each would have to wait for all before it.
        self._starts: Coalescer[_Start, Started] = Coalescer(self._insert)

    async def start(self, user: User, client: Client, *uses: Operation) -> Started:
        """A session for ``user`` as read, in one step with ``uses``: other rows of the user's partition that permit it once.

        Raises Changed when the password, the second factor, the verification, the role or the permission to sign in has changed
        since then, Lost when one of ``uses`` cannot be carried out, and Busy. One storage call.
        """
        session, token = self._sessions.new(user.id, client)
        start = _Start(user, session, token, uses)
        if not uses:
            return await self._starts.submit(user.id, start)
        (result,) = await self._insert(user.id, [start])
        if isinstance(result, BaseException):
            raise result
        return result

    async def _insert(self, user_id: str, starts: Sequence[_Start]) -> Sequence[Started | BaseException]:
        results: dict[int, Started | BaseException] = {}
        user: User | None = starts[-1].user
        for attempt in range(TRIES):
            results |= {
                index: Changed(user)
                for index, start in enumerate(starts)
                if index not in results and (user is None or _decisive(user) != _decisive(start.user))
            }
            waiting = {index: start for index, start in enumerate(starts) if index not in results}
            if user is None or not waiting:
                break
            operations: list[Operation] = []
            owners: list[int] = []
            begun: dict[int, Started] = {}
            known = user.devices
            for index, start in waiting.items():
                device = devices.fingerprint(start.session.user_agent)
                begun[index] = Started(start.session, start.refresh_token, bool(known) and device not in known)
                known = devices.seen(known, device)
                operations += [Insert(session_key(start.session.id), session_values(start.session)), *start.uses]
                owners += [index] * (1 + len(start.uses))
            seen: dict[str, Value] = {"last_sign_in_at": self._clock.now(), "devices": " ".join(known)}
            try:
                await self._tables.batch(USERS, user_id, [*operations, Merge(USER_KEY, seen, user.etag)])
            except AlreadyExists:
                pass  # our own first try, whose answer was lost: the session's id is nobody else's
            except (EtagMismatch, Missing) as error:
                if error.index < len(owners):
                    results[owners[error.index]] = Lost(operations[error.index])
                else:
                    await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt) if attempt else 0)
                    user = await self._accounts.get(user_id)
                continue
            results |= begun
            break
        return [results.get(index) or Busy("This account is being used by too many requests at once.") for index in range(len(starts))]


def _decisive(user: User) -> tuple[str, bool, bool, bool, str]:
    # The role too: whoever is demoted loses their sessions, and must not begin one with the old role in its token.
    return user.password_hash, user.mfa_enabled, user.disabled, user.email_verified, user.role
