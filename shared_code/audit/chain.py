"""The hash chain of a day: each link holds the one before it and one row's content.

``link(n) = SHA-256(link(n-1) ‖ SHA-256(content(n)))``; ``link(0)`` holds the day and where the chain of an earlier day stood.
What is hashed is ASCII JSON, so that everybody can compute it: README of the format is ``docs/decisions/0006-audit-chain.md``.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from shared_code.storage.ports import Value

from .models import Dropped, Head


def digest(day: str, event_id: str, values: Mapping[str, Value]) -> bytes:
    """The hash of a row's content: day and id, then every property with its type, by name."""
    fields = [[name, *_typed(values[name])] for name in sorted(values) if values[name] is not None]
    return hashlib.sha256(_json(["event", day, event_id, fields])).digest()


def genesis(day: str, previous_day: str, previous_seq: int, previous_hash: str) -> str:
    return hashlib.sha256(_json(["genesis", day, previous_day, previous_seq, previous_hash])).hexdigest()


def link(previous: str, content_digest: bytes) -> str:
    """The next link; ValueError when ``previous`` is not hexadecimal."""
    return hashlib.sha256(bytes.fromhex(previous) + content_digest).hexdigest()


def head_text(head: Head) -> str:
    """What the signature of a head covers: all that it says."""
    return _json(
        [
            "head",
            head.day,
            head.seq,
            head.hash,
            head.previous_day,
            head.previous_seq,
            head.previous_hash,
            _typed(head.sealed_through)[1],
        ]
    ).decode()


def dropped_text(dropped: Dropped) -> str:
    return _json(["dropped", dropped.through, dropped.day, dropped.seq, dropped.hash]).decode()


def _typed(value: Value) -> tuple[str, str | int | bool]:
    if isinstance(value, datetime):
        return "time", value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, bytes):
        return "bytes", value.hex()
    if isinstance(value, float):
        return "float", repr(value)
    assert value is not None
    return type(value).__name__, value


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()
