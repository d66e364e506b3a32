"""Storage that is killed, frozen or refuses to write while apps use it, and servers of others that hang or are gone."""

import contextlib
import resource
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.azurite import ACCOUNT, END_WITH_PARENT, SCRIPT, connection_string, free_ports, wait_for_ports

QUOTA = 20
"""Files of ten bytes that a user of ``hosts`` may store."""


class Storage:
    """An Azurite that keeps its ports and its data from one life to the next; ``running_host(…, **storage.settings)`` uses it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True)
        self._ports = free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        urls = [f"http://127.0.0.1:{port}/{ACCOUNT}" for port in self._ports]
        return {"AZURE_STORAGE_CONNECTION_STRING": connection_string(*urls)}

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def start(self) -> None:
        command = ["node", "--import", END_WITH_PARENT, str(SCRIPT), "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        command += ["--location", self._folder.name]
        for service, port in zip(("blob", "queue", "table"), self._ports, strict=True):
            command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
        log = Path(self._folder.name, "azurite.log")
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
        wait_for_ports(self._process, self._ports, log)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """SIGTERM: it writes down what it has acknowledged, as a storage account does at once. SIGKILL: it may not have."""
        if self._process is None:
            return
        self.process.send_signal(number)
        self.process.wait(20)
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It accepts connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """No file of it can grow: what would write one fails (EFBIG), what reads goes well."""
        unlimited = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (0, unlimited[1]))
        try:
            yield
        finally:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, unlimited)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            self.stop()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


class Silent:
    """A server of somebody else: it takes connections and says nothing (``hang``), or is gone (``close``)."""

    def __init__(self) -> None:
        self._listener: socket.socket | None = None
        [self.port] = free_ports(1)
        self._held: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hang(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._held.append(listener.accept()[0])

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for held in self._held:
            held.close()
        self._held.clear()
