"""Access tokens of a Supabase project: verified by its published keys, and mapped to an account of ours by their ``sub``.

Claims: https://supabase.com/docs/guides/auth/jwt-fields. No address counts as verified: the only claim that says so is in
``user_metadata``, which users write themselves. The role is our own row's: the token's names a Postgres role. Anonymous
users are refused, since anyone may make any number of them; one who has become permanent keeps the ``sub`` and is accepted.
"""

import base64
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared_code.clock import Clock
from shared_code.errors import Unauthenticated
from shared_code.lookups import Lookups
from shared_code.storage.notices import Notices

from .accounts import Accounts
from .identities import Identities
from .keys import VerificationKey
from .models import Role
from .remote_keys import RemoteKeys

PROVIDER = "supabase"
AUDIENCE = "authenticated"
REQUIRED = ("iss", "aud", "sub", "iat", "exp")
LEEWAY = 30.0
"""Seconds by which their clock may differ from ours: how long after ``exp`` a token holds, how far ahead ``iat`` and ``nbf`` may be."""
MAX_SUBJECT = 128
REMEMBERED = 4096
"""Verified tokens kept in memory (by hash), as ours are."""
CACHED_FOR = timedelta(seconds=5)
"""A user disabled elsewhere is noticed at the latest after this long."""
MAPPED_FOR = timedelta(hours=1)
USERS_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class SupabaseClaims:
    subject: str
    email: str
    expires_at: float


class SupabaseVerifier:
    """As ``tokens.TokenVerifier``: the key decides the algorithm, and nothing in a header is asked for a key."""

    def __init__(self, keys: RemoteKeys, *, url: str, clock: Clock) -> None:
        self._keys, self._clock = keys, clock
        self.issuer = f"{url}/auth/v1"
        self._known: OrderedDict[bytes, tuple[VerificationKey, SupabaseClaims]] = OrderedDict()

    def claims_issuer(self, token: str) -> bool:
        """Whether the token says that it is of this project, which decides only who shall verify it."""
        try:
            payload = token.split(".")[1]
            found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (ValueError, IndexError, RecursionError):
            return False
        return isinstance(found, dict) and found.get("iss") == self.issuer

    async def verify(self, token: str) -> SupabaseClaims:
        """The token's claims; raises Unauthenticated, or Unavailable when nobody can say whether it is right."""
        digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=20).digest()
        known = self._known.get(digest)
        if known is None or await self._keys.get(known[0].kid) is not known[0]:  # the key was withdrawn, or replaced
            self._known.pop(digest, None)
            known = await self._check(token)
            self._known[digest] = known
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        if known[1].expires_at + LEEWAY <= self._clock.now().timestamp():
            self._known.pop(digest, None)
            raise Unauthenticated("The access token has expired.", code="token_expired")
        return known[1]

    async def _check(self, token: str) -> tuple[VerificationKey, SupabaseClaims]:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            if "crit" in header or not isinstance(kid, str):  # RFC 7515, 4.1.11: what we do not understand we must refuse
                raise _invalid()
            key = await self._keys.get(kid)
            if key is None:
                raise _invalid()
            payload = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=AUDIENCE,
                issuer=self.issuer,
                # Times are checked against our clock, below.
                options={"require": list(REQUIRED), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise _invalid() from None
        return key, self._claims(payload)

    def _claims(self, payload: Mapping[str, Any]) -> SupabaseClaims:
        now = self._clock.now().timestamp()
        subject, email = payload["sub"], payload.get("email")
        times = [payload[name] for name in ("exp", "iat", "nbf") if name in payload]
        if any(type(time) not in (int, float) or not abs(time) < 2**53 for time in times) or any(time > now + LEEWAY for time in times[1:]):
            raise _invalid()
        if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_SUBJECT:
            raise _invalid()
        if payload.get("is_anonymous") not in (None, False):
            raise Unauthenticated("Anonymous users are not accepted: sign in.", code="invalid_token")
        return SupabaseClaims(subject, email if isinstance(email, str) else "", float(payload["exp"]))


class Supabase:
    def __init__(self, verifier: SupabaseVerifier, identities: Identities, accounts: Accounts, clock: Clock, notices: Notices) -> None:
        self._verifier, self._identities, self._accounts = verifier, identities, accounts
        self.claims_issuer = verifier.claims_issuer
        self._mapped: Lookups[str] = Lookups(clock, kept=MAPPED_FOR, size=USERS_REMEMBERED)
        self._roles: Lookups[Role] = Lookups(clock, kept=CACHED_FOR, size=USERS_REMEMBERED, notices=notices)

    async def authenticate(self, token: str) -> tuple[str, Role]:
        """The user's id and role. No storage call for a user that this process knows and of whom there was no notice. Raises
        Unauthenticated and Unavailable, as ``SupabaseVerifier.verify`` does."""
        claims = await self._verifier.verify(token)
        for _ in range(2):  # the mapping may have outlived its account
            user_id = await self._mapped.get(claims.subject, lambda: self._identities.user_id(PROVIDER, claims.subject, claims.email))
            assert user_id is not None
            role = await self._roles.get(user_id, lambda user_id=user_id: self._role(user_id))  # type: ignore[misc]  # bound per turn
            if role is not None:
                return user_id, role
            self._mapped.forget(claims.subject)
        raise Unauthenticated("This account does not exist any more, or is disabled.", code="invalid_token")

    def closed(self, user_id: str) -> None:
        """The account has been deleted here: its next token is a new account's."""
        self._roles.set(user_id, None)

    async def _role(self, user_id: str) -> Role | None:
        user = await self._accounts.get(user_id)
        return None if user is None or user.disabled else self._accounts.role_of(user)


def _invalid() -> Unauthenticated:
    return Unauthenticated("The access token is not valid.", code="invalid_token")
