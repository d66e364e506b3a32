"""Running a function that no request fired, and repeating a poll for ever."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
from azure.core.exceptions import AzureError

from .. import log
from ..worker import Function, InvocationFailed, TriggerData, Worker

logger = logging.getLogger("local.triggers")

# Storage API: what every Azurite of the last years speaks, so that one started without --skipApiVersionCheck answers too.
API_VERSION = "2023-11-03"
STORAGE_ERRORS = (AzureError, aiohttp.ClientError, OSError, TimeoutError)
_OUTAGE_PAUSE = 1.0  # seconds between tries while storage does not answer


class Runner:
    """Invokes functions through the worker, one log line each. `timeout` (seconds) is host.json's functionTimeout."""

    def __init__(self, worker: Worker, timeout: float | None) -> None:
        self._worker = worker
        self._timeout = timeout

    async def fire(self, function: Function, data: TriggerData, about: str = "") -> bool:
        """Returns whether the function succeeded. Never raises but for cancellation."""
        started = time.perf_counter()
        outcome = "ok"
        try:
            async with asyncio.timeout(self._timeout):
                await self._worker.invoke(function, data)
        except InvocationFailed:
            outcome = "FAILED"
        except TimeoutError:
            outcome = "TIMED OUT"
        except Exception:
            logger.exception("%s could not be invoked", function.name)
            outcome = "FAILED"
        kind = function.kind.removesuffix("trigger").upper()
        log.line(f"{kind:6} {function.name}  {outcome}  {(time.perf_counter() - started) * 1000:.1f} ms{'  ' + about if about else ''}")
        return outcome == "ok"


async def repeat(name: str, step: Callable[[], Awaitable[float]]) -> None:
    """Call `step` for ever; it returns the seconds to wait until the next call. An outage is told once, not every second."""
    down = False
    while True:
        try:
            pause = await step()
            if down:
                log.line(f"{name}: storage answers again")
            down = False
        except STORAGE_ERRORS as error:
            if not down:
                log.line(f"{name}: storage does not answer ({type(error).__name__}); trying on")
            down, pause = True, _OUTAGE_PAUSE
        except Exception:
            logger.exception("the poller of %s failed; trying on", name)
            pause = _OUTAGE_PAUSE
        await asyncio.sleep(pause)


def start(name: str, handling: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task for one message or blob, whose failure is told: storage will present the same thing again."""

    async def told() -> None:
        try:
            await handling
        except STORAGE_ERRORS as error:
            log.line(f"{name}: storage does not answer ({type(error).__name__}); it will be tried again")
        except Exception:
            logger.exception("%s: the host itself failed", name)

    return asyncio.create_task(told())
