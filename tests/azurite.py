"""A real Azurite for tests: a child process on free ports of 127.0.0.1, which ends with the test run whatever happens."""

import atexit
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# Runs inside the child: when the test run ends in whatever way, its end of the pipe closes.
END_WITH_PARENT = 'data:text/javascript,process.stdin.on("end",()=>process.kill(process.pid,"SIGTERM")).resume().unref()'
SCRIPT = Path(__file__).parent.parent / "node_modules/azurite/dist/src/azurite.js"
_SECONDS_TO_START = 20
ACCOUNT = "devstoreaccount1"
# Not a secret: the key of every Azurite, published by Microsoft.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class AzuriteHandle:
    """``connection_string`` names the three endpoints; so do the ``*_url``. ``stop()`` may be called twice."""

    blob_url: str
    queue_url: str
    table_url: str
    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]

    @property
    def connection_string(self) -> str:
        return connection_string(self.blob_url, self.queue_url, self.table_url)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.folder.cleanup()


def connection_string(blob_url: str, queue_url: str, table_url: str) -> str:
    protocol = blob_url.partition(":")[0]
    return (
        f"DefaultEndpointsProtocol={protocol};AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint={blob_url};QueueEndpoint={queue_url};TableEndpoint={table_url};"
    )


def start_azurite(*options: str, scheme: str = "http") -> AzuriteHandle:
    """Start one and wait until its three services accept connections; ``options`` are further arguments of its command.

    ``RuntimeError`` when it ends or is silent for 20 s, with what it wrote.
    """
    if not SCRIPT.exists():
        raise RuntimeError("Azurite is not installed: run `npm ci`")
    folder = tempfile.TemporaryDirectory(prefix="azurite-", ignore_cleanup_errors=True)
    ports = free_ports(3)
    log = Path(folder.name, "azurite.log")
    command = ["node", "--import", END_WITH_PARENT, str(SCRIPT), "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    command += ["--location", folder.name, *options]
    for service, port in zip(("blob", "queue", "table"), ports, strict=True):
        command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
    blob, queue, table = (f"{scheme}://127.0.0.1:{port}/{ACCOUNT}" for port in ports)
    handle = AzuriteHandle(blob, queue, table, process, folder)
    try:
        wait_for_ports(process, ports, log)
    except BaseException:
        handle.stop()
        raise
    atexit.register(handle.stop)
    return handle


def free_ports(count: int) -> list[int]:
    """Ports free at this moment; all are held until the last is found, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(held.getsockname()[1]) for held in sockets]
    finally:
        for held in sockets:
            held.close()


def wait_for_ports(process: subprocess.Popen[bytes], ports: list[int], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    waiting = list(ports)
    while waiting:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Azurite did not start: {log.read_text(errors='replace')[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", waiting[0]), timeout=1).close()
            waiting.pop(0)
        except OSError:
            time.sleep(0.05)  # between looks at a port; the deadline above bounds it
