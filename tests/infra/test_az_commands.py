"""Each az command of guides, hooks and workflows exists, and knows the options that it is given: by az itself, where it is installed."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.infra.bicep import INFRA, ROOT

AZ = shutil.which("az")
GUIDES = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs/guides").glob("*.md"), INFRA / "README.md"]
SCRIPTS = [*INFRA.rglob("*.sh"), *(ROOT / ".github/workflows").glob("*.yml"), INFRA / "events.bicep", INFRA / "main.bicepparam"]
AT_ITS_BEGINNING = r"(?:^|\$\(|`|&& |\|\| |; |if |until |// |- run: )\s*"
COMMAND = re.compile(AT_ITS_BEGINNING + r"az ((?:[a-z][a-z-]+)(?: [a-z][a-z-]+)*)([^`\n]*)", re.M)


def commands() -> dict[str, set[str]]:
    """Each command with the options that it is given anywhere."""
    found: dict[str, set[str]] = {}
    for path in [*GUIDES, *SCRIPTS]:
        text = path.read_text().replace("\\\n", " ")
        if path.suffix == ".md":
            text = "\n".join(re.findall(r"```\w*\n.*?```|`[^`]+`", text, re.S))
        for words, rest in COMMAND.findall(text):
            mine = re.split(r"\)| \|| && |; ", re.sub(r'"[^"]*"|\'[^\']*\'', "…", rest))[0]
            found.setdefault(words, set()).update(re.findall(r"(?<=\s)(--[a-z-]+|-[a-z])(?=[\s=]|$)", mine))
    return found


def test_they_are_found() -> None:
    found = commands()
    assert len(found) > 20
    assert {"--build-remote", "--src"} <= found["functionapp deployment source config-zip"]
    assert {"--issuer", "--subject", "-n"} <= found["identity federated-credential create"]


@pytest.mark.skipif(not AZ, reason="az is not installed; GitHub's machines have it")
def test_az_knows_them(tmp_path: Path) -> None:
    environment = os.environ | {"AZURE_CONFIG_DIR": str(tmp_path), "AZURE_CORE_COLLECT_TELEMETRY": "no", "AZURE_CORE_NO_COLOR": "yes"}

    def unknown(command: str, options: set[str]) -> set[str]:
        asked = [str(AZ), *command.split(), "--help"]
        run = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=120, check=False)
        if run.returncode or "\nCommand\n" not in run.stdout:
            return {"no such command"}
        return options - set(re.findall(r"(?<=[\s\[])(--[a-z-]+|-[a-z])(?=[\s:]|$)", run.stdout))

    found = commands()
    with ThreadPoolExecutor(4) as pool:
        answers = dict(zip(found, pool.map(unknown, found, found.values()), strict=True))
    assert {command: missing for command, missing in answers.items() if missing} == {}
