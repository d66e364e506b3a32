"""How many accounts there are: counted by a timer from those that came and went, read by monitoring."""

from collections.abc import Sequence

from shared_code.clock import Clock
from shared_code.storage.feeds import ChangeFeed
from shared_code.storage.ports import Row, Tables
from shared_code.storage.sums import Sums
from shared_code.storage.sums_rows import Figures, Summed

from .tables import USER_KEY, USERS, to_user

TABLE, FEED = "userstats", "users"
PAGE = 500


class UserStatistics:
    """Figures: ``users``. Accounts on their way out are none any more."""

    def __init__(self, tables: Tables, clock: Clock, changes: ChangeFeed) -> None:
        self._sums = Sums(tables, clock, table=TABLE, feed=changes, source=_Accounts(tables))

    async def roll_up(self) -> Summed:
        """Count what has changed since the last one; a run that repeats or overlaps counts nothing twice."""
        return await self._sums.roll_up()

    async def recount(self) -> Summed:
        """Count every account, and say in the log what was out."""
        return await self._sums.recount()


class _Accounts:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def of(self, owner: str) -> Figures:
        row = await self._tables.get(USERS, owner, USER_KEY)
        return _figures(row) if row else {}

    async def page(self, after: str | None) -> Sequence[tuple[str, Figures]]:
        rows = await self._tables.query(USERS, prefix=USER_KEY, after_partition=after, limit=PAGE)
        return [(row.partition, _figures(row)) for row in rows if row.key == USER_KEY]


def _figures(row: Row) -> Figures:
    return {} if to_user(row).deleting else {"users": 1}
