"""The only module that reads the environment: one frozen ``Settings``, built when first asked for.

Every setting is declared once, with its parser and the sentence that documents it; the README's table and
``local.settings.example.json`` are checked against these declarations by ``tests/unit/test_settings.py``.
"""

import dataclasses
import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from . import setting_types as to
from .setting_types import SERVICES, setting
from .settings_ai import AiSettings
from .settings_monitoring import MonitoringSettings

GIB = 1024**3
MIB = 1024**2

_PLACEHOLDER = re.compile(r"change[-_ ]?me|placeholder|example|your[-_ ]|^<.*>$|^x+$|^secret$|^password$", re.I)


class SettingsError(ValueError):
    """A setting is missing or cannot be used; the message names it and never repeats a secret's value."""


@dataclass(frozen=True, kw_only=True)
class Settings(AiSettings, MonitoringSettings):
    environment: Literal["local", "test", "production"] = setting(
        "ENVIRONMENT",
        "",
        "`local`, `test` or `production`. Empty: `production` on Azure, else `local`. Production refuses unsafe settings",
        to.one_of("local", "test", "production"),
    )
    services: tuple[str, ...] = setting(
        "SERVICES", "all", "comma list of `monitoring, auth, ai, chat, files, payments`; only these are imported", to.services
    )
    public_base_url: str = setting(
        "PUBLIC_BASE_URL", "", "where people reach the app, e.g. `https://api.contoso.com`; required in production", to.base_url
    )
    cors_origins: tuple[str, ...] = setting(
        "CORS_ORIGINS", "", "comma list of origins; `local` also allows any `http://localhost:*`", to.names
    )
    trusted_proxies: tuple[str, ...] = setting(
        "TRUSTED_PROXIES", "", "comma list of networks whose `X-Forwarded-For` is believed, e.g. `10.0.0.0/8`", to.networks
    )
    front_door_id: str = setting(
        "FRONT_DOOR_ID",
        "",
        "id of the Front Door profile in front: where `X-Azure-FDID` says it, `X-Azure-SocketIP` is the client's address",
    )
    log_level: str = setting("LOG_LEVEL", "info", "`debug`, `info`, `warning` or `error`", to.one_of("debug", "info", "warning", "error"))
    log_format: str = setting("LOG_FORMAT", "json", "`json` (one object a line) or `console`", to.one_of("json", "console"))
    data_dir: str = setting("LYDIAN_DATA_DIR", ".data", "folder for what a local run keeps: Azurite's data and the signing key made for it")

    storage_connection_string: str = setting(
        "AZURE_STORAGE_CONNECTION_STRING",
        "",
        "storage account (or Azurite). Neither this nor a URL: memory only",
        to.connection,
        secret=True,
    )
    storage_account_url: str = setting(
        "AZURE_STORAGE_ACCOUNT_URL", "", "`https://<account>.blob.core.windows.net`, reached with managed identity", to.base_url
    )
    storage_api_version: str = setting(
        "AZURE_STORAGE_API_VERSION", "", "pins the blob and queue API version, for an Azurite that knows no newer one"
    )
    managed_identity_client_id: str = setting("AZURE_CLIENT_ID", "", "client id of the user-assigned managed identity")

    files_container: str = setting(
        "AZURE_CONTAINER_NAME", "uploads", "blob container of the originals; variants go to `<name>-variants`", to.container
    )
    files_max_bytes: int = setting("FILES_MAX_BYTES", str(100 * MIB), "largest upload through the app", to.integer)
    files_max_direct_bytes: int = setting("FILES_MAX_DIRECT_BYTES", str(2 * GIB), "largest direct upload (SAS)", to.integer)
    files_quota_bytes: int = setting("FILES_QUOTA_BYTES", str(5 * GIB), "bytes one user may store", to.integer)
    files_allowed_types: tuple[str, ...] = setting(
        "FILES_ALLOWED_TYPES",
        "image/jpeg,image/png,image/gif,image/webp,application/pdf,video/mp4,text/plain",
        "types that may be stored, decided from the bytes",
        to.names,
    )
    files_retention_days: int = setting("FILES_RETENTION_DAYS", "30", "days a soft-deleted file is kept", to.integer)
    blob_trigger_source: str = setting(
        "BLOB_TRIGGER_SOURCE",
        "LogsAndContainerScan",
        "`EventGrid` (needed on Flex Consumption) or `LogsAndContainerScan`",
        to.one_of("EventGrid", "LogsAndContainerScan"),
    )

    jwt_private_keys: str = setting(
        "JWT_PRIVATE_KEY", "", "PEM of the RSA or P-256 signing key; several one after another: the first signs, all verify", secret=True
    )
    jwt_secret: str = setting("JWT_SECRET", "", "HS256 secret (≥ 32 bytes), used only where no private key is set", secret=True)
    jwt_issuer: str = setting("JWT_ISSUER", "", "`iss` of access tokens; empty: `PUBLIC_BASE_URL`, else `lydian`")
    jwt_audience: str = setting("JWT_AUDIENCE", "lydian", "`aud` of access tokens")
    admin_emails: tuple[str, ...] = setting("ADMIN_EMAILS", "", "comma list: accounts with a verified address on it are admins", to.names)
    auth_data_keys: tuple[str, ...] = setting(
        "AUTH_DATA_KEY",
        "",
        "secret (≥ 32 characters) under which TOTP secrets are encrypted; several, separated by commas: the first encrypts, all decrypt. "
        "Empty: the signing keys serve",
        to.names,
        secret=True,
    )
    auth_lock_account: tuple[int, int] | None = setting(
        "AUTH_LOCK_ACCOUNT", "5/900", "failed sign-ins per seconds that lock an account's sign-in for as long; `off`: never", to.rate
    )
    auth_lock_address: tuple[int, int] | None = setting(
        "AUTH_LOCK_ADDRESS", "20/900", "the same for a client's network address, over all accounts", to.rate
    )
    auth_register_address: tuple[int, int] | None = setting(
        "AUTH_REGISTER_ADDRESS",
        "20/3600",
        "registrations per seconds from one network address, and as many mails with links; `off`: none",
        to.rate,
    )
    auth_require_verified_email: bool = setting(
        "AUTH_REQUIRE_VERIFIED_EMAIL",
        "false",
        "`true`: registering answers 202 and a mail, and signing in needs a verified address",
        to.flag,
    )
    api_key_rate: tuple[int, int] | None = setting(
        "API_KEY_RATE", "600/60", "requests per seconds of one API key; `off`: no limit", to.rate
    )
    supabase_url: str = setting(
        "SUPABASE_URL", "", "`https://<project>.supabase.co`: access tokens of that project are accepted too", to.base_url
    )
    audit_retention_days: int = setting("AUDIT_RETENTION_DAYS", "365", "days the audit trail is kept", to.integer)

    stripe_secret_key: str = setting(
        "STRIPE_SECRET_KEY",
        "",
        "Stripe's secret or restricted API key; empty: payments answer 503, but local runs start a stand-in for Stripe",
        secret=True,
    )
    stripe_publishable_key: str = setting(
        "STRIPE_PUBLISHABLE_KEY", "", "Stripe's publishable key, which `/api/payments/config` gives to pages"
    )
    stripe_webhook_secrets: tuple[str, ...] = setting(
        "STRIPE_WEBHOOK_SECRET",
        "",
        "signing secret of the webhook endpoint; several, separated by commas, while one is rotated",
        to.names,
        secret=True,
    )
    stripe_api_base: str = setting("STRIPE_API_BASE", "https://api.stripe.com", "another host, for tests", to.base_url)
    payments_currency: str = setting("PAYMENTS_CURRENCY", "usd", "currency of amounts that name none", to.currency)
    payments_trial_days: int = setting(
        "PAYMENTS_TRIAL_DAYS",
        "30",
        "longest free trial that users may begin a subscription with, once each; administrators any",
        to.integer,
    )
    plans: Mapping[str, Mapping[str, int | Decimal]] = setting(
        "PLANS",
        "{}",
        'JSON: what subscribers of a Stripe price get, e.g. `{"price_123": {"files_quota_bytes": 107374182400, "ai_monthly_usd": 20}}`',
        to.plans,
    )

    sendgrid_api_key: str = setting("SENDGRID_API_KEY", "", "sends mail through SendGrid; empty: the local outbox", secret=True)
    sendgrid_from_email: str = setting("SENDGRID_FROM_EMAIL", "", "the sender's address, verified with SendGrid")
    sendgrid_from_name: str = setting("SENDGRID_FROM_NAME", "Lydian", "the sender's name")
    sendgrid_webhook_public_key: str = setting(
        "SENDGRID_WEBHOOK_PUBLIC_KEY", "", "public key of SendGrid's signed event webhook, as its settings page shows it"
    )
    sendgrid_api_base: str = setting("SENDGRID_API_BASE", "https://api.sendgrid.com", "another host, for tests", to.base_url)
    mail_links_url: str = setting(
        "MAIL_LINKS_URL", "", "where links in mails lead: your own pages, which get `?token=`; empty: the pages of this app", to.base_url
    )

    @property
    def standalone(self) -> bool:
        return self.services != SERVICES

    @property
    def local(self) -> bool:
        """A developer's or a test's machine: nothing here is reachable by strangers."""
        return self.environment != "production"

    @property
    def mail_outbox(self) -> bool:
        """Whether mail ends in the local outbox."""
        return self.local and not self.sendgrid_api_key

    @property
    def storage_configured(self) -> bool:
        return bool(self.storage_connection_string or self.storage_account_url)

    @property
    def storage_connection_name(self) -> str:
        """The app setting (or, with managed identity, its prefix) that triggers name as their connection."""
        return "AZURE_STORAGE_CONNECTION_STRING" if self.storage_connection_string else "AzureWebJobsStorage"

    @property
    def variants_container(self) -> str:
        return f"{self.files_container}-variants"

    @property
    def issuer(self) -> str:
        return self.jwt_issuer or self.public_base_url or "lydian"


def declared() -> list[Mapping[str, Any]]:
    """Every setting's ``env``, ``default``, ``doc`` and ``secret``, in order of declaration."""
    return [field.metadata for field in dataclasses.fields(Settings)]


def load(environ: Mapping[str, str]) -> Settings:
    """Parse and check the settings in ``environ``; an empty value means the default. Raises SettingsError."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        env, raw = field.metadata["env"], ""
        raw = environ.get(env, "").strip() or field.metadata["default"]
        if env == "ENVIRONMENT" and not raw:
            # Azure sets one or both on every plan (Flex Consumption knows no instance id), Core Tools neither.
            on_azure = environ.get("WEBSITE_INSTANCE_ID") or environ.get("WEBSITE_SKU")
            raw = "production" if on_azure else "local"
        try:
            values[field.name] = (
                field.metadata["parse"](raw) if raw or field.metadata["parse"] in (to.names, to.named_keys, to.networks, to.dollars) else ""
            )
        except ValueError as error:
            raise SettingsError(f"{env} {error}") from None
    settings = Settings(**values)
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    if settings.jwt_secret and len(settings.jwt_secret.encode()) < 32:
        raise SettingsError("JWT_SECRET is too short: HS256 needs 32 bytes or more (RFC 7518, 3.2)")
    if any(len(key) < 32 for key in settings.auth_data_keys):
        raise SettingsError("AUTH_DATA_KEY is too short: 32 characters or more")
    if settings.environment != "production":
        return
    if not settings.storage_configured:
        raise SettingsError(
            "AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT_URL must be set in production: memory would lose everything"
        )
    if not settings.public_base_url:
        raise SettingsError("PUBLIC_BASE_URL must be set in production")
    if settings.supabase_url and not settings.supabase_url.startswith("https://"):
        raise SettingsError("SUPABASE_URL must be https in production: who can change its keys on the way can sign in as anyone")
    if settings.stripe_secret_key and not settings.stripe_api_base.startswith("https://"):
        raise SettingsError("STRIPE_API_BASE must be https in production: the secret key would travel in clear")
    # Only the auth app signs; the others verify with the keys that it publishes.
    if "auth" in settings.services and not (settings.jwt_private_keys or settings.jwt_secret):
        raise SettingsError("JWT_PRIVATE_KEY must be set in production")
    if settings.jwt_private_keys and "PRIVATE KEY-----" not in settings.jwt_private_keys:
        raise SettingsError("JWT_PRIVATE_KEY holds no PEM private key")
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.metadata["secret"] and any(_is_unsafe(each) for each in ([value] if isinstance(value, str) else value) if each):
            raise SettingsError(f"{field.metadata['env']} is too short, a placeholder, or a Key Vault reference that was not resolved")


def _is_unsafe(secret: str) -> bool:
    """Short, a placeholder, or a Key Vault reference that was not resolved: App Service then passes on its text, which anyone
    could guess (https://learn.microsoft.com/azure/app-service/app-service-key-vault-references). Of a connection string only
    the key and the signature are secret: an account may well be called ``example``."""
    parts = re.findall(r"(?:AccountKey|SharedAccessSignature)=([^;]*)", secret) or [secret]
    return secret.startswith("@Microsoft.KeyVault(") or any(len(part) < 16 or _PLACEHOLDER.search(part) for part in parts)


@functools.cache
def get_settings() -> Settings:
    """The process's settings, read once."""
    return load(os.environ)


def skip_pydantic_plugins() -> None:
    """Tell Pydantic, which reads the environment at its first model, not to search for plugins; whoever has some names them."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
