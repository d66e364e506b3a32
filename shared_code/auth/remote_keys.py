"""Another issuer's keys, kept in memory: fetched rarely, replaced when they change, and served on while that issuer is down."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from shared_code.clock import Clock
from shared_code.errors import Unavailable

from . import keys
from .keys import VerificationKey

log = structlog.get_logger("lydian.auth")

FRESH = timedelta(minutes=10)
"""As long as Supabase's edge caches them; a withdrawn key stops verifying at the latest after this long, and theirs."""
RETRY = timedelta(seconds=10)
"""An unknown ``kid``, or a failure, asks again at most this often."""
KEPT = timedelta(hours=24)
"""While the issuer cannot be reached, its last keys verify for this long."""


class RemoteKeys:
    def __init__(self, name: str, fetch: Callable[[], Awaitable[bytes]], clock: Clock) -> None:
        """``fetch`` gives the JWKS document, or raises whatever it likes; ``name`` begins the code of the 503."""
        self._name, self._fetch, self._clock = name, fetch, clock
        self._keys: dict[str, VerificationKey] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._failing = False
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, kid: str) -> VerificationKey | None:
        """The key: the same object for as long as it has not changed. None when the issuer has none of this name.

        Raises Unavailable ``<name>_unavailable`` when only the issuer could say, and it cannot be reached.
        """
        now = self._clock.now()
        if self._fetched_at is not None and now - self._fetched_at >= KEPT:
            self._keys, self._fetched_at = {}, None
        key = self._keys.get(kid)
        if key is not None and self._fetched_at is not None and now - self._fetched_at < FRESH:
            return key
        fetching = self._refetch(now)
        if key is not None and self._failing:
            return key  # nobody waits for an issuer that is known to be down
        if fetching is not None:
            await asyncio.shield(fetching)
            key = self._keys.get(kid)
        if key is None and (self._failing or self._fetched_at is None):
            raise Unavailable(
                "This token's issuer cannot be reached at the moment.",
                code=f"{self._name}_unavailable",
                retry_after=int(RETRY.total_seconds()),
            )
        return key

    def _refetch(self, now: datetime) -> "asyncio.Task[None] | None":
        """The fetch that is under way, or a new one unless the last was less than RETRY ago."""
        if self._fetching is None and (self._tried_at is None or now - self._tried_at >= RETRY):
            self._tried_at = now
            self._fetching = asyncio.ensure_future(self._renew())
        return self._fetching

    async def _renew(self) -> None:
        try:
            found = _parse(await self._fetch())
        except Exception as error:  # a network has many ways to fail, and none of them is the caller's fault
            self._failing = True
            log.warning("jwks_not_fetched", issuer=self._name, error=type(error).__name__, reason=str(error)[:200])
        else:
            known = self._keys
            self._keys = {kid: known[kid] if kid in known and known[kid].jwk == key.jwk else key for kid, key in found.items()}
            self._fetched_at, self._failing = self._clock.now(), False
        finally:
            self._fetching = None


def _parse(document: bytes) -> dict[str, VerificationKey]:
    """The usable keys by ``kid``; raises ValueError for what is no JWKS. One broken key does not spoil the others."""
    found = json.loads(document)
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise ValueError("is no JWKS")
    parsed: dict[str, VerificationKey] = {}
    for jwk in found["keys"]:
        if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str) or jwk.get("use", "sig") != "sig":
            continue
        try:
            parsed |= {key.kid: key for key in keys.from_jwks({"keys": [jwk]}) if keys.is_strong(key)}
        except Exception as error:  # PyJWT's errors for what is no key are of many kinds
            log.warning("jwk_passed_over", error=type(error).__name__)
    return parsed
