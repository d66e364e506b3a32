"""Access tokens: JWTs (RFC 9068 in spirit) of 15 minutes, signed by the first key, verified by all."""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from shared_code.clock import Clock
from shared_code.errors import Unauthenticated

from .keys import SigningKey, VerificationKey
from .models import Role

LIFETIME = timedelta(minutes=15)
REQUIRED = ("iss", "aud", "sub", "sid", "role", "iat", "exp", "jti")
REMEMBERED = 4096
"""Verified tokens kept in memory (by hash), so that a signature is checked once per process and token."""
REFETCH_AFTER = timedelta(seconds=10)
"""An unknown ``kid`` asks the key source again, at most this often."""
KEYS_MAX_AGE = timedelta(minutes=5)
"""A key that was withdrawn stops verifying at the latest after this long."""

KeySource = Callable[[], Awaitable[Sequence[VerificationKey]]]


@dataclass(frozen=True, slots=True)
class Claims:
    user_id: str
    session_id: str
    role: Role
    expires_at: float


def sign(key: SigningKey, *, issuer: str, audience: str, user_id: str, session_id: str, role: Role, now: datetime) -> str:
    import jwt  # 0.1 s of cryptography that an app which never signs need not load

    issued = int(now.timestamp())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": user_id,
        "sid": session_id,
        "role": role,
        "iat": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
        "jti": secrets.token_urlsafe(12),
    }
    return jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid, "typ": "at+jwt"})


class TokenVerifier:
    """Checks signature, issuer, audience, times and required claims. The key decides the algorithm, never the token."""

    def __init__(self, keys: KeySource, *, issuer: str, audience: str, clock: Clock) -> None:
        self._source, self._issuer, self._audience, self._clock = keys, issuer, audience, clock
        self._keys: dict[str, VerificationKey] = {}
        self._fetched_at: datetime | None = None
        self._known: OrderedDict[bytes, Claims] = OrderedDict()
        self._fetching = asyncio.Lock()

    async def verify(self, token: str) -> Claims:
        """The token's claims; raises Unauthenticated, saying only that it is invalid or expired."""
        digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=20).digest()
        if self._fetched_at is not None and self._clock.now() - self._fetched_at > KEYS_MAX_AGE:
            await self._fetch(KEYS_MAX_AGE)
        claims = self._known.get(digest)
        if claims is None:
            claims = await self._check(token)
            self._known[digest] = claims
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        if claims.expires_at <= self._clock.now().timestamp():
            self._known.pop(digest, None)
            raise Unauthenticated("The access token has expired.", code="token_expired")
        return claims

    async def _check(self, token: str) -> Claims:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            if "crit" in header:  # RFC 7515, 4.1.11: what we do not understand we must refuse
                raise _invalid()
            key = await self._key(header.get("kid"))
            # Times are checked against our clock, which a test can move; PyJWT would read its own.
            payload = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": list(REQUIRED), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):  # the last from a header that is nested very deep
            raise _invalid() from None
        return _claims(payload)

    async def _key(self, kid: object) -> VerificationKey:
        if not isinstance(kid, str):
            raise _invalid()
        if kid not in self._keys:
            await self._fetch(REFETCH_AFTER)
        key = self._keys.get(kid)
        if key is None:
            raise _invalid()
        return key

    async def _fetch(self, age: timedelta) -> None:
        """Ask the source for the keys when what we have is older than ``age``; many requests wait for one answer."""
        async with self._fetching:
            now = self._clock.now()
            if self._fetched_at is not None and now - self._fetched_at <= age:
                return
            keys = {key.kid: key for key in await self._source()}
            if self._keys.keys() - keys.keys():
                self._known.clear()  # a key was withdrawn, and with it what it signed
            self._keys, self._fetched_at = keys, now


def _claims(payload: Mapping[str, Any]) -> Claims:
    strings = all(isinstance(payload[name], str) for name in ("sub", "sid"))
    expires_at = payload["exp"]
    if not strings or payload["role"] not in ("user", "admin") or type(expires_at) not in (int, float) or not abs(expires_at) < 2**53:
        raise _invalid()
    return Claims(payload["sub"], payload["sid"], cast(Role, payload["role"]), float(expires_at))


def _invalid() -> Unauthenticated:
    return Unauthenticated("The access token is not valid.", code="invalid_token")
