"""What became of each message: the row that makes one message out of an event that comes twice.

A day's rows share a table, which is dropped whole. A message's row is in the table of the day on which it was handed in first;
with a key that may be some days back. Only when the same key is handed in twice in one moment at midnight can two tables get
a row of it, and two mails leave.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared_code.clock import Clock
from shared_code.storage.daily import drop_expired, table_for
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Insert, Missing, Replace, Row, Tables, Value

from .orders import Order, address_hash

PREFIX = "mailsent"
KEY = "mail"
KEPT_DAYS = 30
REMEMBERED_DAYS = 7
"""How long a key stands for one message: longer than any job is repeated."""
LEASE = timedelta(minutes=2)
"""One attempt takes less; who has not reported by then has died."""
TRIES = 5

Status = Literal["sending", "waiting", "sent", "outbox", "suppressed", "failed"]
_OPEN = ("sending", "waiting", "failed")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to carry out one attempt, for as long as LEASE."""

    table: str
    etag: str
    created_at: datetime


class BeingSent(Exception):
    """Another has the message; ``seconds`` from now it has reported, or died."""

    def __init__(self, seconds: int) -> None:
        super().__init__("being sent by another")
        self.seconds = seconds


class Records:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def claim(self, order: Order) -> Claim | None:
        """None when there is nothing to do: it was sent, or a later attempt is on its way. Raises BeingSent."""
        for _ in range(TRIES):
            table, row = await self._find(order)
            now = self._clock.now()
            created_at = _moment(row, "created_at") if row else now
            values = self._values(order, "sending", created_at, until=now + LEASE)
            try:
                if row is None:
                    return Claim(table, await self._tables.apply(table, order.message_id, Insert(KEY, values)), created_at)
                if not self._may_take(row, order, now):
                    return None
                etag = await self._tables.apply(table, order.message_id, Replace(KEY, values, row.etag))
                return Claim(table, etag, created_at)
            except (AlreadyExists, EtagMismatch, Missing):
                continue  # another was faster
        raise BeingSent(int(LEASE.total_seconds()))

    async def finish(self, order: Order, claim: Claim, status: Status, *, error: str = "", provider_id: str = "") -> None:
        """Write down what became of the attempt. Not when another has taken over meanwhile: the row is his."""
        values = self._values(order, status, claim.created_at, error=error, provider_id=provider_id)
        try:
            await self._tables.apply(claim.table, order.message_id, Replace(KEY, values, claim.etag))
        except (EtagMismatch, Missing):
            pass

    async def purge(self) -> int:
        return await drop_expired(self._tables, PREFIX, self._clock.now(), keep_days=KEPT_DAYS)

    async def _find(self, order: Order) -> tuple[str, Row | None]:
        days = REMEMBERED_DAYS if order.key else 1
        tables = [table_for(PREFIX, order.handed_in_at - timedelta(days=back)) for back in range(days)]
        rows = await asyncio.gather(*(self._tables.get(table, order.message_id, KEY) for table in tables))
        found = [(table, row) for table, row in zip(tables, rows, strict=True) if row is not None]
        return found[-1] if found else (tables[0], None)

    def _may_take(self, row: Row, order: Order, now: datetime) -> bool:
        status, attempt, until = row.values["status"], row.values["attempt"], _moment(row, "until")
        assert isinstance(attempt, int)
        if status not in _OPEN or order.attempt < attempt:
            return False
        if order.attempt > attempt:
            return True
        if status == "sending" and until > now:
            raise BeingSent(int((until - now).total_seconds()) + 1)
        return status != "failed"

    def _values(
        self, order: Order, status: Status, created_at: datetime, *, until: datetime | None = None, error: str = "", provider_id: str = ""
    ) -> dict[str, Value]:
        now = self._clock.now()
        return {
            "v": 1,
            "status": status,
            "template": order.template,
            "address": address_hash(order.to),
            "attempt": order.attempt,
            "until": until or now,
            "error": error,
            "provider_id": provider_id,
            "created_at": created_at,
            "updated_at": now,
        }


def _moment(row: Row, name: str) -> datetime:
    moment = row.values[name]
    assert isinstance(moment, datetime)
    return moment
