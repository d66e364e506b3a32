"""Whether this app's dependencies answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

import structlog

from shared_code.container import Container
from shared_code.errors import LydianError

log = structlog.get_logger("lydian")

TIMEOUT = 2.0
"""Seconds that one dependency may take to answer."""
CACHED_FOR = 10.0
PROBES = "probes"
"""The table in which probes will leave their results."""

_last: WeakKeyDictionary[Container, tuple[float, dict[str, Any]]] = WeakKeyDictionary()


async def probe(container: Container) -> dict[str, dict[str, Any]]:
    """Ask every configured dependency now, in parallel, each with its own time-out."""
    checks: dict[str, Callable[[], Awaitable[object]]] = {"storage": lambda: container.storage.check()}
    if "payments" in container.settings.services and container.settings.stripe_secret_key:
        checks["stripe"] = lambda: container.payments_gateway.check()
    results = await asyncio.gather(*(_timed(check) for check in checks.values()))
    return dict(zip(checks, results, strict=True))


async def _timed(check: Callable[[], Awaitable[object]]) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(TIMEOUT):
            await check()
        status, detail = "ok", None
    except TimeoutError:
        status, detail = "down", f"no answer within {TIMEOUT:.0f} s"
    except LydianError as error:
        status, detail = "down", error.message
    except Exception:  # such as a connection string that nothing can read: liveness must say so, not fail too
        log.exception("probe_failed")
        status, detail = "down", "it cannot be used as it is configured"
    result = {"status": status, "latency_ms": round((time.perf_counter() - began) * 1000, 1)}
    return result if detail is None else {**result, "detail": detail}


async def summary(container: Container) -> tuple[str, dict[str, Any]]:
    """``ok`` or ``degraded``, and each service's state, at most ten seconds old; one table read, however it went, tells."""
    known = _last.get(container)
    if known is None or time.monotonic() - known[0] > CACHED_FOR:
        known = (time.monotonic(), await _timed(lambda: container.storage.tables.get(PROBES, "storage", "latest")))
        _last[container] = known
    storage = known[1]
    services: dict[str, Any] = {}
    for service in container.settings.services:
        if storage["status"] != "ok":
            services[service] = {"status": "down", "detail": f"storage: {storage.get('detail', 'down')}"}
        elif service == "payments" and not container.settings.stripe_secret_key:
            services[service] = {"status": "not_configured", "detail": "STRIPE_SECRET_KEY is not set"}
        else:
            services[service] = {"status": "ok"}
    return "ok" if storage["status"] == "ok" else "degraded", services
