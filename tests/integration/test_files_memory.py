"""Memory does not grow with a file (SPEC §4): measured on a host of its own, so that nothing else is in it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.support import Host, User, register, running_host

MIB = 2**20
SIZE = 100 * MIB - 4096
ALLOWED = 16 * MIB
LINE = b"All work and no play makes Jack a dull boy. All work and no play.\n"
CHUNK = (LINE * 1000)[: 64 * 1024]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Host]:
    with running_host(tmp_path, FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=str(120 * MIB)) as host:
        yield host


class Peak:
    """The most memory that the host held while the block ran."""

    def __init__(self, host: Host) -> None:
        self._host, self._over = host, threading.Event()
        self.bytes = 0
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.bytes = max(self.bytes, self._host.rss())

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def upload(owner: User, size: int) -> httpx.Response:
    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        for at in range(0, size, len(CHUNK)):
            yield CHUNK[: size - at]
        yield b"\r\n--x--\r\n"

    return owner.post("/api/files/upload", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"}, timeout=120)


def download(owner: User, url: str) -> int:
    with owner.stream("GET", url, timeout=120) as answer:
        assert answer.status_code == 200
        return sum(len(chunk) for chunk in answer.iter_raw())


def test_a_hundred_mebibytes_up_and_down(alone: Host) -> None:
    with register(alone.url) as owner:
        for _ in range(2):  # imports, pools and buffers: what an app that serves has anyway
            small = upload(owner, 5 * MIB).json()
            download(owner, small["url"])
            download(owner, "/api/auth/export")
        idle = alone.rss()
        with Peak(alone) as up:
            answer = upload(owner, SIZE)
        assert (answer.status_code, answer.json()["size"]) == (201, SIZE)
        with Peak(alone) as down:
            assert download(owner, answer.json()["url"]) == SIZE
        with Peak(alone) as export:
            download(owner, "/api/auth/export")
        grown = {"up": (up.bytes - idle) / MIB, "down": (down.bytes - idle) / MIB, "export": (export.bytes - idle) / MIB}
        assert max(grown.values()) <= ALLOWED / MIB, grown
        print(f"idle {idle / MIB:.1f} MiB, grown by {grown}")  # noqa: T201  # shown by -s
