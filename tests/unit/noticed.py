"""What tests of notices share: something that one instance looks up and another changes."""

from datetime import timedelta

from shared_code.clock import ManualClock
from shared_code.lookups import Lookups
from shared_code.storage.memory_tables import MemoryTables
from shared_code.storage.notices import Notices
from tests.unit.apps import WatchedTables

KEPT = timedelta(seconds=5)


class Rig:
    """A truth in storage that one instance looks up and another changes."""

    def __init__(self) -> None:
        self.clock, self.tables = ManualClock(), WatchedTables(MemoryTables())
        self.truth: str | None = "old"
        self.looks = 0
        self.here, self.there = self.instance(), self.instance()
        self.lookups: Lookups[str] = Lookups(self.clock, kept=KEPT, size=100, notices=self.here)

    def instance(self, clock: ManualClock | None = None, every: float | None = None) -> Notices:
        return Notices(self.tables, clock or self.clock, every=every)  # type: ignore[arg-type]  # what it lacks it passes on

    async def look(self) -> str | None:
        self.looks += 1
        return self.truth

    async def get(self, key: str = "ada/session") -> str | None:
        return await self.lookups.get(key, self.look)

    async def change(self, by: Notices | None = None) -> None:
        await (by or self.there).post("ada")
        self.truth = None
