"""Where a message stands in its conversation's tree, such that a page of any path is a few ranges of rows.

The tree is kept in *segments*: straight chains without a gap. An answer to a segment's last message goes on in that segment;
what makes a sibling begins a new one. A message's place is its segment and its depth, and its id holds both, so that one look
finds it and rows of a chain lie side by side. A segment's row holds its *ancestry*: which stretch of which segment leads from
the root to where it branches off. The path to a message is then a list of stretches, known after one look.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared_code import ids

WIDTH = 4
MAX_PLACES = 32**WIDTH
"""Segments of a conversation, and messages on one path: 1,048,576."""
MAX_BRANCHES = 8000
"""Branchings on one path: what a table property of 64 KiB holds of its ancestry."""

_PACKED = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Place:
    segment: int
    depth: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """The messages of ``segment`` from depth ``first`` to depth ``last``, both included."""

    segment: int
    first: int
    last: int


Ancestry = tuple[tuple[int, int], ...]
"""(segment, last depth in it), from the root on."""


def new_message_id(now: datetime, place: Place) -> str:
    return ids.new_id(now) + ids.encode(place.segment, WIDTH) + ids.encode(place.depth, WIDTH)


def place_of(message_id: str) -> Place | None:
    """The place that an id names; None for what is no message's id."""
    if not ids.is_id(message_id, ids.LENGTH + 2 * WIDTH):
        return None
    tail = message_id[ids.LENGTH :]
    return Place(ids.decode(tail[:WIDTH]), ids.decode(tail[WIDTH:]))


def branch(ancestry: Ancestry, parent: Place | None) -> Ancestry:
    """The ancestry of a new segment that branches off behind ``parent``, which stands in a segment of ``ancestry``."""
    return () if parent is None else (*ancestry, (parent.segment, parent.depth))


def path(ancestry: Ancestry, place: Place) -> list[Stretch]:
    """The way from the root to ``place``, whose segment has ``ancestry``."""
    found, first = [], 0
    for segment, last in (*ancestry, (place.segment, place.depth)):
        found.append(Stretch(segment, first, last))
        first = last + 1
    return found


def between(stretches: Sequence[Stretch], first: int, last: int) -> list[Stretch]:
    """What of a path lies at depths ``first`` to ``last``."""
    cut = (Stretch(each.segment, max(each.first, first), min(each.last, last)) for each in stretches)
    return [each for each in cut if each.first <= each.last]


def pack(ancestry: Ancestry) -> bytes:
    return b"".join(_PACKED.pack(*each) for each in ancestry)


def unpack(packed: bytes) -> Ancestry:
    return tuple((segment, last) for segment, last in _PACKED.iter_unpack(packed))
