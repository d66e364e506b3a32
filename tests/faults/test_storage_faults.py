"""Storage goes away, hangs or takes no writes while the app serves: no crash, honest health, recovery without a restart, and nothing
that was acknowledged is lost."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.faults.support import Storage
from tests.images import jpeg, photo
from tests.integration.support import NO_TLS, Host, User, eventually, register

ANSWERS_WITHIN = 20.0
"""Seconds after which a request has been answered, whatever storage does."""


class Uploads:
    """Somebody who uploads one small file after another, and writes down what was acknowledged."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.stored: dict[str, bytes] = {}
        self.refused: list[tuple[int, str]] = []
        self.slowest = 0.0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Uploads":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        number = 0
        while not self._ends.is_set():
            number += 1
            data = f"file {number}".encode()
            began = time.monotonic()
            answer = self.user.upload(data, f"{number}.txt")
            self.slowest = max(self.slowest, time.monotonic() - began)
            if answer.status_code == 201:
                self.stored[answer.json()["id"]] = data
            else:
                self.refused.append((answer.status_code, answer.json()["code"]))


@pytest.fixture(scope="module")
def alice(host: Host) -> Iterator[User]:
    with register(host.url) as found:
        yield found


def get(host: Host, path: str) -> httpx.Response:
    return httpx.get(host.url + path, timeout=ANSWERS_WITHIN, verify=NO_TLS)


def all_is_there(user: User, uploads: Uploads) -> None:
    for file_id, data in uploads.stored.items():
        answer = user.get(f"/api/files/{file_id}")
        assert (answer.status_code, answer.content) == (200, data)
    listed: set[str] = set()
    query: dict[str, str | int] = {"limit": 100}
    while True:
        page = user.get("/api/files", params=query).json()
        listed |= {item["id"] for item in page["items"]}
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert uploads.stored.keys() <= listed
    # What was not acknowledged may be there (its answer was lost), but never half: each that is listed can be read.
    for file_id in listed - uploads.stored.keys():
        assert user.get(f"/api/files/{file_id}").status_code == 200


def well_again(host: Host) -> None:
    eventually(lambda: get(host, "/health/ready").json()["status"] == "ok", 30, "readiness")
    assert host.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_storage_ends_and_comes_back(host: Host, storage: Storage, alice: User, number: int) -> None:
    with Uploads(alice) as uploads:
        eventually(lambda: len(uploads.stored) >= 10, 30, "uploads")
        storage.stop(number)
        seen = len(uploads.refused)
        eventually(lambda: len(uploads.refused) >= seen + 2, 60, "refusals")
        ready = get(host, "/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "down")
        if number == signal.SIGTERM:
            eventually(lambda: get(host, "/health").json()["status"] == "degraded", 15, "honest health")
        assert get(host, "/health").status_code == 200, "the process lives"
        assert "text/html" in get(host, "/status").headers["content-type"]
        assert get(host, "/docs").status_code == 200
        storage.start()
        known = len(uploads.stored)
        eventually(lambda: len(uploads.stored) >= known + 3, 30, "uploads again")
    assert set(uploads.refused) <= {(503, "storage_unavailable"), (503, "busy")}
    assert uploads.slowest < ANSWERS_WITHIN
    well_again(host)
    if number == signal.SIGTERM:
        eventually(lambda: get(host, "/health").json()["status"] == "ok", 30, "health")
        # One that is killed forgets what it has acknowledged itself in its last seconds.
        all_is_there(alice, uploads)


def test_triggers_go_on_after_it(host: Host, alice: User) -> None:
    stored = alice.stored(jpeg(photo(400, 300)), "a.jpg")
    assert alice.image_settled(stored["id"], 30)["image"]["status"] == "ready"


def test_storage_hangs(host: Host, storage: Storage, alice: User) -> None:
    file = alice.stored(b"before")
    with storage.frozen(), ThreadPoolExecutor(1) as aside:
        listing = aside.submit(lambda: (alice.get("/api/files", timeout=60), time.monotonic()))
        asked = began = time.monotonic()
        ready = get(host, "/health/ready")
        assert time.monotonic() - began < 4, "each probe has its own time-out"
        assert ready.status_code == 503
        assert "no answer within" in ready.json()["checks"]["storage"]["detail"]
        began = time.monotonic()
        assert get(host, "/health").status_code == 200
        assert time.monotonic() - began < 4
        refused, answered = listing.result()
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
        assert answered - asked < 12, "nobody waits for long"
    well_again(host)
    assert alice.get(f"/api/files/{file['id']}").content == b"before"
    assert alice.upload(b"after").status_code == 201


def test_storage_takes_no_writes(host: Host, storage: Storage, alice: User) -> None:
    file = alice.stored(b"before")
    admin = register(host.url, "admin@example.com")
    with Uploads(alice) as uploads:
        eventually(lambda: uploads.stored, 30, "uploads")
        with storage.full():
            seen = len(uploads.refused)
            eventually(lambda: len(uploads.refused) >= seen + 3, 60, "refusals")
            known = len(uploads.stored)
            assert alice.get(f"/api/files/{file['id']}").content == b"before", "what reads goes on"
            # A probe writes, so that it sees what readers do not.
            assert admin.post("/admin/functions/common_probe", json={}).status_code == 202
            eventually(lambda: "blob" in get(host, "/health").json()["services"]["files"].get("detail", ""), 40, "honest health")
            assert len(uploads.stored) == known
        eventually(lambda: len(uploads.stored) > known, 30, "uploads again")
    assert {status for status, _ in uploads.refused} == {503}
    all_is_there(alice, uploads)
    admin.close()
    assert host.process.poll() is None
