"""The local outbox: where mail ends on a developer's machine, to be read there."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from shared_code import ids
from shared_code.clock import Clock
from shared_code.emails import masked
from shared_code.storage.ports import AlreadyExists, Delete, Insert, Missing, Row, Tables, Value

from .ports import Message

log = structlog.get_logger("lydian.mail")

TABLE = "mailoutbox"
PARTITION = "all"
KEPT = 500
KEPT_FOR = timedelta(days=7)
TRIMMED_EVERY = 50
"""Mails of one process, so that a test run that no night interrupts fills nothing."""
MAX_BODY = 16_000
"""Characters kept of a body: a property holds 32 Ki UTF-16 units, of which one character may take two."""


@dataclass(frozen=True, slots=True)
class Stored:
    id: str
    to: str
    subject: str
    template: str
    text: str
    html: str
    created_at: datetime
    status: str = "outbox"


class Outbox:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock
        self._since_trim = 0

    async def put(self, message: Message, template: str, order_id: str) -> None:
        """Keep a mail; the same ``order_id`` again changes nothing."""
        values: dict[str, Value] = {
            "v": 1,
            "to": message.to,
            "subject": message.subject,
            "template": template,
            "text": message.text[:MAX_BODY],
            "html": message.html[:MAX_BODY],
            "created_at": self._clock.now(),
        }
        try:
            await self._tables.apply(TABLE, PARTITION, Insert(ids.inverted(order_id), values))
        except AlreadyExists:
            return
        log.info("mail_in_outbox", to=masked(message.to), subject=message.subject, template=template, read_at="/api/mail/outbox")
        self._since_trim += 1
        if self._since_trim >= TRIMMED_EVERY:
            self._since_trim = 0
            await self.trim()

    async def page(self, *, after: str | None, limit: int) -> list[Stored]:
        """Up to ``limit`` mails, newest first, behind the mail ``after``."""
        rows = await self._tables.query(TABLE, PARTITION, after=after and ids.inverted(after), limit=limit)
        return [_stored(row) for row in rows]

    async def trim(self) -> int:
        """Remove all but the last 500, and what is older than a week; return how many. Safe to run twice."""
        oldest = self._clock.now() - KEPT_FOR
        kept = removed = 0
        after: str | None = None
        while rows := await self._tables.query(TABLE, PARTITION, after=after, limit=KEPT):
            after = rows[-1].key
            for row in rows:
                if kept < KEPT and _stored(row).created_at > oldest:
                    kept += 1
                else:
                    removed += await self._remove(row.key)
        return removed

    async def _remove(self, key: str) -> bool:
        try:
            await self._tables.apply(TABLE, PARTITION, Delete(key))
        except Missing:
            return False  # another run was faster
        return True


def _stored(row: Row) -> Stored:
    to, subject, template, text, body = (str(row.values[name]) for name in ("to", "subject", "template", "text", "html"))
    created_at = row.values["created_at"]
    assert isinstance(created_at, datetime)
    return Stored(ids.inverted(row.key), to, subject, template, text, body, created_at)
