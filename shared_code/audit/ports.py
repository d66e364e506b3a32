"""Where security events go. A service records them; it never reads them back."""

from typing import Protocol


class Audit(Protocol):
    async def record(self, kind: str, *, user_id: str | None, **details: str | int | bool | None) -> None:
        """Record one event, e.g. ``sign_in``; never a secret, never an address in clear where a user id will do.

        It does not fail the request that caused it.
        """
