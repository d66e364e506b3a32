"""Where security events go, and what the trail needs of others."""

from typing import Protocol


class Audit(Protocol):
    """Where a service records its events; it never reads them back."""

    async def record(self, kind: str, *, user_id: str | None, **details: str | int | bool | None) -> None:
        """Record one event, e.g. ``sign_in``; never a secret, never an address in clear where a user id will do.

        It does not fail the request that caused it. One storage call.
        """


class BadSignature(Exception):
    """The signature is not one of the key that it names."""


class UnknownKey(Exception):
    """The signature names a key that is not known, or not any more."""


class Signer(Protocol):
    """Signs what storage alone must not be able to forge."""

    async def sign(self, text: str) -> str:
        """A printable signature that holds the text."""

    async def signed(self, signature: str) -> str:
        """The text that was signed; raises BadSignature or UnknownKey."""
