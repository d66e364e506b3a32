"""What auth needs of others when somebody leaves, or asks for what is stored about them."""

from collections.abc import AsyncGenerator
from typing import Protocol

from shared_code.archive import Entry


class Forgetting(Protocol):
    """The audit trail, for a user who leaves."""

    async def forget(self, user_id: str) -> int:
        """Remove the user's own list of events; return how many it had."""


class Exporter(Protocol):
    """One service's part of what is stored about a user."""

    def entries(self, user_id: str) -> AsyncGenerator[Entry, None]:
        """The files of its part, one after the other: each one's bytes are read before the next one is asked for. Names begin
        with what belongs to the service alone. What is deleted meanwhile is left out; any other trouble is raised."""
