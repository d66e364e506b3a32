"""Row keys as Azure Table storage accepts them, in an order that both adapters share.

Azure forbids ``/ \\ # ?`` and the control characters U+0000–U+001F and U+007F–U+009F in keys, and several of its clients
trip over ``%`` (Microsoft, "Understanding the Table service data model"). Each of these, and the escape character
itself, becomes ``!`` and two hexadecimal digits. ``!`` stands below digits and letters, as most of what it replaces does,
and escaping goes character by character, so a prefix of a key is a prefix of the encoded key.

Azure compares keys by UTF-16 code unit, where characters beyond U+FFFF come before U+E000: ``sort_key`` and ``successor``
follow that.
"""

import re

MAX_KEY_UNITS = 512
"""Azure's limit of 1 KiB a key, in UTF-16 code units, after encoding."""

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f!#%/\\?]")
_ESCAPED = re.compile("!([0-9A-F]{2})")
_AFTER_BMP_LOW, _ASTRAL_FIRST = "\ud7ff", "\U00010000"
_ASTRAL_LAST, _BMP_HIGH = "\U0010ffff", "\ue000"


def encode(key: str) -> str:
    """The key as it is stored. ``ValueError`` when that is longer than 512 UTF-16 code units."""
    if _FORBIDDEN.search(key):
        key = _FORBIDDEN.sub(lambda match: f"!{ord(match[0]):02X}", key)
    # Only a key of more than half the limit can exceed it, which saves the count for nearly all.
    if len(key) * 2 > MAX_KEY_UNITS and utf16_units(key) > MAX_KEY_UNITS:
        raise ValueError(f"a key holds at most {MAX_KEY_UNITS} UTF-16 code units; / \\ # ? % ! and control characters count as 3")
    return key


def decode(stored: str) -> str:
    """What ``encode`` was given."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), stored) if "!" in stored else stored


def utf16_units(text: str) -> int:
    """Length as Azure counts it. ``ValueError`` for a lone surrogate, which no encoding can carry."""
    return len(text.encode("utf-16-le")) // 2


def sort_key(stored: str) -> bytes:
    """Bytes that compare as Azure compares the stored keys."""
    return stored.encode("utf-16-be")


def successor(prefix: str) -> str | None:
    """The least text greater than every text that starts with ``prefix``; None when there is none (empty, or all U+FFFF)."""
    stem = prefix.rstrip("\uffff")
    return stem[:-1] + _next(stem[-1]) if stem else None


def _next(character: str) -> str:
    if character == _AFTER_BMP_LOW:
        return _ASTRAL_FIRST
    return _BMP_HIGH if character == _ASTRAL_LAST else chr(ord(character) + 1)
