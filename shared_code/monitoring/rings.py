"""What probes found over time, in a row's few kilobytes: counts by minute for a day, by hour for a month, by day for a quarter."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .checks import Outcome

_HEAD, _CELL = struct.Struct("<q"), struct.Struct("<HHHI")
MAX_LATENCY = 60_000
"""Milliseconds: what took longer counts as much."""


@dataclass(frozen=True, slots=True)
class Cell:
    """How many samples found what; ``latency`` is the sum of milliseconds of those that were answered."""

    ok: int = 0
    degraded: int = 0
    down: int = 0
    latency: int = 0

    @property
    def samples(self) -> int:
        return self.ok + self.degraded + self.down

    @property
    def up(self) -> int:
        return self.ok + self.degraded

    @property
    def latency_ms(self) -> float | None:
        """The mean."""
        return round(self.latency / self.up, 1) if self.up else None

    @property
    def uptime(self) -> float | None:
        """Per cent of the samples that were not down, to three decimals, never rounded up to 100; None without samples."""
        if not self.samples:
            return None
        thousandths = self.up * 100_000 // self.samples
        return thousandths / 1000

    def __add__(self, other: "Cell") -> "Cell":
        return Cell(self.ok + other.ok, self.degraded + other.degraded, self.down + other.down, self.latency + other.latency)

    @classmethod
    def of(cls, outcome: Outcome) -> "Cell":
        if outcome.status == "down":
            return cls(down=1)
        latency = min(round(outcome.latency_ms), MAX_LATENCY)
        return cls(ok=1, latency=latency) if outcome.status == "ok" else cls(degraded=1, latency=latency)


NOTHING = Cell()


@dataclass(frozen=True, slots=True)
class Ring:
    """Cells of ``step`` seconds each, at most ``size`` of them; ``first`` is when the first begins (seconds since 1970).

    A cell of zero samples is *no data*: nobody looked.
    """

    step: int
    size: int
    first: int = 0
    cells: tuple[Cell, ...] = ()

    def slot(self, moment: int) -> int:
        return moment - moment % self.step

    def at(self, moment: int) -> Cell:
        index = (self.slot(moment) - self.first) // self.step
        return self.cells[index] if 0 <= index < len(self.cells) else NOTHING

    def kept(self, now: int) -> "Ring":
        """Without what is too old, and without what a clock that ran ahead has left: clocks may differ by one slot."""
        low = self.slot(now) - (self.size - 1) * self.step
        cells = self.cells[: max(0, (self.slot(now) + self.step - self.first) // self.step + 1)]
        if self.first < low:
            cells = cells[(low - self.first) // self.step :]
        return replace(self, first=max(self.first, low), cells=cells)

    def add(self, moment: int, cell: Cell, now: int) -> "Ring":
        """With one sample more. What lies outside of the time that is kept is not taken."""
        kept, slot = self.kept(now), self.slot(moment)
        if not self.slot(now) - (self.size - 1) * self.step <= slot <= self.slot(now) + self.step:
            return kept
        if not kept.cells:
            return replace(kept, first=slot, cells=(cell,))
        cells, first = kept.cells, kept.first
        if slot < first:
            cells, first = (NOTHING,) * ((first - slot) // self.step) + cells, slot
        index = (slot - first) // self.step
        if index >= len(cells):
            cells += (NOTHING,) * (index + 1 - len(cells))
        return replace(kept, first=first, cells=(*cells[:index], cells[index] + cell, *cells[index + 1 :]))

    def between(self, since: int, until: int) -> Iterator[tuple[int, Cell]]:
        """Each slot from the one of ``since`` to the last that begins before ``until``, with no data where there is none."""
        for moment in range(self.slot(since), until, self.step):
            yield moment, self.at(moment)

    def pack(self) -> bytes:
        cells = b"".join(_CELL.pack(cell.ok, cell.degraded, cell.down, cell.latency) for cell in self.cells)
        return zlib.compress(_HEAD.pack(self.first) + cells, 6)

    def unpack(self, data: object) -> "Ring":
        """What ``pack`` made of a ring of this shape; an empty one of nothing."""
        if not isinstance(data, bytes) or not data:
            return self
        plain = zlib.decompress(data)
        cells = tuple(Cell(*each) for each in _CELL.iter_unpack(plain[_HEAD.size :]))
        return replace(self, first=_HEAD.unpack_from(plain)[0], cells=cells)


MINUTES, HOURS, DAYS = Ring(60, 24 * 60 + 1), Ring(3600, 31 * 24), Ring(86_400, 91)
