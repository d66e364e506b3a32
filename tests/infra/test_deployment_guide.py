"""What the guides say that can be checked offline: commands, settings, parameters, outputs, records, links and diagrams exist."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from local.preflight.checks import CHECKS
from shared_code.auth import api_keys, deletion, sessions
from shared_code.chat import finishing, running
from shared_code.files import incoming
from shared_code.payments import signatures
from shared_code.settings import declared
from shared_code.storage import notices
from tests.infra.bicep import INFRA, ROOT, every, read

GUIDE = ROOT / "docs/deployment.md"
GUIDES = [
    GUIDE,
    ROOT / "docs/unverified.md",
    ROOT / "docs/architecture.md",
    INFRA / "README.md",
    *sorted((ROOT / "docs/guides").glob("*.md")),
]
TEXT = "\n".join(path.read_text() for path in GUIDES)
MAIN = read("main")
PARAMETERS = (INFRA / "main.bicepparam").read_text()
READ_BY_PARAMETERS = set(re.findall(r"readEnvironmentVariable\('(\w+)'", PARAMETERS))
AZDS_OWN = {"AZURE_LOCATION", "AZURE_RESOURCE_GROUP", "AZURE_SUBSCRIPTION_ID", "AZURE_ENV_NAME"}
SETTINGS = {setting["env"] for setting in declared()}
GITHUBS = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID", "STAGING", "ATTESTATIONS", "CODE_SECURITY"}


def code() -> str:
    """What stands in backticks or in blocks."""
    return "\n".join(re.findall(r"```\w*\n.*?```|`[^`\n]+`", TEXT, re.S))


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve()
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.M)
            assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, target


def test_files_that_are_named_exist() -> None:
    for name in re.findall(r"`((?:infra|docs|tests|local|shared_code|functions|\.github|\.ci)/[\w./*-]+)`", TEXT):
        assert list(ROOT.glob(name.rstrip("/"))), name
    for name in ("compose.yaml", "Dockerfile", "vercel.json", "azure.yaml"):
        assert (ROOT / name).is_file()


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    used = set(re.findall(r"\bmake ([a-z]+)", code()))
    assert used
    assert used <= targets, used - targets


def test_variables_that_are_set_are_read() -> None:
    used = set(re.findall(r"azd env set ([A-Z_]+)", code()))
    assert used
    assert used <= READ_BY_PARAMETERS | AZDS_OWN, used - READ_BY_PARAMETERS - AZDS_OWN
    # The table of the guide, and no variable that it forgets.
    table = GUIDE.read_text().partition("| `azd env set` |")[2].partition("\n\n")[0]
    listed = set(re.findall(r"`([A-Z_]{5,})`", table))
    shown = listed | set(re.findall(r"azd env set ([A-Z_]+)", GUIDE.read_text()))
    assert listed <= READ_BY_PARAMETERS
    assert READ_BY_PARAMETERS - {"AZURE_ENV_NAME", "AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"} <= shown


def test_the_tables_defaults_are_the_parameters() -> None:
    defaults = dict(re.findall(r"readEnvironmentVariable\('(\w+)', '([^']*)'\)", PARAMETERS))
    table = GUIDE.read_text().partition("| `azd env set` |")[2].partition("\n\n")[0]
    checked = 0
    for row in table.splitlines()[2:]:
        names, values = (re.findall(r"`([^`]+)`", cell) for cell in row.split("|")[1:3])
        for name, value in zip(names, values, strict=False):
            assert defaults[name] == value, name
            checked += 1
    assert checked >= 6


def test_outputs_that_are_asked_for_exist() -> None:
    used = set(re.findall(r"azd env get-value (\w+)", code())) | set(re.findall(r"[Oo]utput `(\w+)`", TEXT))
    assert used
    assert used <= MAIN.outputs.keys(), used - MAIN.outputs.keys()


def test_every_name_in_capitals_is_known() -> None:
    known = SETTINGS | READ_BY_PARAMETERS | AZDS_OWN | GITHUBS | set(MAIN.outputs) | set(read("modules/app").variables["table"])
    words = set(re.findall(r"`((?!OTEL_)[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`", TEXT))  # OTEL_…: the SDK's own
    assert len(words) > 20
    assert words <= known, words - known


def test_json_in_commands_is_json() -> None:
    found = re.findall(r"azd env set \w+_JSON '([^']+)'", TEXT)
    assert len(found) >= 4
    for text in found:
        json.loads(text)


def test_settings_in_the_commands_are_settings() -> None:
    for text in re.findall(r"APP_SETTINGS_JSON '([^']+)'", TEXT):
        assert json.loads(text).keys() <= SETTINGS
    for text in re.findall(r"SECRET_SETTINGS ([A-Z_,]+)", code()):
        allowed = set(re.findall(r"'([A-Z_]+)'", MAIN.params["secretSettings"][0].partition("@allowed(")[2]))
        assert set(text.split(",")) <= allowed


def test_the_steps_of_azd_up_are_azure_yamls() -> None:
    azure = (ROOT / "azure.yaml").read_text()
    steps = re.findall(r"^\| (\w+) \| .* \| `(infra/hooks/[\w.-]+)` \|$", GUIDE.read_text(), re.M)
    assert [step for step, _ in steps] == ["preprovision", "postprovision", "postdeploy"]
    for step, script in steps:
        assert re.search(rf"^  {step}:\n    shell: sh\n    run: {re.escape(script)}$", azure, re.M), step


def test_checks_that_are_named_exist() -> None:
    names = {check.name for check in CHECKS}
    for text in re.findall(r"--only ([a-z,-]+)", TEXT):
        assert set(text.strip(",").split(",")) <= names, text
    assert f"each of {len(CHECKS)} checks" in GUIDE.read_text()


def test_figures_are_the_templates() -> None:
    storage, main = (INFRA / "modules/storage.bicep").read_text(), (INFRA / "modules/vault.bicep").read_text()
    assert "deleteRetentionPolicy: { enabled: true, days: 7 }" in storage
    assert "for 7 days" in GUIDE.read_text()
    assert "softDeleteRetentionInDays: 90" in main
    assert "enablePurgeProtection: true" in main
    assert "retention-days: 90" in (ROOT / ".github/workflows/deploy.yml").read_text()
    assert "kept for 90 days" in GUIDE.read_text()
    assert "listens on port 8080" in " ".join(GUIDE.read_text().split())
    assert "EXPOSE 8080\n" in (ROOT / "Dockerfile").read_text()
    assert "127.0.0.1:7071:8080" in (ROOT / "compose.yaml").read_text()
    assert "as user 10001," in GUIDE.read_text()
    assert "\nUSER 10001\n" in (ROOT / "Dockerfile").read_text()
    assert "from five places" in GUIDE.read_text()
    assert len(read("modules/alerts").variables["places"]) == 5


def test_what_azure_keeps_of_what_is_removed_is_said_of_each_such_resource() -> None:
    removal = GUIDE.read_text().partition("## Removing it all")[2]
    kinds = {kind for file in every() for kind, _ in file.resources("Microsoft.")}
    kept = {"Microsoft.KeyVault/vaults", "Microsoft.CognitiveServices/accounts", "Microsoft.OperationalInsights/workspaces"}
    also = {"Microsoft.ApiManagement/service", "Microsoft.AppConfiguration/configurationStores", "Microsoft.RecoveryServices/vaults"}
    assert kinds & (kept | also) == kept, "soft deletion: say it in the guide"
    for text in ("az keyvault recover", "az cognitiveservices account purge", "azd down --purge", "az group delete"):
        assert text in removal, text


def test_githubs_variables_are_those_of_the_workflows() -> None:
    workflows = "".join(path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml"))
    used = set(re.findall(r"vars\.(\w+)", workflows))
    table = GUIDE.read_text().partition("| variable | of |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([A-Z_]{5,})`", table))
    assert named <= used
    assert used <= named | READ_BY_PARAMETERS, used - named - READ_BY_PARAMETERS
    for environment in ("plan", "staging", "production"):
        assert re.search(rf"environment: {environment}\b", workflows), environment


def test_the_records_of_dns_are_those_of_the_module() -> None:
    guide, module = (ROOT / "docs/guides/dns.md").read_text(), (INFRA / "modules/dns.bicep").read_text()
    for record in ("_dnsauth.", "s1._domainkey", "s2", "_dmarc", "s1.domainkey."):
        assert record in guide, record
        assert record in module, record
    example = json.loads(re.findall(r"MAIL_DOMAIN_JSON '([^']+)'", guide)[0])
    assert set(re.findall(r"mail\.\?(\w+)", module)) == example.keys()


def test_routes_that_are_named_exist() -> None:
    paths = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    for path in set(re.findall(r"`(?:GET|POST) (/[\w/.-]+)`", TEXT)) | {"/health/ready", "/api/auth/register", "/status", "/monitor"}:
        assert path in paths, path


def diagrams() -> list[str]:
    return re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.S)


def test_diagrams_are_of_kinds_that_github_draws_and_close_what_they_open() -> None:
    assert len(diagrams()) >= 5
    for text in diagrams():
        assert re.match(r"(sequenceDiagram|flowchart (TD|LR|TB))\n", text)
        for left, right in ("[]", "()", "{}"):
            assert text.count(left) == text.count(right), text[:60]
        opened = len(re.findall(r"^\s*(?:subgraph|loop|alt|opt|par)\b", text, re.M))
        assert opened == len(re.findall(r"^\s*end\s*$", text, re.M))


def test_diagrams_name_functions_queues_and_tables_that_exist() -> None:
    text = "\n".join(diagrams())
    sources = "".join(path.read_text() for path in (ROOT / "functions").rglob("*.py"))
    for name in set(re.findall(r"\b(?:files|auth|chat|ai|payments|mail)_[a-z_]+\b", text)):
        assert f'"{name}"' in sources, name
    model = (ROOT / "docs/data-model.md").read_text()
    for name in re.findall(r"\[\[([\w-]+)\]\]", text):
        assert f"`{name}`" in model, name
    for name in re.findall(r"\[\(([\w-]+)\)\]", text):
        assert f"`{name}`" in model, name


def test_figures_in_diagrams_are_the_codes() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    host = json.loads((ROOT / "host.json").read_text())
    jobs = "".join((ROOT / f"functions/{name}/jobs.py").read_text() for name in ("auth", "chat", "payments"))
    facts = {
        "notices of changes, 5 s old at most": sessions.CACHED_FOR == api_keys.CACHED_FOR == notices.FRESH == timedelta(seconds=5),
        "2 MiB blocks, two in flight": (incoming.BLOCK_BYTES, incoming.IN_FLIGHT) == (2 * 1024 * 1024, 2),
        "five failures": host["extensions"]["queues"]["maxDequeueCount"] == 5,
        "twice a second at most": running.FLUSH == 0.5,
        "nine minutes are over": running.MAX_SECONDS == 9 * 60,
        "within 60 s": finishing.LEASE + timedelta(seconds=30) < timedelta(seconds=60) and 'schedule="*/30 * * * * *"' in jobs,
        "signature, 5 minutes": timedelta(minutes=5) == signatures.TOLERANCE,
        "payments_retry_events, each minute": 'schedule="15 * * * * *"' in jobs,
        "all have answered, twice": deletion.ROUNDS == 2,
        "goes on with every five minutes": 'schedule="15 */5 * * * *"' in jobs,
        "(32 requests each)": "perInstanceConcurrency: 32" in (INFRA / "modules/app.bicep").read_text(),
        "Availability test, five places": len(read("modules/alerts").variables["places"]) == 5,
    }
    assert [words for words, true in facts.items() if not true or words not in text] == []


def test_each_thing_that_is_unverified_says_how_to_see_it() -> None:
    rows = [line for line in (ROOT / "docs/unverified.md").read_text().splitlines() if line.startswith("| ") and "---" not in line]
    claims = [row for row in rows if row != "| claim | how to see |"]
    assert len(claims) > 25
    assert all(len([cell for cell in row.split(" | ") if cell.strip("| ")]) == 2 for row in claims)
