"""Two instances on one storage: what is exact stays exact across them, and when one of them is killed nothing acknowledged is lost."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.faults.support import QUOTA
from tests.integration.support import PASSWORD, Host, User, eventually, register

Users = Callable[..., list[User]]


@pytest.fixture
def everywhere(hosts: list[Host]) -> Iterator[Users]:
    """``everywhere()`` is a fresh user, signed in once, as the client of each host."""
    made: list[User] = []

    def make(email: str | None = None) -> list[User]:
        first = register(hosts[0].url, email)
        made.append(first)
        token = first.headers["Authorization"].removeprefix("Bearer ")
        others = [User(host.url, {"access_token": token, "user": {"id": first.user_id}}) for host in hosts[1:]]
        made.extend(others)
        return [first, *others]

    yield make
    for each in made:
        each.close()


def test_a_session_is_one_and_ends_everywhere(everywhere: Users) -> None:
    alice, other = everywhere()
    assert other.get("/api/auth/me").json()["id"] == alice.user_id
    assert alice.post("/api/auth/logout").is_success
    eventually(lambda: other.get("/api/auth/me").status_code == 401, 10, "the end of the session")


def test_a_quota_is_exact_across_both(everywhere: Users) -> None:
    clients = everywhere()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: clients[number % 2].upload(b"0123456789").status_code, range(QUOTA + 12)))
    stored = answers.count(201)
    assert set(answers) <= {201, 413, 503}
    while stored < QUOTA:  # some were told to come again
        assert clients[1].upload(b"0123456789").status_code == 201
        stored += 1
    assert stored == QUOTA
    assert clients[1].upload(b"0123456789").status_code == 413
    assert clients[0].totals()["total_bytes"] == QUOTA * 10


def test_one_of_them_probes(everywhere: Users) -> None:
    admins = everywhere("admin@example.com")

    def fire(admin: User) -> None:
        assert admin.post("/admin/functions/common_probe", json={}).status_code == 202

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(fire, admins * 4))
    found: dict[str, Any] = admins[0].get("/api/monitoring/uptime").json()
    checks = {check["check"]: check for check in found["checks"]}
    # A minute may have ended meanwhile.
    assert {check["samples"] for check in checks.values()} <= {1, 2}
    assert checks["table"]["uptime_percent"] == checks["files"]["uptime_percent"] == 100
    assert len({str(admin.get("/api/monitoring/health").json()["services"].keys()) for admin in admins}) == 1


def test_one_is_killed_and_the_other_has_everything(hosts: list[Host], everywhere: Users) -> None:
    """The last test of the module: it kills the first host."""
    alice, other = everywhere()
    stored: dict[str, bytes] = {}

    def upload(number: int) -> None:
        try:
            answer = alice.upload(b"%08d" % number)
        except httpx.HTTPError:  # its host has died: nothing was acknowledged
            return
        if answer.status_code == 201:
            stored[answer.json()["id"]] = b"%08d" % number
        if number == 6:
            hosts[0].process.send_signal(signal.SIGKILL)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(upload, range(18)))
    hosts[0].process.wait(10)
    assert len(stored) >= 3
    for file_id, data in stored.items():
        assert other.get(f"/api/files/{file_id}").content == data
    assert other.upload(b"after").status_code == 201
    signed_in = other.post("/api/auth/login", json={"email": other.get("/api/auth/me").json()["email"], "password": PASSWORD})
    assert signed_in.status_code == 200
