"""What the benchmarks share: Azurite, the app and the peer as processes of their own, their memory, users, and the figures.

A ratio is only worth something when both sides ran under the same load: every benchmark alternates rounds of the two and
takes medians. Nothing here is imported by the app.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from tests.azurite import AzuriteHandle, free_ports, start_azurite  # noqa: E402  # found through the line above

__all__ = ["HERE", "ROOT", "AzuriteHandle", "free_ports", "start_azurite"]

PASSWORD = "a long enough benchmark password"  # noqa: S105  # of users who live as long as a benchmark
_START_LIMIT = 30.0  # seconds
TRIGGERS_OFF = {f"AzureWebJobs.{name}.Disabled": "true" for name in ("files_optimize_image", "files_image_poison", "files_events")}
"""On Azure the blob trigger runs on instances of its own (Flex Consumption) and its polling in the host, not in the worker."""


@dataclass
class Server:
    """A child that listens on ``port`` of 127.0.0.1."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rss(self) -> int:
        """Resident memory, in bytes, now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the process has ended")

    def cpu(self) -> float:
        """CPU seconds of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @contextmanager
    def peak(self) -> Iterator[Callable[[], int]]:
        """Sample the resident memory every 5 ms; the function gives the highest value seen, in bytes."""
        highest, ended = self.rss(), threading.Event()

        def watch() -> None:
            nonlocal highest
            while not ended.wait(0.005):
                highest = max(highest, self.rss())

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield lambda: highest
        finally:
            ended.set()
            watcher.join()


class Setup(ExitStack):
    """Everything a benchmark starts; leaving it ends everything."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="lydian-bench-", ignore_cleanup_errors=True)))

    def azurite(self) -> AzuriteHandle:
        azurite = start_azurite()
        self.callback(azurite.stop)
        return azurite

    def app(self, azurite: AzuriteHandle, **environment: str) -> Server:
        """The app behind the local host, the way `make start` runs it but for its log; ends with the set-up."""
        variables = {
            "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string,
            "AzureWebJobsStorage": azurite.connection_string,
            "LYDIAN_DATA_DIR": str(self.folder / "data"),
            "ENVIRONMENT": "local",
            "SERVICES": "all",
            "LOG_LEVEL": "warning",
            "LOG_FORMAT": "json",
            "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(200 * 1024 * 1024),
            "FILES_MAX_BYTES": str(100 * 1024 * 1024),
            "FILES_QUOTA_BYTES": str(1024**4),
            **environment,
        }
        port = free_ports(1)[0]
        command = [
            sys.executable,
            "-m",
            "local",
            "--port",
            str(port),
            "--data",
            str(self.folder / "data"),
            "--quiet",
            "--no-timers",
            "--no-ai",
        ]
        return self.start(command, port, "/health", variables)

    def peer(self, azurite: AzuriteHandle, **environment: str) -> Server:
        """The Express app of bench/peer."""
        port = free_ports(1)[0]
        variables = {"PORT": str(port), "STORAGE": azurite.connection_string, "NODE_ENV": "production", **environment}
        return self.start(["node", str(HERE / "peer" / "server.mjs")], port, "/health", variables)

    def start(self, command: Sequence[str], port: int, path: str, environment: dict[str, str], within: float = _START_LIMIT) -> Server:
        log = self.folder / f"{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
            )  # ours
        self.callback(_end, process)
        server = Server(process, port, log)
        _wait(server, path, within)
        return server


def _wait(server: Server, path: str, within: float) -> None:
    deadline = time.monotonic() + within
    while True:
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"did not start: {server.log.read_text(errors='replace')[-2000:]}")
        try:
            urllib.request.urlopen(server.url + path, timeout=2).close()  # noqa: S310  # ours
            return
        except OSError:
            time.sleep(0.05)  # between looks at the port


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def call(url: str, token: str = "", body: bytes | None = None, content_type: str = "application/json") -> Any:
    """POST (or GET without a body) and read the JSON answer; raises for any status but 2xx."""
    headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {token}"} if token else {})}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:  # noqa: S310  # ours
        return json.load(answer)


def register(app: Server, count: int) -> list[str]:
    """New users of the app; their access tokens, which hold for 15 minutes."""
    tokens = []
    for _ in range(count):
        email = f"{os.urandom(8).hex()}@example.com"
        body = json.dumps({"email": email, "password": PASSWORD, "name": "Bench"}).encode()
        tokens.append(call(f"{app.url}/api/auth/register", body=body)["access_token"])
    return tokens


async def page_times(url: str, token: str, size: int, count: int) -> list[float]:
    """Milliseconds of each of ``count`` pages of ``size`` items, one after the other on one connection."""
    import aiohttp

    times = list[float]()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        for number in range(count + 5):  # the first five warm up
            began = time.perf_counter()
            async with session.get(url) as answer:
                found = await answer.json()
            assert len(found["items"]) == size, found
            if number >= 5:
                times.append((time.perf_counter() - began) * 1000)
    return times


def multipart(data: bytes, filename: str, content_type: str) -> tuple[bytes, str]:
    """A form with the one part ``file``, and its content type."""
    boundary = "lydian-bench-boundary"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: {content_type}\r\n\r\n'
    return head.encode() + data + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def paired(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the rounds' ratios: two rounds side by side saw the same machine, two medians perhaps not."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def spread(values: Sequence[float], digits: int = 2) -> str:
    """``median (lowest–highest)``."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def banner(title: str) -> None:
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    load = os.getloadavg()[0]
    print(
        f"{title}\n{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, Python {platform.python_version()}, Node {node}, "
        f"load {load:.1f}\n"
    )


def verdict(name: str, ratio: float, goal: float) -> None:
    print(f"ratio {name} {ratio:.2f} (goal {goal:.2f}{'' if ratio >= goal else ', MISSED'})")
