"""Which processes serve: each says each minute that it lives (table ``instances``, a row for each), and what it uses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from shared_code.clock import Clock
from shared_code.storage.ports import Delete, EtagMismatch, Missing, Row, Tables, Upsert

from .resources import Resources

TABLE, PARTITION = "instances", "all"
GONE = timedelta(minutes=3)
"""Whoever was silent for so long is not shown: it has ended, or the platform lets it sleep."""
FORGOTTEN = timedelta(hours=1)
SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Instance:
    """One process of one app. ``id`` lives as long as the process. ``resources`` are as of ``last_seen``."""

    id: str
    host: str
    version: str
    services: tuple[str, ...]
    started_at: datetime
    last_seen: datetime
    resources: Resources | None = None


class Looks(Protocol):
    async def read(self) -> Resources: ...


class Instances:
    def __init__(self, tables: Tables, clock: Clock, gauge: Looks, own: Instance) -> None:
        self._tables, self._clock, self._gauge, self._own = tables, clock, gauge, own

    async def register(self) -> Instance:
        """Say that this process lives. One storage call; a row that was removed comes back."""
        own = await self.look()
        figures = own.resources.values() if own.resources else {}
        values = {
            "v": 1,
            "host": own.host,
            "version": own.version,
            "services": ",".join(own.services),
            "started_at": own.started_at,
            "last_seen": own.last_seen,
            **figures,
        }
        await self._tables.apply(TABLE, PARTITION, Upsert(own.id, values))
        return own

    async def look(self) -> Instance:
        """This process now."""
        return replace(self._own, last_seen=self._clock.now(), resources=await self._gauge.read())

    async def alive(self) -> Sequence[Instance]:
        """Whoever was heard of in the last three minutes, the youngest last; at most a thousand. One storage call."""
        since = self._clock.now() - GONE
        rows = await self._tables.query(TABLE, PARTITION, limit=SHOWN)
        found = [instance for instance in map(_of, rows) if instance.last_seen > since]
        return sorted(found, key=lambda instance: (instance.started_at, instance.id))

    async def purge(self) -> int:
        """Remove the rows of those that were silent for an hour; return how many."""
        since = self._clock.now() - FORGOTTEN
        rows = await self._tables.query(TABLE, PARTITION, limit=SHOWN)
        gone = [row for row in rows if _of(row).last_seen < since]
        for row in gone:
            try:
                await self._tables.apply(TABLE, PARTITION, Delete(row.key, row.etag))
            except (Missing, EtagMismatch):
                continue  # another run was faster, or it lives again
        return len(gone)


def _of(row: Row) -> Instance:
    values = row.values
    return Instance(
        row.key,
        str(values.get("host", "")),
        str(values.get("version", "")),
        tuple(filter(None, str(values.get("services", "")).split(","))),
        _moment(values.get("started_at")),
        _moment(values.get("last_seen")),
        Resources.of(values),
    )


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.min.replace(tzinfo=UTC)
