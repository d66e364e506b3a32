"""Counted requests: by function, method, class of status and kind. They can be added up, and packed into a row."""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from shared_code.storage.ports import Row, Value

from . import histogram
from .histogram import Buckets

Kind = Literal["plain", "stream", "cold"]
"""``stream``: bytes went on for as long as they were long, either way; their latency is the time to the first byte.
``cold``: the process was at its first requests. Neither says how fast an ordinary request is."""

FALLBACK = "zz_fallback"
"""The function that answers what no other does; its 404s are counted as one, however many paths were tried."""
PIECE, PIECES = 60_000, 16
"""Bytes of one property (a binary one holds 64 KiB), and how many a row has: it holds 1 MiB."""


class Key(NamedTuple):
    """``status``: the first digit. ``method``: one of HTTP's own, or ``OTHER``: a caller can make up as many as he likes."""

    function: str
    method: str
    status: int
    kind: Kind


@dataclass(slots=True)
class Series:
    """``micros``: their latencies' sum. ``whole``: for streams, how long they took to their end."""

    count: int = 0
    micros: int = 0
    latency: Buckets = field(default_factory=dict)
    whole: Buckets = field(default_factory=dict)

    def add(self, other: "Series") -> None:
        self.count += other.count
        self.micros += other.micros
        histogram.add(self.latency, other.latency)
        histogram.add(self.whole, other.whole)


Traffic = dict[Key, Series]


def merge(parts: Iterable[Mapping[Key, Series]]) -> Traffic:
    """The sum, in objects of its own."""
    found: Traffic = {}
    for part in parts:
        for key, series in part.items():
            found.setdefault(key, Series()).add(series)
    return found


def requests(traffic: Mapping[Key, Series]) -> int:
    return sum(series.count for series in traffic.values())


def errors(traffic: Mapping[Key, Series]) -> int:
    """What failed for our sake: 5xx."""
    return sum(series.count for key, series in traffic.items() if key.status == 5)


def latencies(traffic: Mapping[Key, Series], kind: Kind = "plain") -> Buckets:
    found: Buckets = {}
    for key, series in traffic.items():
        if key.kind == kind:
            histogram.add(found, series.latency)
    return found


def pack(traffic: Mapping[Key, Series]) -> dict[str, Value]:
    """A row's properties; ``requests`` and ``errors`` are there for people who look at the table."""
    lines = [[*key, series.count, series.micros, _flat(series.latency), _flat(series.whole)] for key, series in sorted(traffic.items())]
    data = zlib.compress(json.dumps(lines, separators=(",", ":")).encode(), 6)
    if len(data) > PIECE * PIECES:
        raise ValueError("more functions than a row of traffic holds")
    pieces = {f"data{index}": data[first : first + PIECE] for index, first in enumerate(range(0, len(data), PIECE))}
    return {"v": 1, "requests": requests(traffic), "errors": errors(traffic), **pieces}


def unpack(row: Row | None) -> Traffic:
    data, index = b"", 0
    while row is not None and isinstance(piece := row.values.get(f"data{index}"), bytes):
        data, index = data + piece, index + 1
    if not data:
        return {}
    return {
        Key(function, method, status, kind): Series(count, micros, _buckets(latency), _buckets(whole))
        for function, method, status, kind, count, micros, latency, whole in json.loads(zlib.decompress(data))
    }


def _flat(buckets: Mapping[int, int]) -> list[int]:
    return [number for pair in sorted(buckets.items()) for number in pair]


def _buckets(flat: list[int]) -> Buckets:
    return dict(zip(flat[::2], flat[1::2], strict=True))
