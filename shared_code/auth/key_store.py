"""Where the signing keys come from, and where the other apps find what verifies."""

import json
from collections.abc import Sequence
from pathlib import Path

import structlog

from shared_code.settings import Settings, SettingsError
from shared_code.storage.ports import Blobs, Missing

from . import keys
from .keys import SigningKey, VerificationKey

log = structlog.get_logger("lydian")

SYSTEM_CONTAINER = "lydian-system"
JWKS_BLOB = "jwks.json"


class KeyStore:
    """The keys of this app: configured, or made once for a local run; published to storage when first used to sign."""

    def __init__(self, settings: Settings, blobs: Blobs) -> None:
        self._settings, self._blobs = settings, blobs
        self._signing: list[SigningKey] | None = None
        self._published = False

    @property
    def _signs(self) -> bool:
        """Only the auth app signs and publishes: another one's keys may be old, or fewer."""
        return "auth" in self._settings.services

    @property
    def configured(self) -> bool:
        return bool(self._settings.jwt_private_keys or self._settings.jwt_secret)

    async def signing(self) -> Sequence[SigningKey]:
        """The keys, the signing one first; raises SettingsError naming the setting when it cannot be used."""
        if self._signing is None:
            self._signing = self._load()
        if not self._published and self._signs:
            await self._publish(self._signing)
            self._published = True
        return self._signing

    async def verifying(self) -> Sequence[VerificationKey]:
        """The keys that verify: what the auth app published, and our own where this app has any."""
        if self._signs:
            return await self.signing()
        own = await self.signing() if self.configured else []
        return [*own, *await self._published_keys()]

    async def _published_keys(self) -> Sequence[VerificationKey]:
        try:
            read = await self._blobs.read(SYSTEM_CONTAINER, JWKS_BLOB)
            document = b"".join([chunk async for chunk in read.chunks])
        except Missing:
            return []  # auth has signed nothing yet, so no token can be valid
        return keys.from_jwks(json.loads(document))

    async def jwks(self) -> dict[str, list[dict[str, str]]]:
        return {"keys": [dict(key.jwk) for key in await self.signing() if key.jwk]}

    def _load(self) -> list[SigningKey]:
        if self._settings.jwt_private_keys:
            try:
                return keys.from_pem(self._settings.jwt_private_keys)
            except ValueError as error:
                raise SettingsError(f"JWT_PRIVATE_KEY {error}") from None
        if self._settings.jwt_secret:
            return [keys.shared_secret(self._settings.jwt_secret)]
        try:
            return keys.from_pem(keys.local_key(Path(self._settings.data_dir)))
        except ValueError as error:
            raise SettingsError(f"LYDIAN_DATA_DIR has a jwt-private-key.pem that {error}: delete it") from None
        except OSError as error:
            log.warning("signing_key_not_kept", reason=str(error.strerror), effect="everyone is signed out at the next start")
            return keys.from_pem(keys.new_pem())

    async def _publish(self, signing: list[SigningKey]) -> None:
        document = json.dumps({"keys": [key.jwk for key in signing if key.jwk]}).encode()
        await self._blobs.put(SYSTEM_CONTAINER, JWKS_BLOB, document, content_type="application/jwk-set+json")
