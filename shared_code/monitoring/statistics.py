"""The statistics roll-up across services: what each service has counted of itself, read from its row, and kept over time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from shared_code.errors import StorageUnavailable

from .history import History, Points, Resolution

log = structlog.get_logger("lydian.statistics")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a service has counted, as of its own last roll-up. ``drifted``: owners whom its last recount found miscounted."""

    figures: Mapping[str, int]
    as_of: datetime
    recounted_at: datetime | None = None
    drifted: int = 0
    difference: Mapping[str, int] = field(default_factory=dict)


Source = Callable[[], Awaitable[Reading | None]]
"""Reads a service's last roll-up; None when there has been none. One storage call or two, however many users there are."""


class Statistics:
    def __init__(self, history: History, sources: Mapping[str, Source]) -> None:
        """``sources`` by service. Where several have a figure of one name, the later one counts: give them names of their own."""
        self._history, self._sources = history, sources

    async def latest(self) -> Mapping[str, Reading | None]:
        """By service. Raises StorageUnavailable."""
        readings = await asyncio.gather(*(source() for source in self._sources.values()))
        return dict(zip(self._sources, readings, strict=True))

    async def record(self) -> Mapping[str, int]:
        """Add a point of now to the history. A service whose figures cannot be read is missing from it, and no others are."""
        found = await asyncio.gather(*(source() for source in self._sources.values()), return_exceptions=True)
        figures: dict[str, int] = {}
        for service, reading in zip(self._sources, found, strict=True):
            if isinstance(reading, Reading):
                figures |= reading.figures
            elif isinstance(reading, StorageUnavailable):
                raise reading
            elif isinstance(reading, BaseException):
                log.error("statistics_unreadable", service=service, exc_info=reading)
        if figures:
            await self._history.add(figures)
        return figures

    async def history(self, resolution: Resolution) -> Points:
        return await self._history.read(resolution)
