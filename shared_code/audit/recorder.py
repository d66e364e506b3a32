"""Writing an event: one insert into the day's table, waiting for nobody."""

import json
from collections.abc import Mapping
from datetime import datetime

import structlog

from shared_code import ids
from shared_code.clock import Clock
from shared_code.storage.ports import AlreadyExists, Insert, Tables, Value

from . import tables as rows

log = structlog.get_logger("lydian.audit")

MAX_TEXT = 1024
"""Characters kept of a detail: some come from a caller's headers, and a property holds 32 Ki."""


class Recorder:
    """Each event is a line of the log too: where storage fails, the line is what there is."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def record(self, kind: str, *, user_id: str | None, **details: str | int | bool | None) -> None:
        kept = {name: _clean(value) for name, value in details.items() if value is not None}
        log.bind(**kept).info("audit", kind=kind, user_id=user_id)
        try:
            event_id = ids.new_id(self._clock.now())
            at = rows.time_of(event_id)  # to the millisecond: an event is found by the time that it shows
            operation = Insert(rows.key_of(event_id), event_values(kind, user_id, at, kept))
            await self._tables.apply(rows.table_of(rows.day_of(at)), rows.LOG, operation)
        except AlreadyExists:
            pass  # our own first try, whose answer was lost
        except Exception:
            log.exception("audit_not_stored", kind=kind, user_id=user_id)


def event_values(kind: str, user_id: str | None, at: datetime, details: Mapping[str, str | int | bool]) -> dict[str, Value]:
    return {
        "v": 1,
        "kind": kind,
        "user_id": user_id,
        "at": at,
        "details": json.dumps(details, separators=(",", ":")),
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        "sealed": False,
    }


def _clean(value: str | int | bool) -> str | int | bool:
    """Text may have come with half a character, which no log and no answer can carry."""
    return value[:MAX_TEXT].encode("utf-8", "replace").decode() if isinstance(value, str) else value
