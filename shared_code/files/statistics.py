"""Totals over everyone: added up by a timer from the exact totals of owners who have changed something, read by administrators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared_code.clock import Clock
from shared_code.storage.feeds import ChangeFeed
from shared_code.storage.ports import Tables, Where
from shared_code.storage.sums import Sums
from shared_code.storage.sums_rows import Figures, Summed

from .models import Usage
from .tables import FILES, STATISTICS, USAGE_KEY, to_usage

FEED = "files"
PAGE = 500
_TYPE = "type "


@dataclass(frozen=True, slots=True)
class Totals:
    usage: Usage
    owners: int
    as_of: datetime


class Statistics:
    def __init__(self, tables: Tables, clock: Clock, changes: ChangeFeed) -> None:
        self._sums = Sums(tables, clock, table=STATISTICS, feed=changes, source=_Owners(tables))

    async def roll_up(self) -> Totals:
        """Count what has changed since the last one; a run that repeats or overlaps counts nothing twice."""
        return _totals(await self._sums.roll_up())

    async def recount(self) -> Totals:
        """Count everybody, and say in the log what was out."""
        return _totals(await self._sums.recount())

    async def latest(self) -> Totals:
        """The last roll-up; made now when there has been none."""
        return _totals(await self._sums.latest())


class _Owners:
    """Every owner's totals, as ``UsageLedger`` keeps them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def of(self, owner: str) -> Figures:
        row = await self._tables.get(FILES, owner, USAGE_KEY)
        return _figures(to_usage(row)) if row else {}

    async def page(self, after: str | None) -> Sequence[tuple[str, Figures]]:
        only_totals = [Where("kind", "eq", "usage")]
        rows = await self._tables.query(FILES, prefix=USAGE_KEY, after_partition=after, where=only_totals, limit=PAGE)
        return [(row.partition, _figures(to_usage(row))) for row in rows]


def _figures(usage: Usage) -> Figures:
    return {
        "active_files": usage.active_files,
        "deleted_files": usage.deleted_files,
        "bytes": usage.bytes,
        "reserved_bytes": usage.reserved_bytes,
        **{_TYPE + content_type: count for content_type, count in usage.by_type.items()},
    }


def _totals(summed: Summed) -> Totals:
    figures = summed.figures
    usage = Usage(
        active_files=figures.get("active_files", 0),
        deleted_files=figures.get("deleted_files", 0),
        bytes=figures.get("bytes", 0),
        reserved_bytes=figures.get("reserved_bytes", 0),
        by_type={name.removeprefix(_TYPE): count for name, count in figures.items() if name.startswith(_TYPE)},
    )
    return Totals(usage, summed.owners, summed.as_of)
