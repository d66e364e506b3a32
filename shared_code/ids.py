"""Identifiers that sort by creation time, and the keys that list them newest first.

The layout is ULID's (https://github.com/ulid/spec), in lower case: 48 bits of milliseconds, then 80 random bits, in
Crockford's base 32. Within one millisecond a process counts up, so that its own ids stay in order.
"""

import secrets
import threading
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_INVERTED = str.maketrans(_ALPHABET, _ALPHABET[::-1])
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
LENGTH = 26

_lock = threading.Lock()
_last = 0


def new_id(now: datetime) -> str:
    """26 characters, greater than every id that this process made before, unless the clock went back."""
    global _last
    value = (int(now.timestamp() * 1000) << 80) | secrets.randbits(80)
    with _lock:
        if value >> 80 == _last >> 80:
            value = _last + 1
        _last = value
    return encode(value, LENGTH)


def encode(value: int, length: int) -> str:
    characters = []
    for _ in range(length):
        characters.append(_ALPHABET[value & 31])
        value >>= 5
    return "".join(reversed(characters))


def decode(text: str) -> int:
    """What ``encode`` was given; KeyError for other characters."""
    value = 0
    for character in text:
        value = value << 5 | _VALUES[character]
    return value


def is_id(text: str, length: int = LENGTH) -> bool:
    return len(text) == length and all(character in _VALUES for character in text)


def inverted(identifier: str) -> str:
    """The id as a row key under which the newest comes first; its own inverse."""
    return identifier.translate(_INVERTED)


def timestamp_ms(identifier: str) -> int:
    """When the id was made, in milliseconds since the epoch."""
    return decode(identifier[:10])
