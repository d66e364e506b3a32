"""The release's own scripts, run as GitHub runs them, against a ``gh`` that answers as it is told."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.bicep import ROOT

yaml = pytest.importorskip("yaml", reason="make test installs it")
JQ, BASH = shutil.which("jq"), shutil.which("bash")

RELEASE = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
MAIN = {"databaseId": 7, "event": "push"}
OLDER = {"databaseId": 5, "event": "workflow_dispatch"}
FORK = {"databaseId": 9, "event": "pull_request"}
"""A fork's branch that is named main too."""


def step(name: str) -> str:
    (found,) = [each["run"] for each in RELEASE["jobs"]["release"]["steps"] if each.get("id") == name]
    return str(found)


@pytest.mark.skipif(not (JQ and BASH), reason="jq is not installed; GitHub's machines have it")
@pytest.mark.parametrize(
    ("runs", "signed", "attested", "back"),
    [
        ([FORK, MAIN, OLDER], True, "true", "7"),
        ([FORK, OLDER], True, "true", "5"),
        ([FORK], True, "true", ""),
        ([], True, "true", ""),
        ([MAIN], False, "true", ""),  # somebody else's package
        ([MAIN], False, "false", "7"),  # a private repository without attestations
    ],
)
def test_the_package_to_go_back_to(tmp_path: Path, runs: list[object], signed: bool, attested: str, back: str) -> None:
    (tmp_path / "gh").write_text(
        f"""#!/bin/sh
case "$1 $2" in
  "run list") for query; do :; done; printf '%s' '{json.dumps(runs)}' | {JQ} -r "$query" ;;
  "run download") mkdir previous && echo "$3" >previous/package.zip ;;
  "attestation verify") test -f "$3" && exit {int(not signed)} ;;
  *) exit 9 ;;
esac
"""
    )
    (tmp_path / "gh").chmod(0o755)
    output = tmp_path / "output"
    output.touch()
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(output),
        "GITHUB_REPOSITORY": "me/lydian",
        "ATTESTED": attested,
    }
    command = [str(BASH), "--noprofile", "--norc", "-eo", "pipefail", "-c", step("before")]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 0, run.stderr
    assert output.read_text() == ("package=previous/package.zip\n" if back else "")
    if back:
        assert (tmp_path / "previous/package.zip").read_text() == f"{back}\n"


def test_a_package_that_is_not_there_is_nothing_to_go_back_to() -> None:
    steps = RELEASE["jobs"]["release"]["steps"]
    (condition,) = [each["if"] for each in steps if each.get("name") == "roll back"]
    assert condition.endswith("steps.before.outputs.package != ''")
