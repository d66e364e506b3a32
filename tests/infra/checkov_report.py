"""Judges checkov's JSON report: nothing failed, nothing unread, and whatever is skipped says why. Exits with 1 otherwise."""

import json
import sys
from pathlib import Path
from typing import Any

FEWEST_PASSED = 25
"""Far fewer would mean that checkov has read nothing: it says nothing about what it did not find."""


def faults(report: dict[str, Any]) -> list[str]:
    results, summary = report["results"], report["summary"]
    found = [f"not parsed: {path}" for path in results["parsing_errors"]]
    found += [f"{check['check_id']} {check['check_name']}: {check['resource']}" for check in results["failed_checks"]]
    for check in results["skipped_checks"]:
        reason = check["check_result"].get("suppress_comment") or ""
        if len(reason.split()) < 3:
            found.append(f"{check['check_id']} is skipped without a reason: {check['resource']}")
    if summary["passed"] < FEWEST_PASSED:
        found.append(f"only {summary['passed']} checks passed")
    return found


if __name__ == "__main__":
    report = json.loads(Path(sys.argv[1]).read_text())
    found = faults(report)
    print("\n".join(found) or f"{report['summary']['passed']} passed, {report['summary']['skipped']} skipped with a reason")  # noqa: T201
    sys.exit(1 if found else 0)
