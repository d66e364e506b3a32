"""Addresses that get no mail: it came back, or its owner complained. Kept as SHA-256, for good; an operator deletes a row."""

from datetime import datetime

from shared_code.storage.ports import AlreadyExists, Insert, Tables, Value

from .orders import address_hash

TABLE = "mailsuppressed"
KEY = "address"


class Suppressions:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def reason(self, address: str) -> str | None:
        """Why the address gets no mail; None when it does. One storage call."""
        row = await self._tables.get(TABLE, address_hash(address), KEY)
        return str(row.values["reason"]) if row else None

    async def add(self, address: str, reason: str, *, at: datetime, event_id: str) -> bool:
        """False when it was there before: the first reason stays, in whatever order reports come, and however often."""
        values: dict[str, Value] = {"v": 1, "reason": reason, "at": at, "event_id": event_id}
        try:
            await self._tables.apply(TABLE, address_hash(address), Insert(KEY, values))
        except AlreadyExists:
            return False
        return True
