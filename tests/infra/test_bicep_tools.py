"""Checkers that are not ours, where they are at hand; infra/check.sh fetches what is missing and runs them all."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from tests.infra.bicep import INFRA, ROOT, every
from tests.infra.checkov_report import faults

CHECKER = ROOT.parent / "shared/tools/bicep_check"
CHECKOV = shutil.which("checkov") or shutil.which(str(ROOT / ".data/checkov/bin/checkov"))


@pytest.mark.skipif(not CHECKER.is_file(), reason="bicep_check is not beside this repository")
def test_resource_types_names_and_values() -> None:
    run = subprocess.run([sys.executable, CHECKER, INFRA], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout.splitlines()[0]) == (0, "clean"), run.stdout + run.stderr


@pytest.mark.skipif(not CHECKOV, reason="checkov is not installed: infra/check.sh does it")
def test_checkov_reads_everything_and_finds_nothing() -> None:
    command = [str(CHECKOV), "-d", str(INFRA), "--framework", "bicep", "--skip-download", "-o", "json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert faults(json.loads(run.stdout)) == []


def test_every_skip_of_checkov_says_why() -> None:
    skips = [line for file in every() for line in file.text.splitlines() if "checkov:" in line]
    assert skips
    assert all(re.fullmatch(r"  // checkov:skip=CKV\d?_AZURE_\d+:\S+( \S+){2,}", line) for line in skips)


def report(**results: list[object]) -> dict[str, object]:
    empty: dict[str, list[object]] = {"parsing_errors": [], "failed_checks": [], "skipped_checks": []}
    return {"results": empty | results, "summary": {"passed": 30, "skipped": 0}}


def test_the_judge_of_checkovs_report_sees_what_checkov_lets_pass() -> None:
    check = {"check_id": "CKV_AZURE_1", "check_name": "n", "resource": "r"}
    assert faults(report()) == []
    assert faults(report(parsing_errors=["main.bicep"])) == ["not parsed: main.bicep"]
    assert faults(report(failed_checks=[check])) == ["CKV_AZURE_1 n: r"]
    assert faults(report(skipped_checks=[check | {"check_result": {"suppress_comment": "it may"}}]))
    assert not faults(report(skipped_checks=[check | {"check_result": {"suppress_comment": "it serves the public"}}]))
    assert faults(report() | {"summary": {"passed": 0, "skipped": 0}}) == ["only 0 checks passed"]
