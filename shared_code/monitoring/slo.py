"""Service levels from real traffic: what failed, how fast the rest was, and what of the error budget is left.

An error is a 5xx; the objective is the share of requests that must not be one in ``WINDOW`` days. A burn rate is how many times
faster than that the budget is being spent: at 1 it lasts the window out, at 14.4 over an hour 2 % of it are gone (Google, "The Site
Reliability Workbook", chapter 5).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from shared_code.clock import Clock

from . import histogram
from .traffic_rows import Key, Series, Traffic, errors, latencies, requests
from .traffic_store import TrafficStore

WINDOW = 30
"""Days."""
CACHED_FOR = timedelta(seconds=30)
_QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Level:
    """``p50`` … are seconds, of ordinary requests: neither streams nor those of a starting process; None where there were none.
    ``function`` is None for all of them together."""

    function: str | None
    requests: int
    errors: int
    streams: int
    cold_starts: int
    p50: float | None
    p95: float | None
    p99: float | None
    first_byte_p95: float | None = None
    """Of streams."""
    cold_p50: float | None = None

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Day:
    """``day`` is ``YYYY-MM-DD`` (UTC). Functions with the most requests come first."""

    day: str
    total: Level
    functions: list[Level] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Budget:
    """Of ``WINDOW`` days. ``left``: the share that is left; negative when more failed than may, None where nothing was asked."""

    requests: int
    errors: int
    allowed: float
    left: float | None


@dataclass(frozen=True, slots=True)
class Slo:
    """``burn`` by window (``1h``, ``6h``, ``30d``): None where nothing was asked, or nothing may fail and something did."""

    objective: Decimal
    as_of: datetime
    budget: Budget
    burn: Mapping[str, float | None]
    days: list[Day]


@dataclass(frozen=True, slots=True)
class Recent:
    """``p95_ms`` of ordinary requests; None where there were none."""

    requests: int
    errors: int
    p95_ms: float | None


class SloView:
    def __init__(self, store: TrafficStore, clock: Clock, objective: Decimal) -> None:
        self._store, self._clock, self._objective = store, clock, objective
        self._known: Slo | None = None
        self._looking = asyncio.Lock()

    async def recent(self, minutes: int) -> Recent:
        """The last whole minutes (1–15), for alerts."""
        traffic = await self._store.recent(minutes)
        p95 = histogram.percentile(latencies(traffic), 0.95)
        return Recent(requests(traffic), errors(traffic), None if p95 is None else p95 * 1000)

    async def read(self, days: int) -> Slo:
        """The last ``days`` (1–30) days, newest first, and the budget. At most half a minute old; what it reads is bounded by the
        number of functions, and by that of instances for the minutes since the last roll-up."""
        async with self._looking:
            now = self._clock.now()
            if self._known is None or not timedelta(0) <= now - self._known.as_of < CACHED_FOR:
                self._known = await self._read(now)
        known = self._known
        return Slo(known.objective, known.as_of, known.budget, known.burn, known.days[:days])

    async def _read(self, now: datetime) -> Slo:
        by_day = await self._store.days(WINDOW)
        by_day[f"{now:%Y%m%d}"] = await self._store.today()
        hour, six = await asyncio.gather(self._store.since(now - timedelta(hours=1)), self._store.since(now - timedelta(hours=6)))
        return await asyncio.to_thread(self._judge, now, by_day, hour, six)

    def _judge(self, now: datetime, by_day: Mapping[str, Traffic], hour: Traffic, six: Traffic) -> Slo:
        count, failed = sum(map(requests, by_day.values())), sum(map(errors, by_day.values()))
        may_fail = 1 - self._objective / 100
        allowed = float(count * may_fail)
        left = (1 - failed / allowed if allowed else 1.0 if not failed else None) if count else None
        burn = {"1h": self._burn(hour), "6h": self._burn(six), "30d": _rate(count, failed, may_fail)}
        days = [_day(name, traffic) for name, traffic in sorted(by_day.items(), reverse=True) if traffic]
        return Slo(self._objective, now, Budget(count, failed, allowed, left), burn, days)

    def _burn(self, traffic: Traffic) -> float | None:
        return _rate(requests(traffic), errors(traffic), 1 - self._objective / 100)


def _rate(count: int, failed: int, may_fail: Decimal) -> float | None:
    if not count:
        return None
    if not may_fail:
        return None if failed else 0.0
    return failed / count / float(may_fail)


def _day(name: str, traffic: Traffic) -> Day:
    by_function: dict[str, dict[Key, Series]] = {}
    for key, series in traffic.items():
        by_function.setdefault(key.function, {})[key] = series
    levels = [level(function, part) for function, part in by_function.items()]
    levels.sort(key=lambda each: (-each.requests, each.function or ""))
    return Day(f"{name[:4]}-{name[4:6]}-{name[6:]}", level(None, traffic), levels)


def level(function: str | None, traffic: Mapping[Key, Series]) -> Level:
    plain, stream, cold = latencies(traffic), latencies(traffic, "stream"), latencies(traffic, "cold")
    p50, p95, p99 = (histogram.percentile(plain, share) for share in _QUANTILES)
    return Level(
        function,
        requests(traffic),
        errors(traffic),
        sum(stream.values()),
        sum(cold.values()),
        p50,
        p95,
        p99,
        histogram.percentile(stream, 0.95),
        histogram.percentile(cold, 0.5),
    )
