"""What the bridge costs: ``.venv/bin/python bench/bridge.py``.

The bridged function app, served as the local host's direct worker serves it (Azure's route matching, our web extension, one
function a route), against the same FastAPI app with the same middleware straight on uvicorn (uvloop and httptools on both
sides). One trivial GET route, 16 connections, rounds alternate.
"""

import argparse
import json
import os
import subprocess
import sys

from support import HERE, ROOT, Server, Setup, banner, free_ports, paired, spread, table, verdict

AT_ONCE = 16
APP = HERE / "bridge_app"
PATH = "/api/hello"
ENVIRONMENT = {"ENVIRONMENT": "local", "LOG_LEVEL": "warning", "LOG_FORMAT": "json", "AZURE_STORAGE_CONNECTION_STRING": ""}


def rate(server: Server, seconds: int, users: str) -> tuple[float, float]:
    """Requests per second, and CPU milliseconds of the server for each."""
    command = ["wrk", "-t1", f"-c{AT_ONCE}", f"-d{seconds}s", "-s", str(HERE / "load" / "get.lua"), server.url]
    variables = {**os.environ, "COMMON": str(HERE / "load" / "common.lua"), "USERS": users, "TARGET": PATH}
    before = server.cpu()
    result = json.loads(subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1])
    if result["errors"]:
        raise RuntimeError(str(result))
    return result["requests"] / result["seconds"], (server.cpu() - before) / result["requests"] * 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    banner(f"a trivial route, {AT_ONCE} at a time")
    with Setup() as setup:
        ports = free_ports(2)
        environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT), "LYDIAN_DATA_DIR": str(setup.folder)}
        local = [sys.executable, "-m", "local", "--app", str(APP), "--data", str(setup.folder), "--no-azurite", "--quiet"]
        servers = {
            "bridged": setup.start([*local, "--port", str(ports[0])], ports[0], PATH, environment),
            "bare FastAPI": setup.start([sys.executable, str(APP / "direct.py"), str(ports[1])], ports[1], PATH, environment),
        }
        users = setup.folder / "users"
        users.write_text("nobody\n")
        for server in servers.values():
            rate(server, 1, str(users))
        rates: dict[str, list[float]] = {name: [] for name in servers}
        cpu: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(options.rounds):
            for name, server in servers.items():
                requests, used = rate(server, options.seconds, str(users))
                rates[name].append(requests)
                cpu[name].append(used)
    table(["", "requests/s", "CPU ms"], [[name, spread(rates[name], 0), spread(cpu[name], 3)] for name in servers])
    print(f"CPU for each request, bare ÷ bridged: {paired(cpu['bare FastAPI'], cpu['bridged']):.2f}")
    verdict("bridge", paired(rates["bridged"], rates["bare FastAPI"]), 0.85)


if __name__ == "__main__":
    main()
