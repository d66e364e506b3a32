"""Starts `python -m local` as a user does, in a process of its own, and stops it whatever the test did to it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.local_host.harness import ROOT, SAMPLE, RunningHost, Start


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    hosts: list[RunningHost] = []

    def begin(*options: str, data: Path | None = None, app: Path = SAMPLE, wait: bool = True, **settings: str) -> RunningHost:
        folder = tmp_path_factory.mktemp("host")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE", "SERVICES"))}
        # A schedule that does not fire by itself while a test runs.
        environ |= {"SAMPLE_QUEUE": "work", "SAMPLE_SCHEDULE": "0 0 0 1 1 *", "SAMPLE_OUT": str(folder / "out"), **settings}
        data = data or folder / "data"
        command = [sys.executable, "-m", "local", "--app", str(app), "--data", str(data), "--port", "0", *options]
        log = (folder / "log").open("wb")
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        host = RunningHost(process, folder / "log", folder / "out", data, [log])
        hosts.append(host)
        return host.wait_until_up() if wait else host

    yield begin
    for host in hosts:
        try:
            host.stop()
        except subprocess.TimeoutExpired:
            host.process.kill()
            host.process.wait()
        for file in host.files:
            file.close()
