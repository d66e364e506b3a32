"""``Storage`` in memory, for tests: every rule of the ports, none of the latency."""

from ..clock import Clock, SystemClock
from .memory_blobs import MemoryBlobs
from .memory_queues import MemoryQueues
from .memory_tables import MemoryTables


class MemoryStorage:
    """The clock dates blobs and messages, and decides which messages are visible and which grants have expired."""

    def __init__(self, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self.blobs = MemoryBlobs(clock)
        self.tables = MemoryTables()
        self.queues = MemoryQueues(clock)

    async def check(self) -> None:
        """Memory always answers."""

    async def aclose(self) -> None:
        """There is nothing to close."""
