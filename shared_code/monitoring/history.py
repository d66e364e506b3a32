"""Figures over time in rows of bounded size: table ``statshistory``, partition ``all``, a row for each resolution.

A row holds every point of its resolution, column by column, compressed: three reads show a year, and three writes add a point.
A point's value is the last one of its slot, so that a run that repeats, comes late or overlaps leaves what one run leaves. Rows of a
coarser resolution need no pass over the finer one.
"""

import asyncio
import bisect
import json
import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import structlog

from shared_code.clock import Clock
from shared_code.errors import Busy
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Insert, Missing, Replace, Row, Tables, Value

log = structlog.get_logger("lydian.statistics")

TABLE, PARTITION = "statshistory", "all"
TRIES = 8
SERIES = 60
"""Names that a row holds at most: those that come first in ``add``."""
PIECE = 60_000
"""Bytes of one property; a binary property holds 64 KiB and a row 1 MiB."""
PIECES = 16

Resolution = Literal["5m", "1h", "1d"]


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds from a point to the next, and how many points are kept."""

    step: int
    points: int


SPANS: Mapping[Resolution, Span] = {"5m": Span(300, 288), "1h": Span(3600, 31 * 24), "1d": Span(86_400, 366)}


@dataclass(slots=True)
class Points:
    """``at``: the beginnings of slots, in seconds since 1970, rising. Each series has as many values; None where there was none."""

    at: list[int] = field(default_factory=list)
    series: dict[str, list[int | None]] = field(default_factory=dict)

    def add(self, now: int, figures: Mapping[str, int], span: Span) -> None:
        """Put ``figures`` into the slot of ``now``, in the place of what it holds, and forget what is older than the span.

        Points of a clock that ran ahead go too, but for one slot, by which the clocks of two instances may differ.
        """
        slot = now - now % span.step
        self._keep(slot - span.step * (span.points - 1), slot + span.step)
        index = bisect.bisect_left(self.at, slot)
        if index == len(self.at) or self.at[index] != slot:
            self.at.insert(index, slot)
            for values in self.series.values():
                values.insert(index, None)
        for name, number in figures.items():
            if name not in self.series:
                if len(self.series) >= SERIES:
                    continue
                self.series[name] = [None] * len(self.at)
            self.series[name][index] = number

    def _keep(self, first: int, last: int) -> None:
        low, high = bisect.bisect_left(self.at, first), bisect.bisect_right(self.at, last)
        self.at = self.at[low:high]
        kept = {name: values[low:high] for name, values in self.series.items()}
        self.series = {name: values for name, values in kept.items() if any(value is not None for value in values)}


class History:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def add(self, figures: Mapping[str, int]) -> None:
        """Add a point of now to every resolution. Raises Busy when others are always faster."""
        for resolution in SPANS:
            await self._add(resolution, figures)

    async def read(self, resolution: Resolution) -> Points:
        """The points of a resolution. One storage call."""
        return unpack(await self._tables.get(TABLE, PARTITION, resolution))

    async def _add(self, resolution: Resolution, figures: Mapping[str, int]) -> None:
        for attempt in range(TRIES):
            row = await self._tables.get(TABLE, PARTITION, resolution)
            points = unpack(row)
            points.add(int(self._clock.now().timestamp()), figures, SPANS[resolution])
            values = pack(points)
            try:
                await self._tables.apply(
                    TABLE, PARTITION, Insert(resolution, values) if row is None else Replace(resolution, values, row.etag)
                )
            except (AlreadyExists, EtagMismatch, Missing):
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
                continue
            return
        raise Busy("The history of statistics is being written by too many at once.")


def pack(points: Points) -> dict[str, Value]:
    """A row's properties. Of points that would not fit, the series that came last go."""
    series = dict(points.series)
    while True:
        data = zlib.compress(json.dumps({"at": points.at, "series": series}, separators=(",", ":")).encode(), 6)
        if len(data) <= PIECE * PIECES or not series:
            break
        log.warning("history_too_large", dropped=next(reversed(series)))
        series.popitem()
    pieces = [data[first : first + PIECE] for first in range(0, len(data), PIECE)]
    return {"v": 1, **{f"data{number}": piece for number, piece in enumerate(pieces)}}


def unpack(row: Row | None) -> Points:
    data, number = b"", 0
    while row is not None and isinstance(piece := row.values.get(f"data{number}"), bytes):
        data, number = data + piece, number + 1
    if not data:
        return Points()
    found = json.loads(zlib.decompress(data))
    return Points(found["at"], found["series"])


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
