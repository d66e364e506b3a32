"""What files needs of others."""

from typing import Protocol


class Jobs(Protocol):
    """Work that outlives a request; at least once, in any order."""

    async def hash_file(self, file_id: str) -> None:
        """Have ``sha256`` of a large file computed."""


class StoredHook(Protocol):
    """Told of each new blob where no storage event will be: with in-memory storage, in one process."""

    async def stored(self, file_id: str) -> None: ...


class Passwords(Protocol):
    """Slow hashes for the passwords of share links."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, stored: str | None) -> bool: ...


class QuotaOf(Protocol):
    """A quota of an owner's own, such as that of a plan."""

    async def quota_of(self, owner_id: str) -> int | None:
        """Bytes; None for who has the same as everyone."""
