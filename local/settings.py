"""host.json and local.settings.json: read once at start, as Azure Functions Core Tools reads them."""

import json
import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFAULT_PORT = 7071
DEFAULT_BODY_LIMIT = 104_857_600  # bytes; the host's own default of FUNCTIONS_REQUEST_BODY_SIZE_LIMIT

# One service alone has its own port, so that six apps stand side by side: the variable that overrides it, the default.
SERVICE_PORTS: Mapping[str, tuple[str, int]] = {
    "monitoring": ("MONITORING_PORT", 3101),
    "auth": ("AUTH_PORT", 3102),
    "ai": ("AZURE_AI_PORT", 3103),
    "chat": ("AI_CHAT_PORT", 3104),
    "files": ("FILE_STORAGE_PORT", 3105),
    "payments": ("PAYMENT_PORT", 3106),
}

_EXPRESSION = re.compile(r"%([^%]+)%")


class StartError(Exception):
    """Something the user can mend stands in the way of a start. The message is all that is shown; exit code 1."""


@dataclass(frozen=True)
class HostConfig:
    """The parts of host.json that the stand-in honours. Times are seconds."""

    route_prefix: str = "api"
    plain_queue_messages: bool = False
    queue_batch: int = 16
    queue_tries: int = 5
    queue_retry_delay: float = 0
    blob_parallel: int = 4
    blob_tries: int = 5
    function_timeout: float | None = None


@dataclass(frozen=True)
class LocalConfig:
    """The parts of local.settings.json: `values` are app settings, the rest concerns this host only."""

    values: Mapping[str, str] = field(default_factory=dict)
    cors: tuple[str, ...] = ()
    cors_credentials: bool = False
    port: int | None = None


def read_host_json(app_dir: Path) -> HostConfig:
    """Raises StartError when the file is missing (no function app lies here) or malformed."""
    path = app_dir / "host.json"
    if not path.exists():
        raise StartError(f"{path} is missing: is {app_dir} a function app? (--app DIR)")
    root = _read_object(path)
    extensions = _section(root, "extensions")
    http, queues, blobs = (_section(extensions, name) for name in ("http", "queues", "blobs"))
    return HostConfig(
        route_prefix=str(http.get("routePrefix", "api")).strip("/"),
        plain_queue_messages=str(queues.get("messageEncoding", "base64")).lower() == "none",
        queue_batch=min(32, int(queues.get("batchSize", 16))),  # 32: the most that Queue Storage gives at once
        queue_tries=int(queues.get("maxDequeueCount", 5)),
        queue_retry_delay=seconds(str(queues.get("visibilityTimeout", "00:00:00"))),
        blob_parallel=int(blobs.get("maxDegreeOfParallelism", 4)),
        blob_tries=int(blobs.get("poisonBlobThreshold", 5)),
        function_timeout=seconds(root["functionTimeout"]) if root.get("functionTimeout") else None,
    )


def read_local_settings(app_dir: Path) -> LocalConfig:
    """The file is optional: a missing one gives the defaults. Raises StartError for one that can't be used."""
    path = app_dir / "local.settings.json"
    if not path.exists():
        return LocalConfig()
    root = _read_object(path)
    if root.get("IsEncrypted"):
        raise StartError(f"{path} is encrypted: run `func settings decrypt` first")
    host = _section(root, "Host")
    origins = (origin.strip().rstrip("/") for origin in str(host.get("CORS", "")).split(","))
    return LocalConfig(
        values={name: _setting_text(value) for name, value in _section(root, "Values").items()},
        cors=tuple(origin for origin in origins if origin),
        cors_credentials=bool(host.get("CORSCredentials", False)),
        port=int(host["LocalHttpPort"]) if "LocalHttpPort" in host else None,
    )


def export_settings(local: LocalConfig, environ: MutableMapping[str, str]) -> None:
    """Make app settings environment variables. What is already set wins, as in Core Tools."""
    for name, value in local.values.items():
        environ.setdefault(name, value)
    # What Core Tools itself sets, and what says to the app that this is nobody's production.
    environ.setdefault("FUNCTIONS_WORKER_RUNTIME", "python")
    environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    environ.setdefault("PYTHON_ENABLE_INIT_INDEXING", "1")
    environ.setdefault("ENVIRONMENT", "local")


def choose_port(asked: int | None, services: str, local: LocalConfig, environ: Mapping[str, str]) -> int:
    """The command line first, then the port of a service that stands alone, then Host.LocalHttpPort, then 7071."""
    if asked is not None:
        return asked
    names = [name.strip() for name in services.split(",") if name.strip()]
    if len(names) == 1 and names[0] in SERVICE_PORTS:
        variable, default = SERVICE_PORTS[names[0]]
        return int(environ.get(variable) or default)
    return local.port if local.port is not None else DEFAULT_PORT


def body_limit(environ: Mapping[str, str] = os.environ) -> int:
    """The most bytes a request's body may have."""
    return int(environ.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT") or DEFAULT_BODY_LIMIT)


def resolve(value: str, environ: Mapping[str, str] = os.environ) -> str:
    """Replace each %NAME% of a binding by the app setting. Raises KeyError naming the setting that does not exist."""
    return _EXPRESSION.sub(lambda found: environ[found[1]], value)


def connection_string(setting: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The storage connection of a binding. `setting` names it; absent, it is AzureWebJobsStorage, as in the host."""
    name = setting or "AzureWebJobsStorage"
    return environ.get(name) or environ.get(f"AzureWebJobs{name}") or None


def seconds(timespan: str) -> float:
    """A .NET TimeSpan (`[d.]hh:mm:ss[.fff]`) in seconds. Raises StartError for anything else."""
    found = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)", timespan.strip())
    if found is None:
        raise StartError(f"host.json: {timespan!r} is no time span (hh:mm:ss)")
    days, hours, minutes, rest = found.groups()
    return int(days or 0) * 86_400 + int(hours) * 3600 + int(minutes) * 60 + float(rest)


def service_list(names: str | Iterable[str]) -> str:
    """Normalise what --services was given: `files, auth` → `files,auth`."""
    parts = names.split(",") if isinstance(names, str) else names
    return ",".join(part.strip().lower() for part in parts if part.strip())


def _read_object(path: Path) -> dict[str, Any]:
    try:
        root = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise StartError(f"{path} is not JSON: {error}") from None
    if not isinstance(root, dict):
        raise StartError(f"{path} must hold a JSON object")
    return root


def _section(root: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = root.get(name) or {}
    if not isinstance(section, dict):
        raise StartError(f"{name} must be a JSON object")
    return section


def _setting_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
