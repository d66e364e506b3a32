"""The settings that an app gets on Azure: all of them thought of, all of them accepted, and no secret in clear."""

import re

import pytest

from shared_code.settings import SERVICES, declared, load
from tests.infra.bicep import ROOT, Expression, read
from tests.unit.apps import signing_pem

APP, MAIN = read("modules/app"), read("main")
TABLE, SECRETS = APP.variables["table"], APP.variables["secrets"]

# Settings that the table leaves to their defaults, and why. Any of them can be given as appSettings.
DEFAULTS = {
    "LYDIAN_DATA_DIR": "for local runs",
    "AZURE_STORAGE_API_VERSION": "for Azurite",
    "STRIPE_API_BASE": "for tests",
    "SENDGRID_API_BASE": "for tests",
    "FILES_QUOTA_BYTES": "a matter of the product",
    "FILES_ALLOWED_TYPES": "a matter of the product",
    "FILES_RETENTION_DAYS": "a matter of the product",
    "JWT_ISSUER": "PUBLIC_BASE_URL, which all apps share",
    "JWT_AUDIENCE": "the same in all apps",
    "ADMIN_EMAILS": "empty: nobody is an admin before somebody says who",
    "AUTH_LOCK_ACCOUNT": "on by default",
    "AUTH_LOCK_ADDRESS": "on by default",
    "AUTH_REGISTER_ADDRESS": "on by default",
    "AUTH_REQUIRE_VERIFIED_EMAIL": "needs mail to be configured first",
    "API_KEY_RATE": "on by default",
    "SUPABASE_URL": "empty: no other issuer is believed",
    "AUDIT_RETENTION_DAYS": "a matter of the product",
    "STRIPE_PUBLISHABLE_KEY": "empty until payments are wanted",
    "PAYMENTS_CURRENCY": "a matter of the product",
    "PAYMENTS_TRIAL_DAYS": "a matter of the product",
    "PLANS": "a matter of the product",
    "SENDGRID_FROM_EMAIL": "empty until mail is wanted",
    "SENDGRID_FROM_NAME": "a matter of the product",
    "SENDGRID_WEBHOOK_PUBLIC_KEY": "empty until mail is wanted",
    "MAIL_LINKS_URL": "the app's own pages",
    "AI_MODELS": "empty: the deployment that Bicep makes is the one model",
    "OPENAI_BASE_URL": "OpenAI itself",
    "AI_DEFAULT_BUDGET_USD": "a matter of the product",
    "AI_MAX_BODY_BYTES": "a matter of the product",
    "CHAT_IMPORT_RATE": "on by default",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Application Insights is what this deployment has",
    "SLO_OBJECTIVE": "a matter of the product",
    "ALERT_EMAILS": "empty until mail is wanted",
    "ALERT_ERROR_PERCENT": "a matter of the product",
    "ALERT_P95_MS": "a matter of the product",
}
HOST = re.compile(r"AzureWebJobs|FUNCTIONS_|APPLICATIONINSIGHTS_")
# https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
REFUSED_BY_FLEX = re.compile(
    r"ENABLE_ORYX_BUILD|FUNCTIONS_(EXTENSION_VERSION|WORKER_|MAX_HTTP_CONCURRENCY)|SCM_DO_BUILD|WEBSITE_|PYTHON_ENABLE_INIT_INDEXING"
)
SECRET = {setting["env"] for setting in declared() if setting["secret"]}
KNOWN = {setting["env"] for setting in declared()}


def test_every_setting_is_set_or_left_alone_on_purpose() -> None:
    forgotten = KNOWN - TABLE.keys() - SECRETS.keys() - DEFAULTS.keys()
    assert not forgotten, f"set them in infra/modules/app.bicep, or add them to DEFAULTS with the reason: {sorted(forgotten)}"
    assert not DEFAULTS.keys() & (TABLE.keys() | SECRETS.keys()), "set, so no default"
    assert DEFAULTS.keys() <= KNOWN, "settings.py knows them no more"


def test_nothing_is_set_that_nobody_reads() -> None:
    ours = {name for name in TABLE if not HOST.match(name)} | SECRETS.keys()
    assert not ours - KNOWN, "settings.py has changed: mend the table"


def test_no_setting_that_flex_consumption_refuses() -> None:
    assert not [name for name in TABLE if REFUSED_BY_FLEX.match(name)]


def test_secrets_are_references_to_the_vault_or_nothing() -> None:
    assert SECRETS.keys() >= SECRET
    assert not SECRET & TABLE.keys()
    assert APP.variables["kept"] == Expression("'@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/'")
    for name, value in SECRETS.items():
        reference = f"contains(given, '{name}') ? '${{kept}}{name.lower().replace('_', '-')})' : ''"
        assert value in ("", Expression(reference)), name
    # They come last, so that none can be given in clear among appSettings.
    assert "properties: union(table, appSettings, secrets)" in APP.text


def test_each_app_gets_the_secrets_of_its_services_only() -> None:
    secrets_of = APP.variables["secretsOf"]
    references = {name for name, value in SECRETS.items() if value}
    assert set(secrets_of) == {"app", *SERVICES}
    assert set(secrets_of["app"]) == references
    assert set().union(*(secrets_of[service] for service in SERVICES)) == references
    assert [service for service in SERVICES if "JWT_PRIVATE_KEY" in secrets_of[service]] == ["auth"]
    assert [service for service in SERVICES if "STRIPE_SECRET_KEY" in secrets_of[service]] == ["payments"]
    assert all("SENDGRID_API_KEY" in secrets_of[service] for service in SERVICES)
    allowed = MAIN.params["secretSettings"][0].partition("@allowed(")[2]
    assert set(re.findall(r"'([A-Z_]+)'", allowed)) == references


def test_a_first_deployment_refers_only_to_what_the_app_cannot_do_without() -> None:
    assert MAIN.params["secretSettings"][1] == ["JWT_PRIVATE_KEY"]


@pytest.mark.parametrize("name", sorted(SECRET & SECRETS.keys()))
def test_a_reference_that_finds_nothing_is_no_secret(name: str) -> None:
    """App Service passes it on as it is written, and everybody can guess that."""
    reference = f"@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/{name.lower().replace('_', '-')})"
    with pytest.raises(ValueError, match=name):
        load(environment("all") | {name: reference})


def test_modes_give_the_apps_their_services() -> None:
    assert tuple(MAIN.variables["services"]) == SERVICES
    assert MAIN.variables["oneApp"] == [{"key": "app", "services": "all"}]
    assert MAIN.variables["sixApps"] == "[for service in services: { key: service, services: service }]"
    assert MAIN.variables["apps"] == "standalone ? sixApps : oneApp"
    assert MAIN.variables["standalone"] == "deploymentMode == 'standalone'"
    assert re.search(r"key: apps\[i\]\.key\s+services: apps\[i\]\.services\s+name: appNames\[i\]", MAIN.text)
    assert TABLE["SERVICES"] == Expression("services")


def environment(services: str) -> dict[str, str]:
    """What an app of these services finds, with something likely for what only a deployment knows."""
    known = {
        "services": services,
        "publicBaseUrl": "https://fde-lydian.z01.azurefd.net",
        "join(corsOrigins, ',')": "https://www.contoso.com,https://contoso.com",
        "join(concat(innerNetworks, frontDoorNetworks), ',')": ",".join(
            APP.variables["innerNetworks"] + MAIN.params["frontDoorNetworks"][1]
        ),
        "storage.properties.primaryEndpoints.blob": "https://stlydian.blob.core.windows.net/",
        "frontDoorId": "5a6b7c8d-0000-4000-8000-1c2d3e4f5a6b",
        "identityClientId": "1c2d3e4f-0000-4000-8000-5a6b7c8d9e0f",
        "filesContainer": "uploads",
        "openAiEndpoint": "https://oai-lydian.openai.azure.com/",
        "openAiDeployment": "gpt-5-mini",
        "insights.properties.ConnectionString": "InstrumentationKey=5a6b7c8d-0000-4000-8000-1c2d3e4f5a6b",
        "hasNetwork ? '0' : '2147483648'": "0",
    }
    found = {name: known[value] if isinstance(value, Expression) else value for name, value in TABLE.items() if name in KNOWN}
    return found | ({"JWT_PRIVATE_KEY": signing_pem()} if services in ("all", "auth") else {})


@pytest.mark.parametrize("services", ["all", *SERVICES])
def test_the_app_starts_with_these_settings(services: str) -> None:
    settings = load(environment(services))
    assert settings.environment == "production"
    assert settings.services == (SERVICES if services == "all" else (services,))
    assert settings.blob_trigger_source == "EventGrid"
    assert settings.storage_connection_name == "AzureWebJobsStorage"
    assert settings.storage_account_url == "https://stlydian.blob.core.windows.net"
    assert "0.0.0.0/0" not in settings.trusted_proxies


def test_the_hosts_storage_is_reached_by_identity_and_bodies_may_be_as_large_as_files() -> None:
    prefix = "AzureWebJobsStorage__"
    assert {name.removeprefix(prefix) for name in TABLE if name.startswith(prefix)} == {
        "blobServiceUri", "queueServiceUri", "tableServiceUri", "credential", "clientId",
    }  # fmt: skip
    assert TABLE[f"{prefix}clientId"] == TABLE["AZURE_CLIENT_ID"] == Expression("identityClientId")
    assert int(TABLE["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"]) >= int(TABLE["FILES_MAX_BYTES"]) + 1024**2
    assert TABLE["AzureWebJobsDisableHomepage"] == "true"


def test_the_readme_names_what_the_host_reads() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in ("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", "AzureWebJobsDisableHomepage", "AzureWebJobsStorage"):
        assert name in readme
