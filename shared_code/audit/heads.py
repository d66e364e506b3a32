"""The ends of the days' chains, and what is known of them outside of the days' own tables."""

from shared_code.storage.ports import Tables, Upsert, Where

from . import tables as rows
from .models import Dropped, Head
from .ports import BadSignature, Signer, UnknownKey


class Heads:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def of(self, day: str) -> Head | None:
        """The day's head; ValueError when it is unreadable."""
        row = await self._tables.get(rows.table_of(day), rows.LOG, rows.HEAD)
        return rows.to_head(row) if row else None

    async def copy(self, day: str) -> Head | None:
        """The head as it was copied last: it may lag behind, and is not there before the first copy."""
        row = await self._tables.get(rows.HEADS, rows.LOG, rows.DAY + day)
        return rows.to_head(row) if row else None

    async def keep_copy(self, head: Head) -> None:
        """A slower sealer may write an older one over it: the day is then known to have had at least that much."""
        await self._tables.apply(rows.HEADS, rows.LOG, Upsert(rows.DAY + head.day, rows.head_values(head)))

    async def dropped(self) -> Dropped | None:
        row = await self._tables.get(rows.HEADS, rows.LOG, rows.DROPPED)
        return rows.to_dropped(row) if row else None

    async def swept(self) -> str | None:
        """The last day of which every row had been sealed, when it was looked through at night."""
        row = await self._tables.get(rows.HEADS, rows.LOG, rows.SWEPT)
        return str(row.values["day"]) if row else None

    async def mark_swept(self, day: str) -> None:
        await self._tables.apply(rows.HEADS, rows.LOG, Upsert(rows.SWEPT, {"day": day}))


async def is_signed(signer: Signer, signature: str, text: str) -> bool:
    """Whether a key that is known has signed just this."""
    try:
        return await signer.signed(signature) == text
    except (BadSignature, UnknownKey):
        return False


async def hash_at(tables: Tables, head: Head, seq: int) -> str | None:
    """The hash that the day's chain has at ``seq``; None when no row has that number. At most one storage call."""
    if seq == head.seq:
        return head.hash
    found = await tables.query(rows.table_of(head.day), rows.LOG, prefix=rows.EVENT, where=[Where("seq", "eq", seq)], limit=1)
    return str(found[0].values.get("hash")) if found else None
