"""What an administrator tells people on the status page: table ``announcements``, partition ``all``, newest first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from shared_code import ids
from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.errors import Conflict, NotFound
from shared_code.storage.ports import EtagMismatch, Insert, Missing, Replace, Row, Tables, Value

from .records import moment, optional_moment

TABLE, PARTITION = "announcements", "all"
MAX_OPEN = 100
"""Of the newest so many announcements the open ones are shown."""

Kind = Literal["information", "maintenance", "incident"]


@dataclass(frozen=True, slots=True)
class Announcement:
    """``closed_at`` is None while it stands. Titles and texts are plain text."""

    id: str
    kind: Kind
    title: str
    text: str
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None

    @property
    def key(self) -> str:
        return ids.inverted(self.id)

    def values(self) -> dict[str, Value]:
        return {
            "v": 1,
            "kind": self.kind,
            "title": self.title,
            "text": self.text,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "closed_at": self.closed_at,
        }

    @classmethod
    def of(cls, row: Row) -> "Announcement":
        values, kinds = row.values, {"maintenance": "maintenance", "incident": "incident"}
        kind: Any = kinds.get(str(values["kind"]), "information")
        return cls(
            id=ids.inverted(row.key),
            kind=kind,
            title=str(values["title"]),
            text=str(values.get("text") or ""),
            created_at=moment(values["created_at"]),
            updated_at=moment(values["updated_at"]),
            closed_at=optional_moment(values.get("closed_at")),
        )


class Announcements:
    def __init__(self, tables: Tables, clock: Clock, audit: Audit) -> None:
        self._tables, self._clock, self._audit = tables, clock, audit

    async def post(self, by: str, *, kind: Kind, title: str, text: str) -> Announcement:
        """Show it to everybody from now on; ``by`` is the administrator's user id, which nobody else is told."""
        now = self._clock.now()
        made = Announcement(ids.new_id(now), kind, title, text, now, now)
        await self._tables.apply(TABLE, PARTITION, Insert(made.key, made.values()))
        await self._audit.record("announcement_posted", user_id=by, announcement=made.id)
        return made

    async def change(self, by: str, announcement_id: str, changes: Mapping[str, str]) -> Announcement:
        """Of ``kind``, ``title`` and ``text`` what is given. Raises NotFound, and Conflict when another was faster."""
        return await self._write(by, announcement_id, "announcement_changed", dict(changes))

    async def close(self, by: str, announcement_id: str) -> Announcement:
        """It is over. Closing again changes nothing."""
        return await self._write(by, announcement_id, "announcement_closed", {"closed_at": self._clock.now()})

    async def page(self, *, after: str | None = None, limit: int) -> list[Announcement]:
        """Newest first, behind the id ``after``. One storage call."""
        last = ids.inverted(after) if after else None
        return [Announcement.of(row) for row in await self._tables.query(TABLE, PARTITION, after=last, limit=limit)]

    async def _write(self, by: str, announcement_id: str, event: str, changes: dict[str, Any]) -> Announcement:
        if not ids.is_id(announcement_id):
            raise _missing()
        row = await self._tables.get(TABLE, PARTITION, ids.inverted(announcement_id))
        if row is None:
            raise _missing()
        before = Announcement.of(row)
        if "closed_at" in changes and before.closed_at is not None:
            return before
        after = replace(before, **changes, updated_at=max(self._clock.now(), before.created_at))
        try:
            await self._tables.apply(TABLE, PARTITION, Replace(after.key, after.values(), row.etag))
        except (EtagMismatch, Missing):
            raise Conflict("Somebody else has just changed this announcement.") from None
        await self._audit.record(event, user_id=by, announcement=announcement_id)
        return after


def _missing() -> NotFound:
    return NotFound("There is no such announcement.")
