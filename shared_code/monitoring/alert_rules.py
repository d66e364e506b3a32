"""What operators are told of. A rule finds what holds now; it returns None, or raises, when it cannot tell."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from shared_code.clock import Clock
from shared_code.errors import UpstreamFailed

from .board import FORGOTTEN, Board
from .ports import Certificate, Drifts, Spend, Traffic
from .queues import QueueRoom

DOWN_FOR = timedelta(minutes=3)
UNPROBED_FOR = timedelta(minutes=10)
MINUTES, LEAST = 10, 50
"""Error rate and p95 are of so many minutes, in which there must be so many requests."""
SPEND_TIMES, SPEND_FLOOR = 3, 5_000_000
"""A day's AI cost is out of the ordinary over so many times the mean of the days before, and over so many micro-dollars."""
CERTIFICATE_LEFT, CERTIFICATE_KNOWN = timedelta(days=14), timedelta(hours=6)
DOLLAR = 1_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that holds. ``key`` is the same as long as it does; texts may hold what operators may know."""

    key: str
    rule: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What it found before is over when it is not found any more for ``clears_after``."""

    name: str
    find: Callable[[], Awaitable[Sequence[Finding] | None]]
    clears_after: timedelta = field(default=timedelta(0))


def dependency_down(board: Board, clock: Clock) -> Rule:
    async def find() -> list[Finding]:
        now = clock.now()
        open_ = [(record, record.incident) for record in await board.records() if record.kind == "dependency" and record.incident]
        return [
            Finding(f"down:{record.check}", "dependency_down", f"{record.check} is down", f"{incident.detail}.")
            for record, incident in open_
            if now - incident.started_at >= DOWN_FOR
        ]

    return Rule("dependency_down", find)


def not_probed(board: Board, clock: Clock) -> Rule:
    """Of a service that nobody probes nobody knows anything: its app, or its timers, have stopped."""

    async def find() -> list[Finding]:
        now, silent = clock.now(), list[str]()
        for record in await board.records():
            if record.kind == "service" and record.last_at and UNPROBED_FOR <= now - record.last_at < FORGOTTEN:
                silent.append(f"{record.check} (last at {_moment(record.last_at)})")
        if not silent:
            return []
        return [Finding("not_probed", "not_probed", "Services are not probed", f"Nobody has looked at {', '.join(silent)}.")]

    return Rule("not_probed", find)


def traffic(recent: Traffic, error_percent: Decimal, p95_ms: int) -> Rule:
    """Two findings of one reading: the share of answers that are 5xx, and the 95th percentile of all routes together."""

    async def find() -> list[Finding] | None:
        seen = await recent(MINUTES)
        if seen is None:
            return None
        found = list[Finding]()
        if seen.requests < LEAST:
            return found
        of = f"of {seen.requests} requests in {MINUTES} minutes"
        if seen.errors * 100 > error_percent * seen.requests:
            detail = f"{seen.errors} {of} failed: more than {error_percent} per cent."
            found.append(Finding("error_rate", "traffic", "Many requests fail", detail))
        if seen.p95_ms is not None and seen.p95_ms > p95_ms:
            detail = f"One in twenty {of} took longer than {seen.p95_ms:.0f} ms; the limit is {p95_ms} ms."
            found.append(Finding("p95", "traffic", "Answers are slow", detail))
        return found

    return Rule("traffic", find, timedelta(minutes=5))


def poison(queues: QueueRoom) -> Rule:
    async def find() -> list[Finding]:
        return [
            Finding(
                f"poison:{state.name}",
                "poison",
                f"{state.name}: messages were given up on",
                f"In its poison queue: {state.poison_length}"
                + (f", the oldest since {_moment(state.oldest_poison_at)}." if state.oldest_poison_at else "."),
            )
            for state in await queues.states()
            if state.poison_length
        ]

    return Rule("poison", find)


def ai_spend(days: Spend) -> Rule:
    async def find() -> list[Finding] | None:
        known = await days()
        if not known:
            return None
        *before, today = known
        usual = sum(before) // len(before) if before else 0
        limit = max(SPEND_TIMES * usual, SPEND_FLOOR)
        if today <= limit:
            return []
        detail = f"{_dollars(today)} today; the mean of the {len(before)} days before is {_dollars(usual)}."
        return [Finding("ai_spend", "ai_spend", "AI models cost more than usual", detail)]

    return Rule("ai_spend", find)


def drift(last: Drifts) -> Rule:
    """Until a reconciliation finds nothing."""

    async def find() -> list[Finding] | None:
        known = await last()
        if known is None:
            return None
        if not known.drifted:
            return []
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(known.kinds.items()))
        detail = f"Of {_moment(known.finished_at)}: {known.drifted} objects were repaired ({kinds} among those named)."
        return [Finding("drift", "drift", "The payments mirror had drifted", detail)]

    return Rule("drift", find)


def certificate(expires: Certificate, clock: Clock, address: str) -> Rule:
    """Asked every six hours at most; one that could not be asked is asked again at the next run."""
    known: tuple[datetime, datetime | str] | None = None

    async def find() -> list[Finding]:
        nonlocal known
        now = clock.now()
        if known is None or not timedelta(0) <= now - known[0] < CERTIFICATE_KNOWN:
            try:
                known = (now, await expires())
            except UpstreamFailed as error:
                known = (now, error.message)
        until = known[1]
        if isinstance(until, str):
            return [Finding("certificate", "certificate", f"The certificate of {address} is not valid", f"{until}.")]
        if until - now > CERTIFICATE_LEFT:
            return []
        title = f"The certificate of {address} {'has expired' if until <= now else 'expires soon'}"
        return [Finding("certificate", "certificate", title, f"It is valid until {_moment(until)}.")]

    return Rule("certificate", find)


def _moment(moment: datetime) -> str:
    """As people write it: alerts are read in mails and in Slack."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _dollars(micro: int) -> str:
    return f"${micro // DOLLAR}.{micro % DOLLAR * 100 // DOLLAR:02}"
