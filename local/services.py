"""Azurite as a child: started on the data folder, shared by all hosts of that folder, ended with the last one.

Hosts elect who runs it by an advisory lock on a file, which the system frees however its holder ends. When the holder
leaves, another host of the folder takes over on the same ports, so that connection strings stay true.
"""

import asyncio
import contextlib
import fcntl
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from . import leash, log
from .settings import StartError

# Published by Microsoft for the emulator: "Use the Azurite emulator", section Well-known storage account and key.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_DEVELOPMENT = "usedevelopmentstorage=true"
_APP_SETTING = "AZURE_STORAGE_CONNECTION_STRING"
_HOST_SETTING = "AzureWebJobsStorage"
_START_LIMIT = 30.0  # seconds


@dataclass(frozen=True)
class Ports:
    blob: int = 10000
    queue: int = 10001
    table: int = 10002

    def all(self) -> tuple[int, int, int]:
        return self.blob, self.queue, self.table

    def connection_string(self) -> str:
        endpoints = "".join(
            f"{name}Endpoint=http://127.0.0.1:{port}/{_ACCOUNT};" for name, port in zip(("Blob", "Queue", "Table"), self.all(), strict=True)
        )
        return f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};{endpoints}"


def is_development(value: str | None) -> bool:
    return value is not None and value.strip().rstrip(";").lower() == _DEVELOPMENT


def wants_azurite(environ: MutableMapping[str, str]) -> bool:
    """Whether the settings leave storage to us: none of them names another one."""
    named = (_APP_SETTING, _HOST_SETTING)
    by_identity = any(name.startswith(f"{_HOST_SETTING}__") for name in environ)
    return not by_identity and all(not environ.get(name) or is_development(environ.get(name)) for name in named)


def point_to(ports: Ports, environ: MutableMapping[str, str], fill: bool) -> None:
    """Spell out `UseDevelopmentStorage=true`, which Python's storage clients don't know. `fill`: also where nothing is set."""
    for name, value in list(environ.items()):
        if is_development(value):
            environ[name] = ports.connection_string()
    if fill:
        for name in (_APP_SETTING, _HOST_SETTING):
            if not environ.get(name):
                environ[name] = ports.connection_string()


def share_named_storage(environ: MutableMapping[str, str]) -> None:
    """Triggers watch the storage that the app uses, unless told otherwise."""
    if not environ.get(_HOST_SETTING) and environ.get(_APP_SETTING):
        environ[_HOST_SETTING] = environ[_APP_SETTING]


class Child:
    """A process on the leash: it ends when `stop` is called and when this process dies."""

    def __init__(self, command: Sequence[str], log_file: Path, cwd: Path | None = None) -> None:
        with log_file.open("ab") as output:
            self._process = subprocess.Popen(  # our own command line
                [sys.executable, "-I", "-S", str(Path(leash.__file__)), *command],
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is ours alone: children end after us, in order
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def exited(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(leash.GRACE + 2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Azurite:
    """`start` blocks until storage answers; then `watch` keeps it answering for as long as the host runs."""

    def __init__(self, root: Path, data_dir: Path) -> None:
        self._script = root / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
        self._data = data_dir / "azurite"
        self._record = data_dir / "azurite.json"
        self._log = data_dir / "azurite.log"
        self._lock_path = data_dir / "azurite.lock"
        self._lock: IO[bytes] | None = None
        self._child: Child | None = None
        self.ports = Ports()

    def start(self) -> Ports:
        """Raises StartError when Azurite is not installed or does not come up."""
        self._data.mkdir(parents=True, exist_ok=True)
        limit = time.monotonic() + _START_LIMIT
        while time.monotonic() < limit:
            if self._acquire():
                try:
                    self._launch()
                except BaseException:
                    self.stop()
                    raise
                return self.ports
            recorded, process = self._recorded()
            if recorded is not None and is_alive(process) and all(answers(port) for port in recorded.all()):
                self.ports = recorded
                log.line(f"storage: sharing the Azurite that serves {self._data} (blob port {recorded.blob})")
                return recorded
            time.sleep(0.05)
        raise StartError(f"another host holds {self._lock_path}, but its Azurite does not answer; see {self._log}")

    async def watch(self) -> None:
        """Restart a dead Azurite; take over from a host that has ended."""
        while True:
            await asyncio.sleep(0.5)
            try:
                if self._child is None and self._acquire():
                    log.line("storage: the host that ran Azurite has ended; taking over")
                    await asyncio.to_thread(self._launch)
                elif self._child is not None and self._child.exited():
                    log.line(f"storage: Azurite has ended unexpectedly, starting it again; see {self._log}")
                    await asyncio.to_thread(self._launch)
            except StartError as error:
                log.line(str(error))

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._lock is not None:
            self._lock.close()  # frees it, after Azurite has let go of the folder
            self._lock = None

    def _acquire(self) -> bool:
        lock = try_lock(self._lock_path)
        self._lock = lock or self._lock  # an attempt that fails must not drop what we hold
        return lock is not None

    def _recorded(self) -> tuple[Ports | None, int]:
        """The ports and the process of the Azurite that was started last."""
        try:
            record = json.loads(self._record.read_text())
            return Ports(*(int(record[name]) for name in asdict(Ports()))), int(record["pid"])
        except (OSError, ValueError, TypeError, KeyError):
            return None, 0

    def _launch(self) -> None:
        node = shutil.which("node")
        if node is None or not self._script.exists():
            missing = "Node.js is not on the PATH" if node is None else f"{self._script} is missing: run `npm ci`"
            raise StartError(
                f"Azurite can't be started: {missing}. Or name a storage account in AZURE_STORAGE_CONNECTION_STRING, or use --no-azurite."
            )
        with _one_at_a_time():
            self._launch_child(node)

    def _launch_child(self, node: str) -> None:
        self.ports = self._choose_ports()
        options = [f"--{name}Host=127.0.0.1" for name in asdict(self.ports)]
        options += [f"--{name}Port={port}" for name, port in asdict(self.ports).items()]
        # The newest storage SDKs speak an API version that this Azurite does not list, but serves.
        options += ["--silent", "--disableTelemetry", "--skipApiVersionCheck", f"--location={self._data}"]
        self._child = Child([node, str(self._script), *options], self._log)
        self._record.write_text(json.dumps({**asdict(self.ports), "pid": self._child.pid}))
        self._wait()

    def _choose_ports(self) -> Ports:
        """The ports of last time, which other hosts may rely on; else Azurite's own; else what is free."""
        recorded, predecessor = self._recorded()
        limit = time.monotonic() + leash.GRACE + 1
        while is_alive(predecessor) and time.monotonic() < limit:
            time.sleep(0.05)  # its host was killed a moment ago; it is still on its way out
        for ports in (recorded, Ports()):
            if ports is not None and all(is_free(port) for port in ports.all()):
                return ports
        return Ports(*free_ports(3))

    def _wait(self) -> None:
        assert self._child is not None
        limit = time.monotonic() + _START_LIMIT
        while not all(answers(port) for port in self.ports.all()):
            if self._child.exited() or time.monotonic() > limit:
                tail = self._log.read_text(errors="replace").strip()[-500:]
                raise StartError(f"Azurite does not come up: {tail or 'it says nothing'} ({self._log})")
            time.sleep(0.03)


def try_lock(path: Path) -> IO[bytes] | None:
    """The file, locked until it is closed or its holder ends; None while another holds it."""
    lock = path.open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hosts of other folders that start now wait until our ports are taken: else both would choose the same free ones, and the
    one whose Azurite fails would take the other's storage for its own."""
    with Path(tempfile.gettempdir(), f"lydian-azurite-{os.getuid()}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_alive(process: int) -> bool:
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # the number belongs to someone else's process by now
    return True


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, held all together until they are known."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def answers(port: int) -> bool:
    """Whether an HTTP server answers there, whatever it says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()
