"""azd's hooks, run against an ``az`` that notes what it is asked: what they do, that they may run twice, and that they give up."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import INFRA, ROOT, read

HOOKS = INFRA / "hooks"
SCRIPTS = sorted(HOOKS.glob("*.sh"))
SHELLCHECK = shutil.which("shellcheck")
KNOWN = {
    "AZURE_RESOURCE_GROUP": "rg-test",
    "AZURE_LOCATION": "swedencentral",
    "AZURE_ENV_NAME": "test",
    "KEY_VAULT": "kv-test",
    "FUNCTION_APPS": '["func-a","func-b"]',
    "FIRST_APP": "func-a",
    "FILES_APP": "func-b",
    "FILES_CONTAINER": "uploads",
    "EVENT_TOPIC": "evgst-test",
    "PUBLIC_BASE_URL": "https://api.contoso.com",
    "HOOK_PAUSE": "0",
}


class Cloud:
    """A folder of made-up commands at the head of PATH; each notes its arguments and answers as ``cases`` say."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.log = folder / "bin", folder / "log"
        self.bin.mkdir()
        self.log.touch()

    def command(self, name: str, cases: str = "") -> None:
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.log}"\ncase "$*" in\n{cases}\nesac\n')
        path.chmod(0o755)

    def run(self, script: str, *arguments: str, cwd: Path = ROOT, **settings: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": f"{self.bin}:{os.environ['PATH']}", **KNOWN, **settings}
        command = ["sh", str(HOOKS / script), *arguments]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=20, check=False)

    def asked(self, start: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.startswith(start)]


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    made = Cloud(tmp_path)
    made.command("azd")
    return made


def test_they_are_posix_and_can_be_run() -> None:
    for script in SCRIPTS:
        assert subprocess.run(["sh", "-n", script], capture_output=True, check=False).returncode == 0, script.name
        assert script.name == "common.sh" or (script.read_text().startswith("#!/bin/sh\n") and os.access(script, os.X_OK)), script.name


@pytest.mark.skipif(not SHELLCHECK, reason="shellcheck is not installed; CI has it")
def test_shellcheck_finds_nothing() -> None:
    run = subprocess.run([str(SHELLCHECK), "-x", "-s", "sh", "-P", HOOKS, *SCRIPTS], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_a_first_deployment_makes_the_signing_key_in_the_vault_only(cloud: Cloud, tmp_path: Path) -> None:
    cloud.command("az", '*"secret set"*) cp "$9" "' + str(tmp_path / "key.pem") + '";; *"query id"*) echo /subscriptions/s/sites/x;;')
    run = cloud.run("postprovision.sh", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    (made,) = cloud.asked("az keyvault secret set")
    assert "--vault-name kv-test --name jwt-private-key --file" in made
    assert (tmp_path / "key.pem").read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert "PRIVATE KEY" not in run.stdout + run.stderr + cloud.log.read_text()
    assert not Path(made.split("--file ")[1].split()[0]).exists(), "the key stayed on the disk"
    # Both apps, or the one that started first would go on without.
    assert len(cloud.asked("az rest --method post")) == 2


def test_a_second_one_leaves_the_key_alone(cloud: Cloud) -> None:
    cloud.command("az", '*"secret list"*) echo sendgrid-api-key; echo jwt-private-key;;')
    assert cloud.run("postprovision.sh").returncode == 0
    assert cloud.asked("az keyvault secret set") == []


def test_a_key_with_a_similar_name_is_another(cloud: Cloud) -> None:
    cloud.command("az", '*"secret list"*) echo old-jwt-private-key;;')
    assert cloud.run("postprovision.sh").returncode == 0
    assert len(cloud.asked("az keyvault secret set")) == 1


def test_a_role_that_never_comes_ends_in_an_error(cloud: Cloud) -> None:
    cloud.command("az", '*"secret list"*) exit 1;;')
    run = cloud.run("postprovision.sh")
    assert (run.returncode, cloud.asked("az keyvault secret set")) == (1, [])
    assert "given up" in run.stderr
    assert len(cloud.asked("az keyvault secret list")) == 30


def test_the_blob_key_is_no_argument_of_any_command(cloud: Cloud, tmp_path: Path) -> None:
    kept = tmp_path / "parameters.json"
    cloud.command(
        "az",
        f'*"keys list"*) echo made-up-key;;\n*"deployment group create"*) for a; do case $a in @*) cp "${{a#@}}" "{kept}";; esac; done;;',
    )
    run = cloud.run("events.sh", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "made-up-key" in kept.read_text()
    assert "made-up-key" not in cloud.log.read_text() + run.stdout
    for name in ("topicName", "appName", "container", "blobsExtensionKey"):
        assert f'"{name}"' in kept.read_text()
        assert name in read("events").params


def test_all_apps_get_the_code_and_then_the_subscription(cloud: Cloud) -> None:
    cloud.command("az", '*"keys list"*) echo made-up-key;;')
    cloud.command("azd", '"package app --output-path "*) : >"$4";;')
    run = cloud.run("postdeploy.sh")
    assert run.returncode == 0, run.stderr
    (deployed,) = cloud.asked("az functionapp deployment source config-zip")
    assert "--name func-b " in deployed, "azd has deployed the first one itself"
    assert "--build-remote true" in deployed
    assert len(cloud.asked("az deployment group create")) == 1


def test_with_one_app_there_is_nothing_more_to_deploy(cloud: Cloud) -> None:
    cloud.command("az", '*"keys list"*) echo made-up-key;;')
    assert cloud.run("postdeploy.sh", FUNCTION_APPS='["func-a"]', FILES_APP="func-a").returncode == 0
    assert cloud.asked("az functionapp deployment") == []


def test_a_handshake_that_comes_late_is_tried_again(cloud: Cloud, tmp_path: Path) -> None:
    once = tmp_path / "once"
    cloud.command("az", f'*"keys list"*) echo made-up-key;;\n*"group create"*) [ -f "{once}" ] && exit 0; : >"{once}"; exit 1;;')
    assert cloud.run("events.sh").returncode == 0
    assert len(cloud.asked("az deployment group create")) == 2


def test_a_failed_deployment_of_one_app_fails(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "package.zip").touch()
    cloud.command("az", '*"--name func-a"*) exit 3;;')
    run = cloud.run("deploy-package.sh", "package.zip", "false", "func-a", "func-b", cwd=tmp_path)
    assert run.returncode == 3
    assert len(cloud.asked("az functionapp deployment")) == 1


def test_before_anything_is_built(cloud: Cloud) -> None:
    cloud.command("az", '*"group exists"*) echo false;; *"query id"*) echo sub;;')
    run = cloud.run("preprovision.sh", AZURE_RESOURCE_GROUP="")
    assert run.returncode == 0, run.stderr
    assert cloud.asked("az group create --name rg-lydian-test --location swedencentral --tags azd-env-name=test ")
    assert cloud.asked("azd env set AZURE_RESOURCE_GROUP rg-lydian-test")


def test_every_provider_of_the_templates_is_registered_and_waited_for(cloud: Cloud) -> None:
    cloud.command("az", '*"group exists"*) echo true;; *"query id"*) echo sub;;')
    assert cloud.run("preprovision.sh").returncode == 0
    templates = [*(ROOT / "infra/modules").glob("*.bicep"), ROOT / "infra/events.bicep"]
    used = {name for path in templates for name in re.findall(r"^ *resource \w+ '(Microsoft\.\w+)/", path.read_text(), re.MULTILINE)}
    always = {"Microsoft.Authorization", "Microsoft.Resources"}  # every subscription has these
    for provider in used - always:
        assert cloud.asked(f"az provider register --namespace {provider} --wait"), provider


def test_who_may_register_nothing_goes_on(cloud: Cloud) -> None:
    cloud.command("az", '*"group exists"*) echo true;; *"query id"*) echo sub;; *"provider register"*) exit 1;;')
    run = cloud.run("preprovision.sh")
    assert run.returncode == 0, run.stderr
    assert "ask an owner for: az provider register --namespace Microsoft.Cdn" in run.stdout
    assert not cloud.asked("az group create")


@pytest.mark.parametrize(
    ("cases", "settings", "said"),
    [
        ('*"account show"*) exit 1;;', {}, "az login"),
        ('*"account set"*) exit 1;;', {"AZURE_SUBSCRIPTION_ID": "x"}, "does not see subscription"),
        ("", {"AZURE_LOCATION": ""}, "azd env set AZURE_LOCATION"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_built(cloud: Cloud, cases: str, settings: dict[str, str], said: str) -> None:
    cloud.command("az", cases)
    run = cloud.run("preprovision.sh", **settings)
    assert run.returncode == 1
    assert said in run.stderr
    assert not cloud.asked("az group create")


STAND = {
    "PUBLIC_BASE_URL": "https://api.contoso.com",
    "FIRST_APP": "func-a",
    "FILES_APP": "func-b",
    "FILES_CONTAINER": "uploads",
    "EVENT_TOPIC": "evgst-x",
    "KEY_VAULT": "kv-x",
    "FUNCTION_APPS": ["func-a", "func-b"],
}


def resource_manager(cloud: Cloud, deployments: list[dict[str, Any]]) -> None:
    """An ``az deployment group`` that answers queries as az does: by JMESPath, on what Resource Manager returns."""
    pytest.importorskip("jmespath", reason="make test installs it")
    script = cloud.bin / "az"
    script.write_text(
        f"""#!{sys.executable}
import json, sys
sys.path[:0] = {sys.path!r}
import jmespath
words, found = sys.argv[1:], json.loads({json.dumps(json.dumps(deployments))})
if words[2] == "show":
    found = next(each for each in found if each["name"] == words[words.index("--name") + 1])
answer = jmespath.search(words[words.index("--query") + 1], found)
print("\\n".join(answer) if isinstance(answer, list) else "" if answer is None else answer)
"""
    )
    script.chmod(0o755)


def deployment(name: str, at: str, outputs: dict[str, Any], state: str = "Succeeded", **more: Any) -> dict[str, Any]:
    values = {key: {"value": value} for key, value in outputs.items()}
    return {"name": name, "tags": None, "properties": {"provisioningState": state, "timestamp": at, "outputs": values}, **more}


@pytest.mark.parametrize("casing", [lambda name: name, lambda name: re.sub("^[A-Z]+(?=[A-Z]_)", lambda m: m[0].lower(), name)])
def test_without_azd_the_outputs_come_as_lines(cloud: Cloud, casing: Callable[[str], str]) -> None:
    # https://github.com/Azure/azure-sdk-for-net/pull/13521: IOT_HUB_… came back as ioT_HUB_…
    returned = {casing(name): value for name, value in STAND.items()}
    resource_manager(cloud, [deployment("main", "2026-11-01", returned), deployment("storage", "2026-11-02", {})])
    run = cloud.run("outputs.sh")
    assert run.returncode == 0, run.stderr
    lines = dict(line.split("=", 1) for line in run.stdout.splitlines())
    assert lines == STAND | {"FUNCTION_APPS": "func-a,func-b"}
    assert lines.keys() <= read("main").outputs.keys()


def test_the_last_deployment_that_went_well_is_asked_azds_too(cloud: Cloud) -> None:
    other = STAND | {"KEY_VAULT": "kv-older"}
    resource_manager(
        cloud,
        [
            deployment("main", "2026-11-01", other),
            deployment("prod-1764000000", "2026-11-02", STAND, tags={"azd-env-name": "prod"}),
            deployment("prod-1764000001", "2026-11-03", {}, "Failed", tags={"azd-env-name": "prod"}),
        ],
    )
    assert "KEY_VAULT=kv-x\n" in cloud.run("outputs.sh").stdout
    assert "KEY_VAULT=kv-older\n" in cloud.run("outputs.sh", DEPLOYMENT="main").stdout


@pytest.mark.parametrize("deployments", [[], [deployment("main", "2026-11-01", STAND | {"KEY_VAULT": None})]])
def test_outputs_that_are_not_there_are_no_empty_lines(cloud: Cloud, deployments: list[dict[str, Any]]) -> None:
    resource_manager(cloud, deployments)
    run = cloud.run("outputs.sh")
    assert run.returncode == 1
    assert "KEY_VAULT=" not in run.stdout
    assert ("no output KEY_VAULT" if deployments else "nothing has been deployed") in run.stderr


def test_the_hooks_read_what_the_template_says() -> None:
    outputs = read("main").outputs.keys()
    given = {"AZURE_RESOURCE_GROUP", "AZURE_LOCATION", "AZURE_ENV_NAME", "AZURE_SUBSCRIPTION_ID"}
    for script in SCRIPTS:
        for line in script.read_text().splitlines():
            if line.startswith("want "):
                assert set(line.split()[1:]) <= outputs | given, script.name
