"""Totals over everyone: added up by a timer from the owners' exact totals, read by administrators."""

from dataclasses import dataclass
from datetime import datetime

from shared_code.clock import Clock
from shared_code.storage.ports import Tables, Upsert, Where

from .models import Usage
from .tables import FILES, STATISTICS, USAGE_KEY, moment, to_usage, usage_values

PARTITION, LATEST = "all", "latest"


@dataclass(frozen=True, slots=True)
class Totals:
    usage: Usage
    owners: int
    as_of: datetime


class Statistics:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def roll_up(self) -> Totals:
        """Add up every owner's totals and keep the sum; a run that repeats or overlaps writes the same."""
        as_of, owners, total = self._clock.now(), 0, Usage()
        partition = key = None
        only_totals = [Where("kind", "eq", "usage")]
        while rows := await self._tables.query(FILES, prefix=USAGE_KEY, after_partition=partition, after=key, where=only_totals, limit=500):
            partition, key = rows[-1].partition, rows[-1].key
            owners += len(rows)
            for row in rows:
                total = _add(total, to_usage(row))
        totals = Totals(total, owners, as_of)
        await self._tables.apply(STATISTICS, PARTITION, Upsert(LATEST, {**usage_values(total), "owners": owners, "as_of": as_of}))
        return totals

    async def latest(self) -> Totals:
        """The last roll-up; made now when there has been none."""
        row = await self._tables.get(STATISTICS, PARTITION, LATEST)
        if row is None:
            return await self.roll_up()
        owners = row.values["owners"]
        assert isinstance(owners, int)
        return Totals(to_usage(row), owners, moment(row.values["as_of"]))


def _add(left: Usage, right: Usage) -> Usage:
    by_type = dict(left.by_type)
    for content_type, count in right.by_type.items():
        by_type[content_type] = by_type.get(content_type, 0) + count
    return Usage(
        active_files=left.active_files + right.active_files,
        deleted_files=left.deleted_files + right.deleted_files,
        bytes=left.bytes + right.bytes,
        reserved_bytes=left.reserved_bytes + right.reserved_bytes,
        by_type=by_type,
    )
