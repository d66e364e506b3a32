"""Reconciliation: the mirror compared with Stripe, object by object, repaired, and what had drifted reported with the reason.

Stripe is read a page at a time, newest first, and after each page the place is noted: a run that is cut off, or out of time,
goes on there. One run works at a time; two that meet do no harm, since a repair is a fetch like any other.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import structlog

from shared_code.audit.ports import Audit
from shared_code.clock import Clock, rfc3339
from shared_code.errors import Conflict, LydianError
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Insert, Missing, Replace, Row, Tables, Value

from .event_targets import Kind

log = structlog.get_logger("lydian.payments")

TABLE, PARTITION, CURRENT = "reconciliation", "stripe", "current"
Listed = Kind | Literal["event"]
KINDS: tuple[Listed, ...] = ("customer", "payment_intent", "refund", "subscription", "invoice", "event")
"""Events, since no list shows a customer that was deleted: of that alone they tell, for 30 days."""
PAGE = 100
SHOWN = 50
"""Drifted objects that a report names; more are counted."""
LEASE = timedelta(minutes=2)
"""A run that has noted nothing for this long has died."""


class Source(Protocol):
    async def list_page(
        self, kind: Listed, *, starting_after: str | None, limit: int, params: Mapping[str, Any] | None = None
    ) -> tuple[Sequence[Mapping[str, Any]], bool]:
        """A page of everything that Stripe holds of a kind, newest first, and whether there is more."""

    async def retrieve(self, kind: Kind, object_id: str) -> Mapping[str, Any] | None: ...


class Mirror(Protocol):
    async def differences(self, kind: Kind, fetched: Mapping[str, Any]) -> Sequence[str]:
        """The mirrored fields that differ from what Stripe holds; ``missing`` when the mirror has no such object."""

    async def sync(self, kind: Kind, object_id: str) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Report:
    """``drifted`` counts what differed and was repaired; ``drift`` names the first of them."""

    started_at: str
    finished_at: str | None = None
    kind: int = 0
    """How many kinds are done; len(KINDS): all of them."""
    starting_after: str | None = None
    checked: dict[str, int] = field(default_factory=dict)
    drifted: int = 0
    drift: tuple[dict[str, Any], ...] = ()

    @property
    def finished(self) -> bool:
        return self.kind >= len(KINDS)


class Reconciliation:
    def __init__(self, *, tables: Tables, clock: Clock, source: Source, mirror: Mirror, audit: Audit) -> None:
        self._tables, self._clock, self._source, self._mirror, self._audit = tables, clock, source, mirror, audit

    async def run(self, seconds: float) -> Report:
        """Go on with the run that was cut off, or begin one, for about so many seconds; the report so far.

        Raises Conflict ``reconciliation_running`` while another run is at it.
        """
        until = self._clock.now() + timedelta(seconds=seconds)
        report, etag = await self._claim()
        while not report.finished:
            try:
                report = await self._page(report)
            except LydianError:
                await self._note(report, etag, self._clock.now())  # Stripe fails: whoever tries again need not wait
                raise
            etag = await self._note(report, etag, self._clock.now() + LEASE)
            if self._clock.now() >= until:
                break
        if report.finished:
            report = replace(report, finished_at=rfc3339(self._clock.now()))
            await self._audit.record("payments_reconciled", user_id=None, drifted=report.drifted, checked=sum(report.checked.values()))
            log.log(30 if report.drifted else 20, "payments_reconciled", drifted=report.drifted, checked=report.checked)
        await self._note(report, etag, self._clock.now())
        return report

    async def last(self) -> Report | None:
        """The newest report, finished or not."""
        row = await self._tables.get(TABLE, PARTITION, CURRENT)
        return _report(row) if row else None

    async def _page(self, report: Report) -> Report:
        kind = KINDS[report.kind]
        params = {"type": "customer.deleted"} if kind == "event" else None
        objects, more = await self._source.list_page(kind, starting_after=report.starting_after, limit=PAGE, params=params)
        drift, drifted = list(report.drift), report.drifted
        for each in objects:
            name, identifier, fields = await self._compared(kind, each)
            if not fields or await self._mirror.sync(name, identifier) is None:
                continue
            drifted += 1
            if len(drift) < SHOWN:
                drift.append({"kind": name, "id": identifier, "fields": list(fields), "reason": _reason(fields)})
        checked = {**report.checked, kind: report.checked.get(kind, 0) + len(objects)}
        after = str(objects[-1]["id"]) if objects and more else None
        done = report.kind + (after is None)
        return replace(report, checked=checked, drift=tuple(drift), drifted=drifted, kind=done, starting_after=after)

    async def _compared(self, kind: Listed, each: Mapping[str, Any]) -> tuple[Kind, str, Sequence[str]]:
        """An object's kind, its id, and the fields in which the mirror is behind it."""
        if kind != "event":
            identifier, fields = str(each["id"]), await self._mirror.differences(kind, each)
            # An event may have been processed since the page was read: only what differs from Stripe as it is now has drifted.
            fresh = await self._source.retrieve(kind, identifier) if fields else None
            return kind, identifier, await self._mirror.differences(kind, fresh) if fresh is not None else []
        identifier = str(each["data"]["object"]["id"])
        fields = await self._mirror.differences("customer", {"id": identifier, "deleted": True})
        return "customer", identifier, [name for name in fields if name in ("status", "missing")]

    async def _claim(self) -> tuple[Report, str]:
        now = self._clock.now()
        row = await self._tables.get(TABLE, PARTITION, CURRENT)
        if row is not None and _moment(row.values["leased_until"]) > now:
            raise _running()
        report = _report(row) if row else None
        if report is None or report.finished:
            report = Report(started_at=rfc3339(now))
        values = _values(report, now + LEASE)
        try:
            if row is None:
                return report, await self._tables.apply(TABLE, PARTITION, Insert(CURRENT, values))
            return report, await self._tables.apply(TABLE, PARTITION, Replace(CURRENT, values, row.etag))
        except (AlreadyExists, EtagMismatch, Missing):
            raise _running() from None

    async def _note(self, report: Report, etag: str, leased_until: datetime) -> str:
        try:
            return await self._tables.apply(TABLE, PARTITION, Replace(CURRENT, _values(report, leased_until), etag))
        except (EtagMismatch, Missing):
            raise _running() from None  # ours was taken for dead; the other goes on where we were


async def last_report(tables: Tables) -> Report | None:
    """The newest report, which may not be finished; None before the first. One storage call."""
    row = await tables.get(TABLE, PARTITION, CURRENT)
    return _report(row) if row else None


def _reason(fields: Sequence[str]) -> str:
    if "missing" in fields:
        return "Stripe holds it and the mirror did not: its events were lost, or it is older than the webhook"
    return f"the mirror was behind in {', '.join(fields)}: an event was lost or has not been processed yet"


def _values(report: Report, leased_until: datetime) -> dict[str, Value]:
    return {"v": 1, "report": json.dumps(asdict(report)), "leased_until": leased_until}


def _report(row: Row) -> Report:
    values = json.loads(str(row.values["report"]))
    return Report(**{**values, "drift": tuple(values["drift"])})


def _moment(value: Value) -> datetime:
    assert isinstance(value, datetime)
    return value


def _running() -> Conflict:
    return Conflict("A reconciliation is running already.", code="reconciliation_running")
