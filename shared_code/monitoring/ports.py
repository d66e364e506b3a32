"""What alerts need of other parts. Each is a function that the container hands in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .slo import Recent


@dataclass(frozen=True, slots=True)
class Drift:
    """The last finished reconciliation."""

    finished_at: datetime
    drifted: int
    kinds: Mapping[str, int]


Traffic = Callable[[int], Awaitable[Recent | None]]
"""Real traffic of the last so many minutes, over all instances; None when it is not known."""
Spend = Callable[[], Awaitable[Sequence[int] | None]]
"""Micro-dollars by day, oldest first; the last is today. None when it is not known."""
Drifts = Callable[[], Awaitable[Drift | None]]
"""None before the first reconciliation, and while one runs."""
Certificate = Callable[[], Awaitable[datetime]]
"""When the certificate of our own address expires. Raises UpstreamFailed when it is not valid, UpstreamTimeout when nobody answers."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What operators are told. Two with one ``key`` are one."""

    key: str
    title: str
    detail: str
    recovered: bool = False


class Notices(Protocol):
    async def send(self, notice: Notice) -> None:
        """By every configured way. Raises LydianError when one of them failed: the notice should then be sent again."""

    async def send_directly(self, notice: Notice) -> None:
        """By the ways that need no storage. Raises as ``send`` does."""
