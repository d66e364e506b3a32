"""What the templates build: who may do what, who may come in, what exists beforehand, and that no output tells a secret."""

import json
import re

from tests.infra.bicep import INFRA, ROOT, Expression, every, read

MAIN, STORAGE, ROLES, APP = read("main"), read("modules/storage"), read("modules/roles"), read("modules/app")


def one(module: str, kind: str) -> dict:
    (body,) = [body for found, body in read(module).resources(kind) if found == kind]
    return body


def test_everything_parses() -> None:
    assert [error for file in every() for error in file.syntax_errors()] == []
    assert len(every()) > 10


def test_no_module_comes_from_a_registry() -> None:
    for file in every():
        for path in re.findall(r"^module \w+ '([^']+)'", file.text, re.M):
            assert (file.path.parent / path).is_file(), path


def test_parameters_are_described_and_have_safe_defaults() -> None:
    for name, (decorators, default) in MAIN.params.items():
        assert "@description" in decorators, name
        assert default is not None or name == "environmentName", f"{name} must be given"
    defaults = {name: default for name, (_, default) in MAIN.params.items()}
    # Nothing is open and nothing costs before somebody says so, save the Front Door that protects the rest.
    assert defaults["corsOrigins"] == defaults["operatorAddresses"] == defaults["openAiDeployments"] == []
    assert (defaults["alwaysReady"], defaults["secretsOfficerId"], defaults["frontDoor"]) == (0, "", "Standard")


def test_the_parameter_file_names_parameters_that_exist() -> None:
    text = (INFRA / "main.bicepparam").read_text()
    given = set(re.findall(r"^param (\w+) =", text, re.M))
    assert given <= MAIN.params.keys()
    assert {name for name, (_, default) in MAIN.params.items() if default is None} <= given


def test_every_role_is_granted_and_every_grant_is_a_role() -> None:
    ids, grants = ROLES.variables["roleIds"], ROLES.variables["grants"]
    granted = [role for holder in grants.values() for roles in holder.values() for role in roles]
    assert set(granted) == set(ids)
    assert len(set(ids.values())) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id_) for id_ in ids.values())
    for scope in grants["app"]:
        assert f"in {scope}Roles:" in ROLES.text, f"grants on {scope} are never assigned"
    # Whoever may write secrets reads no data, and an app writes no secrets.
    assert {scope for scope, roles in grants["secretsOfficer"].items() if roles} == {"vault"}
    assert grants["app"]["vault"] == ["Key Vault Secrets User"]
    assert not {"Owner", "Contributor", "User Access Administrator"} & set(ids)


def test_roles_are_assigned_in_one_place() -> None:
    others = [file.path.name for file in every() if file is not ROLES and any(file.resources("Microsoft.Authorization"))]
    assert others == []


def test_only_apps_with_models_may_call_models() -> None:
    assert "openAiName: hasOpenAi && contains(['app', 'ai', 'chat'], app.key) ?" in MAIN.text


def test_what_the_data_model_names_exists_beforehand() -> None:
    _, tables, containers, queues = re.split(r"^\| (?:table|container|queue) \|.*$", (ROOT / "docs/data-model.md").read_text(), flags=re.M)
    named = [
        {name for name in re.findall(r"^\| `([^`]+)`", part, re.M) if "YYYYMM" not in name}  # dated ones come and go
        for part in (tables, containers, queues)
    ]
    expression = STORAGE.variables["containers"]
    assert expression == "concat([filesContainer, '${filesContainer}-variants', 'lydian-system', 'chat'], packageContainers)"
    built = [set(STORAGE.variables["tables"]), {"uploads", "uploads-variants", "lydian-system", "chat"}, set(STORAGE.variables["queues"])]
    for here, there in zip(named, built, strict=True):
        assert here, "docs/data-model.md has another form now"
        assert here <= there, f"add to infra/modules/storage.bicep: {sorted(here - there)}"


def test_each_app_finds_its_package_container() -> None:
    assert MAIN.variables["packageContainers"] == "[for app in apps: 'app-package-${app.key}']"
    assert "app-package-${key}'" in APP.text


def test_storage_takes_no_keys_and_shows_nothing() -> None:
    properties = one("modules/storage", "Microsoft.Storage/storageAccounts")["properties"]
    assert properties["allowSharedKeyAccess"] is properties["allowBlobPublicAccess"] is False
    assert (properties["minimumTlsVersion"], properties["supportsHttpsTrafficOnly"]) == ("TLS1_2", True)
    service = one("modules/storage", "Microsoft.Storage/storageAccounts/blobServices")["properties"]
    assert service["deleteRetentionPolicy"]["enabled"] is service["containerDeleteRetentionPolicy"]["enabled"] is True
    assert service["cors"]["corsRules"] == "empty(corsOrigins) ? [] : corsRules"
    # What grant_upload tells a browser to send (shared_code/storage/azure_blobs.py) must be allowed to it.
    (rule,) = STORAGE.variables["corsRules"]
    assert {"content-type", "x-ms-*"} <= set(rule["allowedHeaders"])
    assert rule["allowedMethods"] == ["PUT", "OPTIONS"]


def test_the_vault_forgets_nothing_and_telemetry_and_models_take_no_keys() -> None:
    vault = one("modules/vault", "Microsoft.KeyVault/vaults")["properties"]
    assert vault["enableRbacAuthorization"] is vault["enablePurgeProtection"] is vault["enableSoftDelete"] is True
    assert one("modules/monitoring", "Microsoft.Insights/components")["properties"]["DisableLocalAuth"] is True
    assert one("modules/openai", "Microsoft.CognitiveServices/accounts")["properties"]["disableLocalAuth"] is True


def test_one_flex_plan_for_each_app_with_room_for_streams() -> None:
    assert one("modules/app", "Microsoft.Web/serverfarms")["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    site = one("modules/app", "Microsoft.Web/sites")
    config = site["properties"]["functionAppConfig"]
    assert config["runtime"] == {"name": "python", "version": "3.13"}
    assert config["scaleAndConcurrency"]["triggers"]["http"]["perInstanceConcurrency"] == 32
    assert config["deployment"]["storage"]["authentication"]["type"] == "UserAssignedIdentity"
    assert site["properties"]["httpsOnly"] is True
    assert site["properties"]["keyVaultReferenceIdentity"] == Expression("identityId")
    policies = {body["name"]: body["properties"]["allow"] for kind, body in APP.resources("basicPublishingCredentialsPolicies")}
    assert policies == {"ftp": False, "scm": False}


def test_the_host_can_tell_its_apps_apart() -> None:
    # Its id is the first 32 characters of the app's name, and apps with one id share locks in a shared account (AZFD0004).
    longest = "x" * int(re.findall(r"@maxLength\((\d+)\)", MAIN.params["name"][0])[0])
    names = [f"func-{longest}-{'t' * 13}-{service}" for service in MAIN.variables["services"]]
    assert MAIN.variables["appNames"] == "[for app in apps: 'func-${suffix}-${app.key}']"
    assert len({name[:32] for name in names}) == len(names)
    assert max(len(name) for name in names) <= 60
    assert len(f"kv-{longest}-{'t' * 13}") <= 24
    assert len(f"st{longest}{'t' * 13}") <= 24


def test_with_front_door_nobody_else_comes_in_but_event_grid() -> None:
    config = one("modules/app", "Microsoft.Web/sites")["properties"]["siteConfig"]
    assert config["ipSecurityRestrictionsDefaultAction"] == "hasFrontDoor ? 'Deny' : 'Allow'"
    assert config["ipSecurityRestrictions"] == "hasFrontDoor ? doors : []"
    front_door, event_grid = APP.variables["doors"]
    assert (front_door["ipAddress"], front_door["headers"]) == ("AzureFrontDoor.Backend", {"x-azure-fdid": [Expression("frontDoorId")]})
    assert event_grid["ipAddress"] == "AzureEventGrid"
    assert "frontDoorId: hasFrontDoor ? edge!.outputs.frontDoorId : ''" in MAIN.text


def test_events_lead_from_originals_to_the_function_that_takes_them() -> None:
    properties = one("events", "Microsoft.EventGrid/systemTopics/eventSubscriptions")["properties"]
    url = properties["destination"]["properties"]["endpointUrl"]
    function = re.search(r"functionName=Host\.Functions\.(\w+)&code=\$\{blobsExtensionKey\}", url)
    assert function
    assert f'function_name("{function[1]}")' in (ROOT / "functions/files/jobs.py").read_text()
    assert "@secure()" in read("events").params["blobsExtensionKey"][0]
    # A prefix without /blobs/ would take the variants' container in, and each variant would be optimized again.
    assert properties["filter"]["subjectBeginsWith"].endswith("/containers/${container}/blobs/'")
    assert properties["filter"]["includedEventTypes"] == ["Microsoft.Storage.BlobCreated"]


def test_outputs_tell_no_secret() -> None:
    telling = re.compile(r"list(Keys|Secrets|AccountSas)|getSecret|ConnectionString|InstrumentationKey|\.keys\b|password", re.I)
    for file in every():
        secure = [name for name, (decorators, _) in file.params.items() if "@secure" in decorators]
        for name, (_, text) in file.outputs.items():
            assert not telling.search(text), f"{file.path.name}: {name}"
            assert not any(re.search(rf"\b{param}\b", text) for param in secure), f"{file.path.name}: {name}"
    assert all("@description" in decorators for decorators, _ in MAIN.outputs.values())


def test_no_key_passes_through_the_templates() -> None:
    for file in every():
        assert not re.search(r"list(Keys|Secrets)\(|listAccountSas|AccountKey=", file.text), file.path.name


def test_names_follow_the_cloud_adoption_framework() -> None:
    # https://learn.microsoft.com/azure/cloud-adoption-framework/ready/azure-best-practices/resource-abbreviations
    for abbreviation in ("st", "kv-", "oai-", "id-", "func-", "asp-", "evgst-"):
        assert f"'{abbreviation}${{" in MAIN.text, abbreviation
    here = {
        "edge": ["afd-", "fde-", "fdfp"],
        "monitoring": ["log-", "appi-"],
        "alerts": ["ag-"],
        "network": ["vnet-", "nsg-", "pip-", "ng-", "pep-"],
    }
    for module, abbreviations in here.items():
        assert not [each for each in abbreviations if f"name: '{each}${{" not in read(f"modules/{module}").text], module


def test_alerts_reach_somebody_and_ask_for_functions_that_exist() -> None:
    alerts = read("modules/alerts")
    rules = [body for kind, body in alerts.resources("Microsoft.Insights/") if kind.endswith(("metricAlerts", "scheduledQueryRules"))]
    assert len(rules) == 5
    assert all("people.id" in str(body["properties"]["actions"]) for body in rules)
    queries = {query["key"]: query["query"] for query in alerts.variables["queries"]}
    assert set(queries) == {"errors", "slow", "poison"}
    assert "Success" not in queries["errors"], "failed executions are clients that left, too"
    document = json.loads((ROOT / "docs/openapi.json").read_text())
    known = {operation.get("operationId") for path in document["paths"].values() for operation in path.values()}
    assert set(re.findall(r'"([a-z]+_[a-z_]+)"', queries["slow"].partition("!in")[2])) <= known
    assert "/health/ready" in one("modules/alerts", "Microsoft.Insights/webtests")["properties"]["Request"]["RequestUrl"]


def test_json_parts_are_json() -> None:
    items = json.loads((INFRA / "modules/workbook.json").read_text())["items"]
    assert len({item["name"] for item in items}) == len(items) > 5
    json.loads((INFRA / "bicepconfig.json").read_text())


def test_the_metric_that_alerts_and_charts_read_is_the_one_that_the_app_sends() -> None:
    # tests/integration/test_application_insights.py sees it arrive under this name.
    sent = (ROOT / "shared_code/telemetry/setup.py").read_text()
    assert 'DURATION = "http.server.request.duration"' in sent
    assert "lydian." in sent
    for reader in ("modules/alerts.bicep", "modules/workbook.json"):
        text = (INFRA / reader).read_text().replace('\\"', '"')
        assert 'Name == "lydian.http.server.request.duration"' in text, reader
        assert 'Properties["http.response.status_code"]' in text, reader
