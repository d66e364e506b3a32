"""What a check is, what it can say, and how that is printed."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import httpx

from .target import Broken, CannotTell, Target


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105 - an outcome
    FAIL = "fail"
    UNKNOWN = "could not tell"


@dataclass(frozen=True)
class Check:
    name: str
    """A slug, for ``--only``."""
    title: str
    run: Callable[[Target], str]
    """Returns what it saw. Raises ``Broken`` or ``CannotTell``; no answer at all is a failure too."""
    smoke: bool = False
    """Needs no token, stores nothing and takes seconds: what a release runs before it believes itself."""


@dataclass(frozen=True)
class Finding:
    check: Check
    outcome: Outcome
    detail: str
    seconds: float


def run(check: Check, target: Target) -> Finding:
    began = time.monotonic()
    outcome = Outcome.PASS
    try:
        detail = check.run(target)
    except CannotTell as reason:
        outcome, detail = Outcome.UNKNOWN, str(reason)
    except Broken as reason:
        outcome, detail = Outcome.FAIL, str(reason)
    except (httpx.HTTPError, OSError) as error:
        outcome, detail = Outcome.FAIL, f"no whole answer: {type(error).__name__} {error}".strip()
    return Finding(check, outcome, detail.replace(target.token, "…") if target.token else detail, time.monotonic() - began)


def run_all(checks: Iterable[Check], target: Target, show: Callable[[str], None]) -> list[Finding]:
    findings = []
    for check in checks:
        findings.append(run(check, target))
        show(line(findings[-1]))
    return findings


def line(finding: Finding) -> str:
    return f"{finding.outcome.value:<14}  {finding.check.title}: {finding.detail} ({finding.seconds:.1f} s)"


def summary(findings: Sequence[Finding]) -> str:
    counts = {outcome: sum(finding.outcome is outcome for finding in findings) for outcome in Outcome}
    return ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items())


def exit_code(findings: Sequence[Finding]) -> int:
    """1 where something failed. What could not be told is no failure: the lines say what it needs."""
    return int(any(finding.outcome is Outcome.FAIL for finding in findings))
