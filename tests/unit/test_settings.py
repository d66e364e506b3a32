"""Settings: defaults, refusals that name the setting and never a secret's value, and that all of them are documented."""

import json
import re
from dataclasses import FrozenInstanceError
from decimal import Decimal
from pathlib import Path

import pytest

from shared_code import setting_types, settings
from shared_code.settings import SERVICES, SettingsError, declared, load
from tests.unit.apps import signing_pem

ROOT = Path(__file__).resolve().parents[2]
KEY = "bGV0IG1lIGluLCBJIGFtIGEgc3RvcmFnZSBrZXk="
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=contosoexample;AccountKey={KEY};EndpointSuffix=core.windows.net"


def production(**environ: str) -> dict[str, str]:
    return {
        "ENVIRONMENT": "production",
        "PUBLIC_BASE_URL": "https://api.contoso.com/",
        "AZURE_STORAGE_CONNECTION_STRING": CONNECTION,
        "JWT_PRIVATE_KEY": signing_pem(),
        **environ,
    }


def test_defaults_need_no_environment() -> None:
    found = load({})
    assert (found.environment, found.services, found.standalone, found.local) == ("local", SERVICES, False, True)
    assert not found.storage_configured
    assert found.issuer == "lydian"
    assert found.cors_origins == found.trusted_proxies == found.admin_emails == ()
    assert found.files_max_bytes == 104857600
    assert found.variants_container == "uploads-variants"


def test_an_empty_value_means_the_default() -> None:
    assert load({entry["env"]: " " for entry in declared()}) == load({})


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        load({}).log_level = "debug"  # type: ignore[misc]  # that is the point


def test_production_starts_with_what_it_needs() -> None:
    found = load(production())
    assert not found.local
    assert found.public_base_url == found.issuer == "https://api.contoso.com"
    assert load(production(JWT_PRIVATE_KEY="", JWT_SECRET="k" * 32)).jwt_secret
    assert load(production(AZURE_STORAGE_CONNECTION_STRING="", AZURE_STORAGE_ACCOUNT_URL="https://a.blob.core.windows.net"))


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"AZURE_STORAGE_CONNECTION_STRING": ""}, "AZURE_STORAGE_CONNECTION_STRING"),
        ({"PUBLIC_BASE_URL": ""}, "PUBLIC_BASE_URL"),
        ({"JWT_PRIVATE_KEY": ""}, "JWT_PRIVATE_KEY"),
        ({"JWT_PRIVATE_KEY": "", "SERVICES": "auth,files"}, "JWT_PRIVATE_KEY"),
        ({"JWT_PRIVATE_KEY": "a path, or something else entirely"}, "JWT_PRIVATE_KEY"),
        ({"JWT_PRIVATE_KEY": "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"}, "JWT_PRIVATE_KEY"),
        ({"JWT_SECRET": "change-me-change-me-change-me-change-me"}, "JWT_SECRET"),
        ({"JWT_SECRET": "your-secret-of-thirty-two-bytes-or-more"}, "JWT_SECRET"),
        ({"JWT_SECRET": "x" * 40}, "JWT_SECRET"),
        ({"JWT_SECRET": "<thirty-two bytes or more of randomness>"}, "JWT_SECRET"),
        ({"AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=short"}, "AZURE_STORAGE_CONNECTION_STRING"),
        ({"AZURE_STORAGE_CONNECTION_STRING": "<your-connection-string>"}, "AZURE_STORAGE_CONNECTION_STRING"),
        ({"STRIPE_SECRET_KEY": "change-me-change-me"}, "STRIPE_SECRET_KEY"),
        ({"STRIPE_WEBHOOK_SECRET": "whsec_0123456789ab,short"}, "STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_SECRET_KEY": "sk_" + "live_0123456789ab", "STRIPE_API_BASE": "http://stripe.example"}, "STRIPE_API_BASE"),
    ],
)
def test_production_refuses_naming_the_setting(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        load(production(**environ))
    for value in environ.values():
        assert not value or value not in str(caught.value)
    assert KEY not in str(caught.value)
    assert load({**production(**environ), "ENVIRONMENT": "local"}) or True, "elsewhere it starts"


def test_only_the_app_that_signs_needs_a_key() -> None:
    assert load(production(SERVICES="files,payments", JWT_PRIVATE_KEY=""))


@pytest.mark.parametrize("environment", ["local", "test", "production"])
def test_a_short_hs256_secret_is_refused_everywhere(environment: str) -> None:
    with pytest.raises(SettingsError, match="JWT_SECRET") as caught:
        load(production(ENVIRONMENT=environment, JWT_SECRET="S3cr3t-of-31-bytes-0123456789ab"))
    assert "S3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "prod"), ("SERVICES", "auth,billing"), ("PUBLIC_BASE_URL", "api.contoso.com"), ("PUBLIC_BASE_URL", "https://a b"),
        ("PUBLIC_BASE_URL", "https://a?b"), ("TRUSTED_PROXIES", "10.0.0.0/8,nonsense"), ("LOG_LEVEL", "loud"), ("LOG_FORMAT", "xml"),
        ("FILES_MAX_BYTES", "-1"), ("FILES_MAX_BYTES", "1e6"), ("FILES_MAX_BYTES", "²"), ("FILES_QUOTA_BYTES", "5 GiB"),
        ("AZURE_CONTAINER_NAME", "Uploads"), ("AZURE_CONTAINER_NAME", "a--b"), ("AZURE_CONTAINER_NAME", "u"),
        ("PAYMENTS_CURRENCY", "dollars"), ("PLANS", "[]"), ("PLANS", "{"), ("PLANS", '{"p": {"seats": 1}}'),
        ("PLANS", '{"p": {"files_quota_bytes": 1.5}}'),
        ("PLANS", '{"p": {"ai_monthly_usd": -1}}'), ("PLANS", '{"p": {"ai_monthly_usd": true}}'), ("STRIPE_API_BASE", "stripe"),
        ("BLOB_TRIGGER_SOURCE", "Polling"), ("AZURE_STORAGE_ACCOUNT_URL", "contoso"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} "):
        load({name: value})


@pytest.mark.parametrize(
    ("raw", "services"),
    [
        ("all", SERVICES), ("", SERVICES), ("ALL", SERVICES), ("files", ("files",)), (" Files , AUTH,", ("auth", "files")),
        ("files,files", ("files",)), ("files,all", SERVICES), (",".join(SERVICES), SERVICES), (",".join(reversed(SERVICES)), SERVICES),
    ],
)  # fmt: skip
def test_services(raw: str, services: tuple[str, ...]) -> None:
    found = load({"SERVICES": raw})
    assert found.services == services
    assert found.standalone is (services != SERVICES)


def test_lists_and_networks() -> None:
    found = load({"CORS_ORIGINS": "https://a.example, https://b.example ,", "TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32,127.0.0.1"})
    assert found.cors_origins == ("https://a.example", "https://b.example")
    assert found.trusted_proxies == ("10.0.0.0/8", "2001:db8::/32", "127.0.0.1")


@pytest.mark.parametrize("sign", ["WEBSITE_INSTANCE_ID", "WEBSITE_SKU"])
def test_azure_is_production_unless_told_otherwise(sign: str) -> None:
    """Flex Consumption sets no instance id."""
    with pytest.raises(SettingsError, match="in production"):
        load({sign: "x"})
    assert load({sign: "x", "ENVIRONMENT": "test"}).environment == "test"


@pytest.mark.parametrize("short", ["UseDevelopmentStorage=true", "usedevelopmentstorage=TRUE;"])
def test_the_emulators_short_form(short: str) -> None:
    found = load({"AZURE_STORAGE_CONNECTION_STRING": short})
    assert "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1" in found.storage_connection_string
    assert found.storage_connection_name == "AZURE_STORAGE_CONNECTION_STRING"
    assert load({"AZURE_STORAGE_ACCOUNT_URL": "https://a.blob.core.windows.net"}).storage_connection_name == "AzureWebJobsStorage"


def test_the_issuer() -> None:
    assert load({"PUBLIC_BASE_URL": "https://a.example"}).issuer == "https://a.example"
    assert load({"PUBLIC_BASE_URL": "https://a.example", "JWT_ISSUER": "https://i.example"}).issuer == "https://i.example"


def test_flags() -> None:
    assert [setting_types.flag(raw) for raw in ("true", "TRUE", "1", "false", "0")] == [True, True, True, False, False]
    with pytest.raises(ValueError, match="true or false"):
        setting_types.flag("yes")


def test_plans_are_exact() -> None:
    plans = load({"PLANS": '{"price_1": {"files_quota_bytes": 107374182400, "ai_monthly_usd": 0.1}, "price_2": {}}'}).plans
    assert plans == {"price_1": {"files_quota_bytes": 107374182400, "ai_monthly_usd": Decimal("0.1")}, "price_2": {}}


def test_the_process_reads_its_environment_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.get_settings.cache_clear()
    monkeypatch.setenv("JWT_AUDIENCE", "first")
    monkeypatch.setenv("ENVIRONMENT", "test")
    try:
        assert settings.get_settings().jwt_audience == "first"
        monkeypatch.setenv("JWT_AUDIENCE", "second")
        assert settings.get_settings().jwt_audience == "first"
    finally:
        settings.get_settings.cache_clear()


def test_only_settings_reads_the_environment() -> None:
    readers = re.compile(r"\bos\.(environ|getenv)\b|from os import .*(environ|getenv)")
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("shared_code", "functions")
        for path in (ROOT / folder).rglob("*.py")
        if readers.search(path.read_text())
    ]
    assert found == ["shared_code/settings.py"]


def test_the_example_has_every_setting() -> None:
    example = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
    assert {entry["env"] for entry in declared()} <= set(example)
    load(example)


def test_the_readme_has_every_setting() -> None:
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \|", (ROOT / "README.md").read_text(), re.M)
    assert {entry["env"] for entry in declared()} - set(rows) == set(), "declared, and not in the README's table"
    assert len(rows) == len(set(rows))


def test_every_setting_says_what_it_does() -> None:
    assert all(len(entry["doc"]) > 10 for entry in declared())
    assert len({entry["env"] for entry in declared()}) == len(declared())


def test_secrets_are_in_no_representation() -> None:
    secret = "s" * 40
    names = [entry["env"] for entry in declared() if entry["secret"]]
    environ = {name: secret for name in names if name != "AZURE_STORAGE_CONNECTION_STRING"}
    shown = repr(load({**environ, "ALERT_WEBHOOK_URL": f"https://hooks.example.com/{secret}", "AI_API_KEYS": f"other={secret}"}))
    assert len(names) > 4
    assert secret not in shown
