"""What is probed: outside systems (checks) and, from what they answer, the services that need them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from shared_code.errors import LydianError

log = structlog.get_logger("lydian.monitoring")

TIMEOUT = 2.0
"""Seconds that one dependency may take to answer."""
REMEMBERED = 10.0
"""Seconds for which a system of others is not asked again by this process: anyone may ask whether we are well."""

Status = Literal["ok", "degraded", "down"]
Kind = Literal["dependency", "service"]
Probe = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``detail`` is safe to show to any caller; it is for operators, not for the public page."""

    status: Status
    latency_ms: float
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A dependency: ``probe`` returns when it answers, and raises when it does not."""

    name: str
    probe: Probe


@dataclass(frozen=True, slots=True)
class ServiceCheck:
    """A service lives on ``needs``: each names checks of which one must answer. With some of them down it is degraded."""

    name: str
    needs: Sequence[Sequence[str]]

    def outcome(self, of: Mapping[str, Outcome]) -> Outcome:
        status: Status = "ok"
        details, slowest = [], 0.0
        for group in self.needs:
            found = {name: of[name] for name in group if name in of}
            down = [name for name, outcome in found.items() if outcome.status == "down"]
            if down and len(down) == len(found):
                status = "down"
            elif down and status == "ok":
                status = "degraded"
            details += [f"{name}: {of[name].detail or 'down'}" for name in down]
            slowest = max([slowest, *(outcome.latency_ms for outcome in found.values())])
        return Outcome(status, slowest, "; ".join(details)[:400] or None)


async def probe_all(checks: Iterable[Check], limit: float | None = None) -> dict[str, Outcome]:
    """Ask every one now, in parallel, each with its own time-out of ``limit`` seconds (TIMEOUT)."""
    checks = list(checks)
    outcomes = await asyncio.gather(*(measured(check.probe, limit) for check in checks))
    return {check.name: outcome for check, outcome in zip(checks, outcomes, strict=True)}


async def measured(probe: Probe, limit: float | None = None) -> Outcome:
    """How one probe went; it never raises."""
    began, limit = time.perf_counter(), TIMEOUT if limit is None else limit
    detail: str | None = None
    try:
        async with asyncio.timeout(limit):
            await probe()
    except TimeoutError:
        detail = f"no answer within {limit:.0f} s"
    except LydianError as error:
        detail = error.message or error.code
    except Exception:  # such as a connection string that nothing can read: liveness must say so, not fail too
        log.exception("probe_failed")
        detail = "it cannot be used as it is configured"
    latency = round((time.perf_counter() - began) * 1000, 1)
    return Outcome("ok", latency) if detail is None else Outcome("down", latency, detail)


class Remembered:
    """A probe that is asked at most once in REMEMBERED seconds, however many ask at one time."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._lock: asyncio.Lock | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known: tuple[float, Exception | None] | None = None

    async def __call__(self) -> None:
        loop = asyncio.get_running_loop()
        if self._lock is None or self._loop is not loop:  # a lock belongs to one loop, and the host may change it
            self._lock, self._loop = asyncio.Lock(), loop
        async with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > REMEMBERED:
                try:
                    await self._probe()
                except asyncio.CancelledError:
                    # The time-out of who asks: the next one need not wait as long to hear the same.
                    self._known = (time.monotonic(), TimeoutError())
                    raise
                except Exception as error:
                    self._known = (time.monotonic(), error)
                else:
                    self._known = (time.monotonic(), None)
            failure = self._known[1]
        if failure is not None:
            raise failure
