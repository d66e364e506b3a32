"""`python -m local audit verify`: check the audit trail in the storage that the settings name, without changing anything."""

import argparse
import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from shared_code.audit.verify import Report, Verifier
from shared_code.container import Container
from shared_code.errors import Unavailable
from shared_code.settings import SettingsError, load

from . import services
from .settings import StartError, export_settings, read_local_settings

INTACT, TAMPERED, UNCHECKED = 0, 1, 2
_CODES = {"intact": INTACT, "tampered": TAMPERED, "unchecked": UNCHECKED}


def main(arguments: list[str], root: Path) -> int:
    """0: intact, 1: tampered with, 2: it, or a part of it, could not be checked."""
    options = _parse(arguments, root)
    app_dir = options.app.resolve()
    data_dir = (options.data or app_dir / ".data").resolve()
    try:
        export_settings(read_local_settings(app_dir), os.environ)
        with _storage(root, data_dir):
            return asyncio.run(_verify(options.day, app_dir))
    except (StartError, SettingsError, Unavailable) as error:
        print(f"The audit trail could not be checked: {error}", file=sys.stderr)
        return UNCHECKED


def _parse(arguments: list[str], root: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local audit", description="Check the audit trail's hash chain.")
    parser.add_argument("action", choices=("verify",))
    parser.add_argument("--day", type=_day, help="YYYYMMDD (UTC): that day only, and its hold on its neighbours")
    parser.add_argument("--app", type=Path, default=root, help="folder of local.settings.json (default: the project)")
    parser.add_argument("--data", type=Path, help="folder of the local Azurite (default: .data in the app's folder)")
    return parser.parse_args(arguments)


def _day(text: str) -> str:
    if not re.fullmatch(r"2[0-9]{3}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])", text):
        raise argparse.ArgumentTypeError("a day is YYYYMMDD, e.g. 20260131")
    return text


@contextlib.contextmanager
def _storage(root: Path, data_dir: Path) -> Iterator[None]:
    """The storage that the settings name; else the local Azurite, which is started for the while when no host runs it."""
    azurite = None
    if services.wants_azurite(os.environ):
        if not (data_dir / "azurite").is_dir():
            raise StartError(f"{data_dir} holds no local storage. Run `make start` once, or set AZURE_STORAGE_CONNECTION_STRING.")
        azurite = services.Azurite(root, data_dir)
        services.point_to(azurite.start(), os.environ, fill=True)
    else:
        services.point_to(services.Ports(), os.environ, fill=False)
    try:
        yield
    finally:
        if azurite is not None:
            azurite.stop()


async def _verify(day: str | None, app_dir: Path) -> int:
    # As an app without auth: one with it makes keys where there are none, and publishes them.
    settings = load({**os.environ, "SERVICES": "monitoring"})
    if not settings.storage_configured:
        raise StartError("no storage is configured: set AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT_URL.")
    own_key = app_dir / settings.data_dir / "jwt-private-key.pem"
    if not settings.jwt_private_keys and not settings.jwt_secret and own_key.exists():
        settings = load({**os.environ, "SERVICES": "monitoring", "JWT_PRIVATE_KEY": own_key.read_text()})
    container = Container(settings)
    try:
        report = await Verifier(container.storage.tables, container.clock, container.audit_signer).verify(day)
    finally:
        await container.storage.aclose()
    _print(report, own_keys=container.key_store.configured)
    return _CODES[report.outcome]


def _print(report: Report, *, own_keys: bool) -> None:
    print(f"{report.days} days, {report.sealed} sealed events, {report.unsealed} not sealed yet.")
    if not own_keys:
        print("Signatures were checked with the keys that the storage itself publishes; set JWT_PRIVATE_KEY to trust only your own.")
    for finding in report.findings:
        where = f"{finding.day or 'all days'}{f' no. {finding.seq}' if finding.seq is not None else ''}"
        print(f"{finding.kind.upper():9}  {where}: {finding.what}")
    if not report.days and not report.findings:
        print("Nothing is recorded there, or retention has removed it.")
        return
    print({"intact": "Intact.", "tampered": "TAMPERED WITH.", "unchecked": "Not everything could be checked."}[report.outcome])
