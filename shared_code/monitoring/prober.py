"""One run of the probes: who does it, what is asked, and how the results come into storage once.

Several instances may run the timer, and six apps may share what they probe: each minute of an app is claimed by one, and a check has
one sample a minute whoever took it. While storage does not answer nothing can be claimed or written: the samples of that time, which
say so, wait in the process and are written when it answers again. What a dying process takes with it is shown as no data.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from shared_code.clock import Clock
from shared_code.errors import Busy, Unavailable
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Insert, Missing, Operation, Replace, Tables, Upsert, Value

from .checks import Check, Kind, Outcome, ServiceCheck, probe_all
from .records import CHECK, LATEST, PARTITION, RUN, TABLE, Incident, Record, moment, operations

log = structlog.get_logger("lydian.monitoring")

TRIES = 8
KEPT = 120
"""Runs that wait for storage at most."""
CLAIMED_WITHIN, SAVED_WITHIN = 4.0, 20.0
"""Seconds that storage has for each: a timer's run must end before the next one."""
GROUP = 45
"""Checks written at once, so that with their incidents they fit a batch of 100."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run has found: ``at`` is the beginning of its minute."""

    at: datetime
    dependencies: Mapping[str, Outcome] = field(default_factory=dict)
    services: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        return {**self.dependencies, **self.services}


class Prober:
    """``scope`` names the app whose dependencies these are: its services."""

    def __init__(self, tables: Tables, clock: Clock, scope: str, checks: Sequence[Check], services: Sequence[ServiceCheck]) -> None:
        self._tables, self._clock, self._scope = tables, clock, scope
        self._checks, self._services = checks, services
        self._waiting: deque[Run] = deque(maxlen=KEPT)
        self._warm = False
        self._said: dict[str, str] = {}
        names = [*(check.name for check in checks), *(service.name for service in services)]
        if len(names) != len(set(names)):
            raise ValueError(f"each check has a name of its own: {names}")

    async def run(self) -> Run | None:
        """Probe and note it, unless this minute is another's. None: it was. It raises nothing but for a mistake of ours."""
        now = self._clock.now()
        at = now.replace(second=0, microsecond=0)
        try:
            async with asyncio.timeout(CLAIMED_WITHIN):
                if not await self._claim(at, now):
                    return None
        except (Unavailable, TimeoutError):
            if any(run.at == at for run in self._waiting):
                return None
            self._say("probe_not_claimed", "failed", effect="storage does not take a write: this run goes on alone")
        else:
            self._say("probe_not_claimed", "ok")
        found = await self._probe()
        run = Run(at, found, {service.name: service.outcome(found) for service in self._services})
        for name, outcome in run.outcomes.items():
            self._say("probe_not_ok", outcome.status, check=name, detail=outcome.detail)
        self._waiting.append(run)
        saved = list(self._waiting)
        try:
            async with asyncio.timeout(SAVED_WITHIN):
                await self._save(saved)
        except (Unavailable, TimeoutError):
            self._say("probe_not_saved", "failed", waiting=len(self._waiting))
        else:
            self._say("probe_not_saved", "ok")
            for each in saved:
                if each in self._waiting:  # a run that overlapped may have saved it, too
                    self._waiting.remove(each)
        return run

    def _say(self, event: str, status: str, check: str = "", **facts: object) -> None:
        """What has changed since this process last looked is a warning; what goes on as it was every minute is not."""
        what = f"{event} {check}"
        before, self._said[what] = self._said.get(what, "ok"), status
        facts |= {"check": check, "status": status} if check else {}
        if status != before:
            log.warning(event if status != "ok" else f"{event.replace('_not', '')}_again", **facts)
        elif status != "ok":
            log.debug(event, **facts)

    async def _probe(self) -> dict[str, Outcome]:
        """What failed in a process's first run is asked once more: it had libraries to load, which is nobody's outage."""
        found = await probe_all(self._checks)
        if not self._warm:
            self._warm = True
            found |= await probe_all([check for check in self._checks if found[check.name].status == "down"])
        return found

    async def _claim(self, at: datetime, now: datetime) -> bool:
        """Whether this minute is ours. One that lies ahead was claimed by a clock that ran ahead, and counts for nothing."""
        key = RUN + self._scope
        values: dict[str, Value] = {"v": 1, "at": at}
        row = await self._tables.get(TABLE, PARTITION, key)
        if row is not None and at <= moment(row.values["at"]) <= now + timedelta(minutes=1):
            return False
        try:
            await self._tables.apply(TABLE, PARTITION, Insert(key, values) if row is None else Replace(key, values, row.etag))
        except (AlreadyExists, EtagMismatch, Missing):
            return False
        return True

    async def _save(self, runs: Sequence[Run]) -> None:
        """Safe to repeat. Two storage calls, unless there are very many checks or others write at the same time."""
        for attempt in range(TRIES):
            try:
                await self._write(runs)
            except (AlreadyExists, EtagMismatch, Missing):
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))
                continue
            return
        raise Busy("The results of probes are being written by too many at once.")

    async def _write(self, runs: Sequence[Run]) -> None:
        now = self._clock.now()
        rows = {row.key: row for row in await self._tables.query(TABLE, PARTITION, prefix=CHECK, limit=1000)}
        changed: list[list[Operation]] = []
        for name in {name: None for run in runs for name in run.outcomes}:
            row = rows.get(CHECK + name)
            kind: Kind = "service" if any(name in run.services for run in runs) else "dependency"
            before = Record.of(row) if row else Record(name, kind, runs[0].at)
            after, incidents = before, dict[str, Incident]()
            for run in runs:
                if name in run.outcomes:
                    after, moved = after.sampled(run.outcomes[name], run.at, now)
                    incidents |= {incident.id: incident for incident in moved}
            if after is not before:
                changed.append(operations(after, row.etag if row else None, incidents))
                for incident in incidents.values():
                    if incident.ended_at:
                        log.info("incident_closed", check=name)
                    else:
                        log.warning("incident_opened", check=name, detail=incident.detail)
        latest = Upsert(LATEST + self._scope, latest_values(runs[-1]))
        groups = [changed[first : first + GROUP] for first in range(0, len(changed), GROUP)] or [[]]
        for group in groups:
            # An incident may have opened and closed many times while storage was away: then its check has a batch of its own.
            parts = [group] if sum(map(len, group)) < 99 else [[each] for each in group]
            for part in parts:
                await self._tables.batch(TABLE, PARTITION, [*(each for ops in part for each in ops), latest])


def latest_values(run: Run) -> dict[str, Value]:
    found = {name: [outcome.status, outcome.latency_ms, outcome.detail] for name, outcome in run.outcomes.items()}
    return {"v": 1, "at": run.at, "found": json.dumps(found, ensure_ascii=False)}
