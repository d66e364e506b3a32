"""`python -m local`: serve the function app of a folder on this machine, as `func start` would."""

import argparse
import os
import socket
import sys
from pathlib import Path

from . import log
from .settings import StartError, choose_port, export_settings, read_host_json, read_local_settings, service_list

ROOT = Path(__file__).resolve().parent.parent


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description="Serve the function app locally, in place of `func start`.")
    parser.add_argument("--services", help="comma list that sets SERVICES (default: the setting, or all)")
    parser.add_argument("--port", type=int, help="default: the service's own port when it is one, Host.LocalHttpPort, or 7071; 0: any free")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--worker", choices=("direct", "azure"), default="direct", help="direct: in process; azure: Microsoft's own worker (Python >= 3.13)"
    )
    parser.add_argument("--app", type=Path, default=ROOT, help="folder of host.json and function_app.py (default: the project)")
    parser.add_argument("--data", type=Path, help="folder of Azurite and the trigger receipts (default: .data in the app's folder)")
    parser.add_argument("--no-azurite", action="store_true", help="start no Azurite: use the storage that the settings name, or none")
    parser.add_argument(
        "--no-stripe", action="store_true", help="start no stand-in for Stripe: payments answer 503 without STRIPE_SECRET_KEY"
    )
    parser.add_argument("--no-ai", action="store_true", help="start no stand-in for AI: models answer 503 unless settings name some")
    parser.add_argument("--no-timers", action="store_true", help="leave timers to POST /admin/functions/NAME")
    parser.add_argument("--quiet", action="store_true", help="no line for each request")
    return parser.parse_args(arguments)


def listen(address: str, port: int) -> socket.socket:
    """Take the port before anything else is started. Raises StartError when someone has it."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(2048)  # now, not later: a second bind of the port must fail from here on
    except OSError as error:
        listener.close()
        raise StartError(
            f"Port {port} of {address} can't be used: {error.strerror}. Stop what listens there, or choose another: --port N"
        ) from None
    return listener


def main() -> int:
    if sys.argv[1:2] == ["audit"]:
        from .audit import main as audit

        return audit(sys.argv[2:], ROOT)
    options = parse()
    log.set_up()
    try:
        return _start(options)
    except StartError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _start(options: argparse.Namespace) -> int:
    app_dir = options.app.resolve()
    config = read_host_json(app_dir)
    local = read_local_settings(app_dir)
    if options.worker == "azure":
        from .azure_env import enter

        enter(ROOT, app_dir)
    if options.services:
        os.environ["SERVICES"] = service_list(options.services)
    export_settings(local, os.environ)
    port = choose_port(options.port, os.environ.get("SERVICES", ""), local, os.environ)
    with listen(options.host, port) as listener:
        from .serve import Session  # late: a port in use is told at once

        data_dir = (options.data or app_dir / ".data").resolve()
        if options.data:
            os.environ["LYDIAN_DATA_DIR"] = str(data_dir)  # the signing key belongs to the data that it has signed
        return Session(options, ROOT, app_dir, data_dir, config, local, listener).run()


if __name__ == "__main__":
    sys.exit(main())
