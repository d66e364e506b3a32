"""The trail's rows.

``auditYYYYMMDD``, partition ``log``: ``e:<inverted id>`` an event, newest first; ``head`` the end of the day's chain.
``audituser``, partition = user id: ``<inverted id>`` a copy of each event of theirs that is, or is about to be, sealed.
``auditheads``, partition ``log``: ``d:<day>`` a copy of each head, ``dropped`` what retention has removed, ``swept`` the nightly mark.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from shared_code import ids
from shared_code.storage.daily import table_for
from shared_code.storage.ports import Row, Tables, Value

from . import chain
from .models import Dropped, Event, Head

PREFIX = "audit"
COPIES = "audituser"
HEADS = "auditheads"
LOG = "log"
EVENT, HEAD, DAY, DROPPED, SWEPT = "e:", "head", "d:", "dropped", "swept"
SEAL = frozenset({"sealed", "seq", "hash"})
"""The properties that sealing adds; all others are what is sealed."""

_DAY_TABLE = re.compile(rf"{PREFIX}([0-9]{{8}})")
_LATEST = 2**48 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_of(event_id: str) -> datetime:
    """When the id was made; OverflowError beyond the year 9999."""
    return EPOCH + timedelta(milliseconds=ids.timestamp_ms(event_id))


def day_of(moment: datetime) -> str:
    return table_for("", moment.astimezone(UTC))


def moment_of(day: str) -> datetime:
    """The day's first moment."""
    return datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)


def day_before(day: str) -> str:
    return day_of(moment_of(day) - timedelta(days=1))


def table_of(day: str) -> str:
    return PREFIX + day


async def days(tables: Tables) -> list[str]:
    """The days that have a table, oldest first. One storage call."""
    found = (_DAY_TABLE.fullmatch(name) for name in await tables.list_tables(PREFIX))
    return [match[1] for match in found if match]


def key_of(event_id: str) -> str:
    return EVENT + ids.inverted(event_id)


def id_of(row: Row) -> str:
    """The id in an event's key, or in a copy's; ValueError when there is none."""
    found = ids.inverted(row.key.removeprefix(EVENT))
    if not ids.is_id(found):
        raise ValueError("not an event's key")
    return found


def position(moment: datetime) -> str:
    """An inverted id just behind every event at or after the moment, and before all older ones."""
    # Whole milliseconds, as events have; a part of one belongs to the next.
    millisecond = min(max(-((EPOCH - moment) // timedelta(milliseconds=1)), 0), _LATEST)
    return ids.inverted(ids.encode(max((millisecond << 80) - 1, 0), ids.LENGTH))


def day_at(inverted_id: str) -> str:
    """The day of a position in a list; ValueError when it is none."""
    found = ids.inverted(inverted_id)
    if not ids.is_id(found):
        raise ValueError("not a position")
    try:
        return day_of(time_of(found))
    except OverflowError:
        raise ValueError("not a position") from None


def content(row: Row) -> dict[str, Value]:
    return {name: value for name, value in row.values.items() if name not in SEAL}


def digest(day: str, row: Row) -> bytes:
    """What of an event's row, or of its copy, the chain holds; ValueError for a key that is none."""
    return chain.digest(day, id_of(row), content(row))


def to_event(row: Row) -> Event:
    values = row.values
    at = values["at"]
    assert isinstance(at, datetime)
    return Event(
        id=id_of(row),
        kind=str(values["kind"]),
        user_id=_optional(values.get("user_id")),
        at=at,
        details=json.loads(str(values["details"])),
        request_id=_optional(values.get("request_id")),
    )


def is_event(row: Row) -> bool:
    """False for what no recorder of ours has written: it is passed over, and must stop nothing."""
    try:
        to_event(row)
    except (ValueError, KeyError, AssertionError):
        return False
    return True


def head_values(head: Head) -> dict[str, Value]:
    return {
        "v": 1,
        "day": head.day,
        "seq": head.seq,
        "hash": head.hash,
        "previous_day": head.previous_day,
        "previous_seq": head.previous_seq,
        "previous_hash": head.previous_hash,
        "sealed_through": head.sealed_through,
        "signature": head.signature,
    }


def to_head(row: Row) -> Head:
    """ValueError when somebody has made it unreadable."""
    values: dict[str, Any] = dict(row.values)
    try:
        head = Head(**{name: values[name] for name in Head.__slots__ if name != "etag"}, etag=row.etag)
    except KeyError as missing:
        raise ValueError(f"a head without {missing.args[0]}") from None
    texts = (head.day, head.hash, head.previous_day, head.previous_hash, head.signature)
    numbers = (head.seq, head.previous_seq)
    if not all(isinstance(each, str) for each in texts) or not all(type(each) is int for each in numbers):
        raise ValueError("a head of other types")
    if not isinstance(head.sealed_through, datetime):
        raise ValueError("a head without a time")
    return head


def dropped_values(dropped: Dropped) -> dict[str, Value]:
    return {name: getattr(dropped, name) for name in Dropped.__slots__}


def to_dropped(row: Row) -> Dropped:
    """ValueError when somebody has made it unreadable."""
    values: dict[str, Any] = dict(row.values)
    try:
        return Dropped(**{name: values[name] for name in Dropped.__slots__})
    except KeyError as missing:
        raise ValueError(f"a mark without {missing.args[0]}") from None


def _optional(value: Value) -> str | None:
    return None if value is None else str(value)
