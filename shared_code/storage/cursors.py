"""Opaque list cursors: where a page ended, bound to the list that it belongs to."""

import base64
import hashlib
import json

from shared_code.errors import InvalidCursor

from . import keys

MAX_POSITION = 400
"""Characters of a row key that a list can end at: what a caller makes up may not exceed what storage takes as a key."""


def encode(position: str, *of: str | None) -> str:
    """A cursor behind ``position`` in the list that ``of`` names (route, owner and filters)."""
    return base64.urlsafe_b64encode(f"{_mark(position, of)}{position}".encode()).rstrip(b"=").decode()


def decode(cursor: str | None, *of: str | None) -> str | None:
    """The position, None without a cursor; raises InvalidCursor for a forged one, or one of another list or filter.

    The mark needs no secret: a position only ever pages through the caller's own partition.
    """
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        text = ""
    mark, position = text[:16], text[16:]
    if not position or mark != _mark(position, of) or not _is_key(position):
        raise InvalidCursor("This cursor does not belong to this list.")
    return position


def _is_key(position: str) -> bool:
    try:
        return len(keys.encode(position)) <= MAX_POSITION
    except ValueError:
        return False


def _mark(position: str, of: tuple[str | None, ...]) -> str:
    return hashlib.sha256(json.dumps([position, *of]).encode()).hexdigest()[:16]
