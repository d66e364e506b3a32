"""Nightly: usage of days that are kept no longer. Leases need no purge: one that has expired counts nowhere, and the account's next write
drops it. The last two days of an account stand in its own row, and stay with it."""

from datetime import timedelta

from shared_code.clock import Clock
from shared_code.storage.ports import Delete, Missing, Tables

from .spending import DAY_PREFIX, TABLE, day_of, month_of
from .stats import MONTH_PREFIX, table_of

KEPT = timedelta(days=396)
"""Thirteen months: a year, and the month that it is compared with."""
PAGE = 500


class AiPurge:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def run(self) -> int:
        """Remove usage older than KEPT; return how many rows and tables. Safe to run twice."""
        since = self._clock.now() - KEPT
        removed, partition, key = 0, None, None
        while rows := await self._tables.query(
            TABLE, prefix=DAY_PREFIX, before=DAY_PREFIX + day_of(since), after_partition=partition, after=key, limit=PAGE
        ):
            partition, key = rows[-1].partition, rows[-1].key
            for row in rows:
                try:
                    await self._tables.apply(TABLE, row.partition, Delete(row.key))
                    removed += 1
                except Missing:
                    pass  # another run, or the user's removal
        oldest = table_of(month_of(since))
        for name in await self._tables.list_tables(MONTH_PREFIX):
            if len(name) == len(oldest) and name < oldest:
                await self._tables.drop(name)
                removed += 1
        return removed
