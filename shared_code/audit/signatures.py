"""Heads signed as JWS (RFC 7515) with the keys that sign access tokens."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from .ports import BadSignature, UnknownKey

TYPE = "lydian-audit+jws"
"""The header ``typ``: an access token is no signature of ours, nor the other way round (RFC 8725, 3.11)."""


class VerifyingKey(Protocol):
    @property
    def kid(self) -> str: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def key(self) -> Any: ...


class SigningKey(VerifyingKey, Protocol):
    @property
    def private(self) -> Any: ...


class JwsSigner:
    """The first of ``signing`` signs; ``verifying`` is asked once for each object."""

    def __init__(
        self, signing: Callable[[], Awaitable[Sequence[SigningKey]]], verifying: Callable[[], Awaitable[Sequence[VerifyingKey]]]
    ) -> None:
        self._signing, self._verifying = signing, verifying
        self._known: dict[str, VerifyingKey] | None = None

    async def sign(self, text: str) -> str:
        import jwt

        key = (await self._signing())[0]
        return jwt.PyJWS().encode(text.encode(), key.private, algorithm=key.algorithm, headers={"kid": key.kid, "typ": TYPE})

    async def signed(self, signature: str) -> str:
        import jwt

        if self._known is None:
            self._known = {key.kid: key for key in await self._verifying()}
        try:
            header = jwt.get_unverified_header(signature)
            if header.get("typ") != TYPE or "crit" in header:
                raise BadSignature
            key = self._known.get(str(header.get("kid")))
            if key is None:
                raise UnknownKey(str(header.get("kid")))
            # The key decides the algorithm, never the header.
            payload: bytes = jwt.PyJWS().decode(signature, key.key, algorithms=[key.algorithm])
            return payload.decode()
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise BadSignature from None
