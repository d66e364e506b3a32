"""Secrets that must be read again: AES-256-GCM under the first key of a ring, readable under any."""

import functools
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence

from .keys import SigningKey

PREFIX = "v1."
_NONCE = 12  # bytes; NIST SP 800-38D, 8.2.2: random, for far fewer than 2**32 messages a key

Ring = Callable[[], Awaitable[Sequence[bytes]]]


class Unreadable(Exception):
    """Sealed under a key that is not in the ring, or not what was sealed for this place."""


class SecretsBox:
    def __init__(self, ring: Ring) -> None:
        """``ring`` gives the keys' material, of 32 bytes or more of entropy each."""
        self._ring = ring

    async def seal(self, text: str, place: str) -> str:
        """``place`` says whose secret it is and what for; it opens there only."""
        nonce = os.urandom(_NONCE)
        sealed = _cipher((await self._ring())[0]).encrypt(nonce, text.encode(), place.encode())
        return PREFIX + urlsafe_b64encode(nonce + sealed).decode()

    async def open(self, sealed: str, place: str) -> tuple[str, bool]:
        """The text, and whether it should be sealed anew: the ring's first key has changed. Raises Unreadable."""
        from cryptography.exceptions import InvalidTag

        data = urlsafe_b64decode(sealed.removeprefix(PREFIX))
        for index, material in enumerate(await self._ring()):
            try:
                return _cipher(material).decrypt(data[:_NONCE], data[_NONCE:], place.encode()).decode(), index > 0
            except InvalidTag:
                continue
        raise Unreadable


def ring_of(data_keys: Sequence[str], signing: Callable[[], Awaitable[Sequence[SigningKey]]]) -> Ring:
    """The configured keys, and behind them the signing keys: they serve where none is configured, and then still open what
    they have sealed."""

    async def ring() -> Sequence[bytes]:
        return [*(key.encode() for key in data_keys), *(_material(key) for key in await signing())]

    return ring


def _material(key: SigningKey) -> bytes:
    if isinstance(key.private, bytes):
        return key.private
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private: bytes = key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return private


@functools.lru_cache(maxsize=16)
def _cipher(material: bytes):  # type: ignore[no-untyped-def]  # AESGCM, whose import is 0.1 s that only a few requests need
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"lydian auth secrets v1").derive(material))
