"""A running `python -m local`, as its tests see it."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from local import azure_env

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = Path(__file__).parent / "sample_app"
WORKERS = ["direct", *(["azure"] if azure_env.find_python() else [])]


def wait_for(what: str, probe: Callable[[], object], seconds: float = 15) -> object:
    """Wait until `probe` returns something true, which is returned."""
    limit = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > limit:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)  # between looks; the limit above bounds it


@dataclass
class RunningHost:
    process: "subprocess.Popen[bytes]"
    log_path: Path
    out_path: Path
    data: Path
    files: list[IO[bytes]] = field(default_factory=list)

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def seen(self) -> list[str]:
        """What the sample app's functions noted."""
        return self.out_path.read_text().splitlines() if self.out_path.exists() else []

    @property
    def url(self) -> str:
        found = re.search(r"Open +http://localhost:(\d+)", self.log)
        assert found, self.log
        return f"http://127.0.0.1:{found[1]}"

    def wait_until_up(self) -> "RunningHost":
        # The azure worker may have to make its environment first, once on a machine.
        wait_for("the host is up", lambda: "Ctrl-C stops" in self.log or self.process.poll() is not None, 240)
        assert self.process.poll() is None, self.log
        return self

    def wait_until_seen(self, line: str, times: int = 1, seconds: float = 15) -> None:
        wait_for(f"{line!r} {times} times", lambda: sum(line in each for each in self.seen) >= times, seconds)

    def wait_until_logged(self, text: str) -> None:
        """The line of a request is written after its answer."""
        wait_for(f"{text!r} in the log", lambda: text in self.log)

    def connection_string(self) -> str:
        from local.services import Ports

        record = json.loads((self.data / "azurite.json").read_text())
        return Ports(*(record[name] for name in ("blob", "queue", "table"))).connection_string()

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


Start = Callable[..., RunningHost]


def children_of(data: Path) -> list[int]:
    """The processes that serve a data folder: Azurite and its leash."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if f"--location={data}" in line]
