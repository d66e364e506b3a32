"""Whether this app's dependencies answer: what the last probe found, and what one finds now."""

import time
from dataclasses import asdict
from typing import Any
from weakref import WeakKeyDictionary

from shared_code.clock import rfc3339
from shared_code.container import Container
from shared_code.monitoring import checks
from shared_code.monitoring.board import Last
from shared_code.monitoring.checks import Check, Outcome

TIMEOUT = checks.TIMEOUT
"""Seconds that one dependency may take to answer."""
CACHED_FOR = 10.0

_last: WeakKeyDictionary[Container, tuple[float, Outcome, Last | None]] = WeakKeyDictionary()


async def probe(container: Container) -> dict[str, dict[str, Any]]:
    """Ask every configured dependency now, in parallel, each with its own time-out."""
    storage = Check("storage", lambda: container.storage.check())
    found = await checks.probe_all([storage, *container.outside_checks], TIMEOUT)
    return {name: {key: value for key, value in asdict(outcome).items() if value is not None} for name, outcome in found.items()}


async def summary(container: Container) -> tuple[str, dict[str, Any]]:
    """``ok`` or ``degraded``, and each service's state by the last probe, at most ten seconds old. One table read tells: how it went,
    and what the probe left there."""
    known = _last.get(container)
    if known is None or time.monotonic() - known[0] > CACHED_FOR:
        read: list[Last | None] = []

        async def look() -> None:
            read.append(await container.probe_board.last(container.probe_scope))

        known = (time.monotonic(), await checks.measured(look, TIMEOUT), read[0] if read else None)
        _last[container] = known
    _, storage, last = known
    services = {service: _state(container, service, storage, last) for service in container.settings.services}
    well = storage.status == "ok" and all(state["status"] in ("ok", "not_configured") for state in services.values())
    return "ok" if well else "degraded", services


def _state(container: Container, service: str, storage: Outcome, last: Last | None) -> dict[str, str]:
    if storage.status != "ok":
        return {"status": "down", "detail": f"storage: {storage.detail}"}
    if (reason := container.unconfigured(service)) is not None:
        return {"status": "not_configured", "detail": reason}
    if last is None:
        return {"status": "ok"}  # never probed, as a moment after the first start; the table at least has answered just now
    if not last.known(container.clock.now()):
        return {"status": "unknown", "detail": f"not probed since {rfc3339(last.at)}"}
    found = last.outcomes.get(service)
    if found is None or found.detail is None:
        return {"status": found.status if found else "ok"}
    return {"status": found.status, "detail": found.detail}
