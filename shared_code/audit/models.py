"""An event, and the end of a day's chain."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """``at`` has whole milliseconds, and is the time in the id."""

    id: str
    kind: str
    user_id: str | None
    at: datetime
    details: Mapping[str, Any]
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a day's chain: ``seq`` rows, the last of which has ``hash``. Days are ``YYYYMMDD``.

    The chain goes on from ``previous_hash``, that of row ``previous_seq`` of ``previous_day``; the first day ever has none (``""``,
    0). ``sealed_through``: what is 10 minutes older has been looked at.
    """

    day: str
    seq: int
    hash: str
    previous_day: str
    previous_seq: int
    previous_hash: str
    sealed_through: datetime
    signature: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Retention has removed every day up to ``through``; the last that had a chain was ``day``, and it ended with ``hash``."""

    through: str
    day: str
    seq: int
    hash: str
    signature: str = ""
