"""A host for integration tests: `python -m local` with its own Azurite, as a user starts it; and what tests ask of it."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from azure.storage.blob import BlobServiceClient

from local.services import Ports
from tests.azurite import free_ports

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN = 240
"""Seconds: with ``--worker azure`` the very first start makes an environment."""
PASSWORD = "correct horse battery"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For ``verify``: nothing here is https, and to load the system's certificates for each client takes 30 ms."""
T = TypeVar("T")


def eventually(look: Callable[[], T], timeout: float = 15, what: str = "it") -> T:
    """Look again and again until there is something true, which is returned; AssertionError when the time is over."""
    limit = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < limit, f"{what}: not within {timeout} s, the last look gave {found!r}"
        time.sleep(0.03)  # between looks; the limit above bounds it
    return found


@dataclass(frozen=True)
class Host:
    url: str
    data: Path
    process: "subprocess.Popen[bytes]"
    log: Path

    def connection_string(self) -> str:
        record = json.loads((self.data / "azurite.json").read_text())
        return Ports(*(record[name] for name in ("blob", "queue", "table"))).connection_string()

    def rss(self) -> int:
        """Bytes of memory that the process and its children of the app's own hold now; Azurite is not the app's."""
        return sum(_rss(pid) for pid in [self.process.pid, *_children(self.process.pid)] if "azurite" not in _command(pid))


class Blobs:
    """Blobs as the storage account shows them, by Microsoft's synchronous client."""

    def __init__(self, connection_string: str) -> None:
        self._service = BlobServiceClient.from_connection_string(connection_string)

    def __enter__(self) -> "Blobs":
        return self

    def __exit__(self, *_: object) -> None:
        self._service.close()

    def put(self, container: str, name: str, data: bytes) -> None:
        self._service.get_blob_client(container, name).upload_blob(data, overwrite=True)

    def delete(self, container: str, name: str) -> None:
        self._service.get_blob_client(container, name).delete_blob()

    def exists(self, container: str, name: str) -> bool:
        return bool(self._service.get_blob_client(container, name).exists())

    def etag(self, container: str, name: str) -> str:
        return str(self._service.get_blob_client(container, name).get_blob_properties().etag)

    def names(self, container: str, prefix: str = "") -> list[str]:
        return list(self._service.get_container_client(container).list_blob_names(name_starts_with=prefix))


@contextmanager
def running_host(folder: Path, **settings: str) -> Iterator[Host]:
    """Start a host on a free port and a fresh data folder; ``settings`` are app settings."""
    keep = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "PIP_INDEX_URL", "VIRTUAL_ENV")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    environment |= {"ENVIRONMENT": "local", "ADMIN_EMAILS": "admin@example.com", "LYDIAN_DATA_DIR": str(folder / "data")}
    # As in local.settings.example.json: all tests have one address.
    environment |= {"AUTH_LOCK_ADDRESS": "off", "AUTH_REGISTER_ADDRESS": "off"}
    environment |= {"LOG_LEVEL": "warning", "PYTHONUNBUFFERED": "1", **settings}
    command = [sys.executable, "-m", "local", "--port", "0", "--data", str(folder / "data"), "--no-timers"]
    if os.environ.get("WORKER") == "azure":
        command += ["--worker", "azure"]
    # Ports of its own: two hosts that start at one time would both take Azurite's usual ones for free.
    (folder / "data").mkdir(exist_ok=True)
    blob, queue, table = free_ports(3)
    (folder / "data/azurite.json").write_text(json.dumps({"blob": blob, "queue": queue, "table": table, "pid": 0}))
    log = folder / "host.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: "Ctrl-C stops" in log.read_text(errors="replace") or process.poll() is not None, STARTS_WITHIN, "the host")
        found = re.search(r"Open +http://localhost:(\d+)", log.read_text(errors="replace"))
        assert found, log.read_text(errors="replace")
        yield Host(f"http://127.0.0.1:{found[1]}", folder / "data", process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class User(httpx.Client):
    """A signed-in client."""

    def __init__(self, base_url: str, tokens: Mapping[str, Any]) -> None:
        super().__init__(base_url=base_url, headers={"Authorization": f"Bearer {tokens['access_token']}"}, timeout=30, verify=NO_TLS)
        self.user_id: str = tokens["user"]["id"]

    def upload(self, data: bytes = b"hello", name: str = "a.txt", kind: str | None = None, **fields: str) -> httpx.Response:
        file = (name, data) if kind is None else (name, data, kind)
        return self.post("/api/files/upload", files={"file": file}, data=fields)

    def stored(self, data: bytes = b"hello", name: str = "a.txt", **fields: str) -> dict[str, Any]:
        answer = self.upload(data, name, **fields)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def granted(self, size: int = 5, kind: str = "text/plain", name: str = "direct.txt") -> dict[str, Any]:
        answer = self.post("/api/files/upload-url", json={"filename": name, "content_type": kind, "size": size})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def record(self, file_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/api/files/{file_id}/metadata").json()
        return found

    def image_settled(self, file_id: str, timeout: float = 20) -> dict[str, Any]:
        """The record, once its image is ready or has failed."""

        def settled() -> dict[str, Any] | None:
            found = self.record(file_id)
            return found if found["image"]["status"] != "pending" else None

        found = eventually(settled, timeout, "the image")
        assert found is not None
        return found

    def totals(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/api/files/stats").json()
        return {name: value for name, value in found.items() if name != "as_of"}


def register(base_url: str, email: str | None = None) -> User:
    """A fresh user, or the one with this address."""
    sent = {"email": email or f"user-{uuid4().hex}@example.com", "password": PASSWORD}
    answer = httpx.post(f"{base_url}/api/auth/register", json=sent, timeout=30, verify=NO_TLS)
    if answer.status_code == 409:
        answer = httpx.post(f"{base_url}/api/auth/login", json=sent, timeout=30, verify=NO_TLS)
    assert answer.is_success, answer.text
    return User(base_url, answer.json())


def put(grant: Mapping[str, Any], data: bytes, **headers: str) -> httpx.Response:
    """What a client does with ``upload_url``."""
    return httpx.put(grant["upload_url"], content=data, headers={**grant["headers"], **headers}, timeout=60, verify=NO_TLS)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer's problem, checked for what every problem has (SPEC §1)."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= found.keys()
    assert (found["status"], found["code"]) == (status, code), found
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


def _rss(pid: int) -> int:
    try:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except FileNotFoundError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [child for each in listed for child in (int(each), *_children(int(each)))]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return "azurite"
