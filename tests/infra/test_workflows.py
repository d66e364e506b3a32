"""The workflows, azure.yaml, images and vercel.json: what they name exists, nothing is pinned by a name, and no credential is stored."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from shared_code.settings import SERVICES, declared, load
from tests.infra.bicep import ROOT, read

yaml = pytest.importorskip("yaml", reason="make test installs it")

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONLINT, HADOLINT = shutil.which("actionlint"), shutil.which("hadolint")
PATHS = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def jobs() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path.stem, name, job) for path in WORKFLOWS for name, job in loaded(path)["jobs"].items()]


def runs() -> str:
    return "\n".join(step.get("run", "") for _, _, job in jobs() for step in job.get("steps", []))


def test_all_of_them_are_read() -> None:
    assert {path.stem for path in WORKFLOWS} == {"ci", "codeql", "deploy", "release"}
    assert loaded(ROOT / ".github/dependabot.yml")["version"] == 2


def test_every_action_is_pinned_by_its_commit_and_says_which_version_that_is() -> None:
    found = 0
    for path in WORKFLOWS:
        for line in path.read_text().splitlines():
            if re.search(r"^\s*(- )?uses:", line) and "./.github/" not in line:
                assert re.search(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), f"{path.name}: {line.strip()}"
                found += 1
    assert found > 20


def test_one_action_has_one_commit() -> None:
    pins = re.findall(r"uses: ([\w.-]+/[\w.-]+)[\w./-]*@([0-9a-f]{40})", "\n".join(path.read_text() for path in WORKFLOWS))
    commits: dict[str, set[str]] = {}
    for action, commit in pins:
        commits.setdefault(action, set()).add(commit)
    assert {action: len(each) for action, each in commits.items() if len(each) > 1} == {}


def test_nobody_may_write_unless_a_job_says_what() -> None:
    for path in WORKFLOWS:
        assert loaded(path)["permissions"] == {"contents": "read"}, path.name
    writes = {(workflow, job): {k for k, v in body.get("permissions", {}).items() if v == "write"} for workflow, job, body in jobs()}
    assert {key: value for key, value in writes.items() if value} == {
        ("codeql", "analyze"): {"security-events"},
        ("deploy", "what-if"): {"id-token"},
        ("deploy", "package"): {"id-token", "attestations"},
        ("deploy", "staging"): {"id-token"},
        ("deploy", "production"): {"id-token"},
        ("release", "release"): {"id-token"},
    }


def test_no_credential_is_stored_and_none_is_left_behind() -> None:
    for path in WORKFLOWS:
        assert "secrets." not in path.read_text(), f"{path.name}: GitHub's token is exchanged for Azure's, and nothing else is needed"
    for workflow, name, job in jobs():
        for step in job.get("steps", []):
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False, f"{workflow}: {name}"


def test_what_others_write_is_never_part_of_a_script() -> None:
    # A branch or a title may hold shell: https://docs.github.com/actions/security-guides/security-hardening-for-github-actions
    assert "${{" not in runs()


def test_a_forks_pull_request_reaches_no_azure() -> None:
    for workflow, name, job in jobs():
        if any("azure/login" in step.get("uses", "") for step in job.get("steps", [])) and workflow == "deploy":
            assert "head.repo.full_name == github.repository" in job["if"], name
    assert "pull_request_target" not in "".join(path.read_text() for path in WORKFLOWS)


def test_a_pipe_fails_with_any_of_its_commands() -> None:
    # GitHub's own shell is bash -e; only one that is said gets pipefail, and a template that Azure refuses would look well through tee.
    for path in WORKFLOWS:
        scripts = [step.get("run", "") for job in loaded(path)["jobs"].values() for step in job.get("steps", [])]
        if any(re.search(r"(?<!\|)\|(?!\|)", script) for script in scripts):
            assert loaded(path)["defaults"]["run"]["shell"] == "bash", path.name


def test_dependabot_knows_every_list_of_dependencies() -> None:
    updates = loaded(ROOT / ".github/dependabot.yml")["updates"]
    known = {(each["package-ecosystem"], folder) for each in updates for folder in each.get("directories", [each.get("directory")])}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    lists = {"package.json": "npm", "requirements.txt": "pip", "Dockerfile": "docker"}
    wanted = {
        (lists[Path(name).name], f"/{Path(name).parent}".removesuffix("/.").replace("/.", "/") or "/")
        for name in tracked
        if Path(name).name in lists
    }
    assert known == wanted | {("github-actions", "/")}


def test_every_job_ends() -> None:
    assert [f"{workflow}: {name}" for workflow, name, job in jobs() if "timeout-minutes" not in job and "uses" not in job] == []


def test_the_suite_runs_on_each_python_and_under_the_real_host() -> None:
    matrix = loaded(ROOT / ".github/workflows/ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert matrix == ["3.11", "3.12", "3.13", "3.14"]
    for command in (
        "make test",
        "make check",
        "local.openapi --check",
        ".ci/func",
        "azure-functions-core-tools@",
        "infra/check.sh",
        "gitleaks",
    ):
        assert command in runs(), command


def test_what_the_scripts_call_exists() -> None:
    targets = set(re.findall(r"^([\w./]+):", (ROOT / "Makefile").read_text(), re.M)) | {".venv/stamp"}
    text = runs() + (ROOT / ".ci/func").read_text()
    for target in re.findall(r"\bmake ((?:[\w./]+ ?)+)", runs()):
        assert set(target.split()) - {"PYTHON"} <= targets, target
    for path in re.findall(r"\b(infra/[\w./-]+\.(?:sh|bicep|bicepparam)|tests/[\w/*]+(?:\.py)?|local/[\w/.-]+)", text):
        assert list(ROOT.glob(path)), path
    for module in re.findall(r"-m (local(?:\.\w+)*)", text):
        folder = ROOT / module.replace(".", "/")
        assert folder.with_suffix(".py").exists() or (folder / "__main__.py").exists(), module


def test_the_release_hands_the_template_all_that_its_parameters_read() -> None:
    (job,) = loaded(ROOT / ".github/workflows/release.yml")["jobs"].values()
    asked = set(re.findall(r"readEnvironmentVariable\('(\w+)'", (ROOT / "infra/main.bicepparam").read_text()))
    assert asked <= job["env"].keys(), sorted(asked - job["env"].keys())
    # … and what-if sees the same, or it would show changes that nobody makes.
    assert loaded(ROOT / ".github/workflows/deploy.yml")["jobs"]["what-if"]["env"] == job["env"]


def test_a_release_can_go_back() -> None:
    (job,) = loaded(ROOT / ".github/workflows/release.yml")["jobs"].values()
    steps = {step.get("name", step.get("uses", "")): step for step in job["steps"]}
    order = list(steps)
    assert order.index("the package to go back to") < order.index("code") < order.index("smoke test through the public address")
    assert order.index("what the smoke test needs") < order.index("code"), "the roll back tests with it, also where the code failed"
    for failed in ("code", "events", "smoke"):
        assert f"steps.{failed}.outcome == 'failure'" in steps["roll back"]["if"]
        assert any(step.get("id") == failed for step in job["steps"])
    assert job["concurrency"]["cancel-in-progress"] is False


def test_what_a_release_goes_back_to_was_made_by_main_and_is_signed() -> None:
    (job,) = loaded(ROOT / ".github/workflows/release.yml")["jobs"].values()
    ((before, _),) = [(step["run"], step["id"]) for step in job["steps"] if step.get("id") == "before"]
    # A fork's branch may be named main: its pull request's run counts as one of the branch main, with whatever package it made.
    assert 'select(.event != "pull_request")' in before
    assert "gh attestation verify previous/package.zip" in before.partition("gh run download")[2].partition("then")[0]


def test_what_is_signed_is_verified_and_the_same_condition_decides_both() -> None:
    signed = loaded(ROOT / ".github/workflows/deploy.yml")["jobs"]["package"]["steps"]
    (job,) = loaded(ROOT / ".github/workflows/release.yml")["jobs"].values()
    conditions = [step["if"] for step in signed if "attest" in step.get("uses", "")]
    conditions += [step["if"] for step in job["steps"] if step.get("name") == "the package is what this workflow built"]
    conditions += [step["env"]["ATTESTED"] for step in job["steps"] if step.get("id") == "before"]
    assert conditions == ["${{ !github.event.repository.private || vars.ATTESTATIONS == 'true' }}"] * 4


def test_production_waits_for_a_staging_that_went_well() -> None:
    production = loaded(ROOT / ".github/workflows/deploy.yml")["jobs"]["production"]
    assert "(needs.staging.result == 'success' || vars.STAGING != 'true')" in production["if"]


def test_packages_are_built_for_the_python_that_runs_them() -> None:
    ((_, site),) = [found for found in read("modules/app").resources("Microsoft.Web/sites") if found[0] == "Microsoft.Web/sites"]
    version = site["properties"]["functionAppConfig"]["runtime"]["version"]
    steps = loaded(ROOT / ".github/workflows/deploy.yml")["jobs"]["package"]["steps"]
    assert [step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")] == [version]
    assert f"ARG PYTHON={version}\n" in (ROOT / "Dockerfile").read_text()


def test_azd_knows_the_template_and_the_hooks() -> None:
    azure = loaded(ROOT / "azure.yaml")
    assert (ROOT / azure["infra"]["path"] / f"{azure['infra']['module']}.bicep").is_file()
    assert set(azure["hooks"]) == {"preprovision", "postprovision", "postdeploy"}
    for hook in azure["hooks"].values():
        assert hook["shell"] == "sh"
        assert (ROOT / hook["run"]).is_file()
    ((_, service),) = azure["services"].items()
    assert (service["host"], service["language"], service["project"]) == ("function", "python", ".")
    assert service["resourceName"].strip("${}") in read("main").outputs
    assert azure["resourceGroup"] == "${AZURE_RESOURCE_GROUP}"


def test_only_the_app_is_deployed() -> None:
    ignored = [name.lstrip("/") for name in (ROOT / ".funcignore").read_text().split()]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    first = {name.split("/")[0] for name in tracked}
    kept = {name for name in first if not name.startswith(".") and name not in ignored}
    assert kept == {"function_app.py", "host.json", "requirements.txt", "functions", "shared_code"}
    (copied,) = re.findall(r"^cp -R (.+) \.package/$", (ROOT / "infra/package.sh").read_text(), re.M)
    assert set(copied.split()) == kept, "by azd and by the workflows the same is deployed"


def test_the_context_of_the_images_holds_no_secret_and_all_that_they_copy() -> None:
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    assert lines[1] == "*", "all is left out but what is named"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    for file in ("Dockerfile", "local/Dockerfile"):
        for sources in re.findall(r"^COPY (?!--from)(?:--\w+ )*(.+) \S+$", (ROOT / file).read_text(), re.M):
            assert set(sources.split()) <= allowed, f"{file}: {sources}"
    assert not {".env", "local.settings.json", ".data", ".git"} & allowed


def test_images_run_as_nobody_in_particular() -> None:
    for file in ("Dockerfile", "local/Dockerfile"):
        users = re.findall(r"^USER (\S+)", (ROOT / file).read_text(), re.M)
        assert users
        assert users[-1].isdigit()
        assert users[-1] != "0"


def test_compose_opens_this_machine_only_and_sets_what_is_read() -> None:
    services = loaded(ROOT / "compose.yaml")["services"]
    assert set(services) == {"app", "azurite", "stripe", "ai"}
    for name, service in services.items():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert service["cap_drop"] == ["ALL"], name
    known = {setting["env"] for setting in declared()} | {"AzureWebJobsStorage"}
    assert services["app"]["environment"].keys() <= known
    values = {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value)) for name, value in services["app"]["environment"].items() if name in known
    }
    settings = load(values)
    assert (settings.environment, settings.services) == ("local", SERVICES)
    for volume in services["app"]["volumes"]:
        assert (ROOT / volume.split(":")[0]).is_file()


@pytest.mark.parametrize("rewrite", json.loads((ROOT / "vercel.json").read_text())["rewrites"], ids=lambda rewrite: rewrite["source"])
def test_vercel_leads_to_routes_that_exist(rewrite: dict[str, str]) -> None:
    source, destination = rewrite["source"], rewrite["destination"]
    path = re.sub(r"\(.*?\)", "", source)
    assert destination == f"https://api.contoso.com{path}", "a path keeps its name, or cookies and links break"
    start = path.split(":")[0]
    reached = [known for known in PATHS if (known == path if ":" not in path else known.startswith(start))]
    assert reached, f"{path} leads nowhere"


def test_vercel_caches_nothing_private() -> None:
    headers = {each["source"]: each["headers"][0]["value"] for each in json.loads((ROOT / "vercel.json").read_text())["headers"]}
    assert all("private" in value for value in headers.values())
    assert {"/api/(.*)", "/share/(.*)"} == headers.keys()


@pytest.mark.skipif(not ACTIONLINT, reason="actionlint is not installed; CI has it")
def test_actionlint_finds_nothing() -> None:
    run = subprocess.run([str(ACTIONLINT), "-no-color", *map(str, WORKFLOWS)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.skipif(not HADOLINT, reason="hadolint is not installed; CI has it")
def test_hadolint_finds_nothing() -> None:
    run = subprocess.run([str(HADOLINT), "Dockerfile", "local/Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_what_is_let_pass_as_no_secret() -> None:
    from tests.azurite import KEY

    config = tomllib.loads((ROOT / ".gitleaks.toml").read_text())
    assert config["extend"]["useDefault"] is True
    assert [each["regexes"] for each in config["allowlists"] if "targetRules" not in each] == [[KEY]], "for every rule Azurite's key alone"
    for each in config["allowlists"]:
        if "targetRules" in each:
            assert each["targetRules"] == ["generic-api-key"], "rules that know the shape of a key hold everywhere"
            assert each["paths"]
    # Ids of roles look like keys to it, and must not stop the first push.
    (ids,) = [each for each in config["allowlists"] if "roles" in each.get("paths", [""])[0]]
    assert re.search(ids["paths"][0], "infra/modules/roles.bicep")
    assert all(re.search(ids["regexes"][0], id_) for id_ in read("modules/roles").variables["roleIds"].values())
