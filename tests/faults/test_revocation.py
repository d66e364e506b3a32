"""What one instance has revoked the other refuses: whoever asks it five seconds after the answer, whether it is busy, was idle, or was
stopped meanwhile (SPEC §5: checked on use, cached at most five seconds)."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.support import NO_TLS, PASSWORD, Host

CACHED = 5.0
LIMIT = 10.0
"""Seconds within which the refusal must have come, of a machine that is busy with other tests."""
EVERY = 0.1
IDLE = 6.5
"""Seconds of silence: longer than what was read last counts."""


@dataclass
class Account:
    """One account: what it was given by the first instance, and what the second is asked with."""

    one: httpx.Client
    other: httpx.Client
    admin: dict[str, str]
    email: str = field(default_factory=lambda: f"user-{uuid4().hex}@example.com")
    tokens: list[dict[str, Any]] = field(default_factory=list)

    def sign_in(self, route: str = "login") -> dict[str, str]:
        self.tokens.append(self.ask("POST", f"/api/auth/{route}", {}, email=self.email, password=PASSWORD))
        return self.bearer(-1)

    def bearer(self, index: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[index]['access_token']}"}

    @property
    def path(self) -> str:
        return f"/api/auth/users/{self.tokens[0]['user']['id']}"

    def key(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("POST", "/api/auth/keys", self.bearer(0), name="k", scopes=["files"])
        return found

    def ask(self, method: str, path: str, headers: dict[str, str], **body: Any) -> Any:
        answer = self.one.request(method, path, headers=headers, json=body or None)
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None


Act = Callable[[], object]
Scene = Callable[[Account], tuple[dict[str, str], Act]]
"""Prepares an account: with what the other instance is asked, and what shall end that."""


def _logout(user: Account) -> tuple[dict[str, str], Act]:
    return user.bearer(0), lambda: user.ask("POST", "/api/auth/logout", user.bearer(0))


def _one_session(user: Account) -> tuple[dict[str, str], Act]:
    doomed = user.sign_in()
    listed = user.ask("GET", "/api/auth/sessions", doomed)["items"]
    [session_id] = [each["id"] for each in listed if each["current"]]
    return doomed, lambda: user.ask("DELETE", f"/api/auth/sessions/{session_id}", user.bearer(0))


def _all_others(user: Account) -> tuple[dict[str, str], Act]:
    return user.sign_in(), lambda: user.ask("DELETE", "/api/auth/sessions", user.bearer(0))


def _password(user: Account) -> tuple[dict[str, str], Act]:
    body = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
    return user.sign_in(), lambda: user.ask("POST", "/api/auth/change-password", user.bearer(0), **body)


def _key(user: Account) -> tuple[dict[str, str], Act]:
    key = user.key()
    return _of(key), lambda: user.ask("DELETE", f"/api/auth/keys/{key['id']}", user.bearer(0))


def _of(key: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


def _disabled(user: Account) -> tuple[dict[str, str], Act]:
    return user.bearer(0), lambda: user.ask("PATCH", user.path, user.admin, disabled=True)


def _disabled_key(user: Account) -> tuple[dict[str, str], Act]:
    return _of(user.key()), lambda: user.ask("PATCH", user.path, user.admin, disabled=True)


def _demoted(user: Account) -> tuple[dict[str, str], Act]:
    user.ask("PATCH", user.path, user.admin, role="admin")
    token = user.sign_in()
    user.ask("GET", "/api/auth/users", token)
    return token, lambda: user.ask("PATCH", user.path, user.admin, role="user")


def _deleted(user: Account) -> tuple[dict[str, str], Act]:
    return user.bearer(0), lambda: user.ask("DELETE", "/api/auth/me", user.bearer(0), password=PASSWORD)


def _deleted_key(user: Account) -> tuple[dict[str, str], Act]:
    return _of(user.key()), lambda: user.ask("DELETE", "/api/auth/me", user.bearer(0), password=PASSWORD)


def _reused(user: Account) -> tuple[dict[str, str], Act]:
    first = user.tokens[0]["refresh_token"]
    for _ in range(2):  # a retry of the last but one, whose successor was used, is no retry
        user.tokens.append(user.ask("POST", "/api/auth/refresh", {}, refresh_token=user.tokens[-1]["refresh_token"]))

    def reuse() -> None:
        assert user.one.post("/api/auth/refresh", json={"refresh_token": first}).status_code == 401

    return user.bearer(-1), reuse


SCENES: dict[str, Scene] = {
    "logout": _logout,
    "a session deleted": _one_session,
    "all other sessions deleted": _all_others,
    "password changed": _password,
    "key deleted": _key,
    "user disabled": _disabled,
    "user disabled, by key": _disabled_key,
    "demoted": _demoted,
    "account deleted": _deleted,
    "account deleted, by key": _deleted_key,
    "refresh token reused": _reused,
}


@dataclass(frozen=True)
class Ready:
    name: str
    other: httpx.Client
    headers: dict[str, str]
    act: Act

    def accepted(self) -> int:
        """The other instance's status for what is to be revoked."""
        return self.other.get("/api/files", headers=self.headers).status_code


@pytest.fixture
def ready(hosts: list[Host]) -> Iterator[list[Ready]]:
    """Each scene with an account of its own, which the other instance knows and accepts."""
    with ExitStack() as stack:

        def client(host: Host) -> httpx.Client:
            return stack.enter_context(httpx.Client(base_url=host.url, timeout=30, verify=NO_TLS))

        admin = Account(client(hosts[0]), client(hosts[1]), {}, "admin@example.com")
        known = admin.one.post("/api/auth/register", json={"email": admin.email, "password": PASSWORD}).status_code
        assert known in (201, 409)
        rights = admin.sign_in()

        def prepare(name: str) -> Ready:
            user = Account(client(hosts[0]), client(hosts[1]), rights)
            user.sign_in("register")
            made = Ready(name, user.other, *SCENES[name](user))
            assert made.accepted() == 200, name
            return made

        with ThreadPoolExecutor(4) as threads:
            yield list(threads.map(prepare, SCENES))


def _each(ready: list[Ready], of: Callable[[Ready], float]) -> dict[str, float]:
    with ThreadPoolExecutor(len(ready)) as threads:
        return dict(zip((each.name for each in ready), threads.map(of, ready), strict=True))


def _show(title: str, seconds: dict[str, float]) -> None:
    lines = [f"\n{title}: the longest {max(seconds.values()):.2f} s", *(f"  {each:6.2f} s  {name}" for name, each in seconds.items())]
    print("\n".join(lines))  # noqa: T201  # for people: pytest -s


def test_an_instance_in_use_refuses_soon_and_a_request_that_comes_after_five_seconds_always(ready: list[Ready]) -> None:
    def measure(scene: Ready) -> float:
        """Seconds from the acknowledgment to the last request that was accepted, or to the first refused."""
        for _ in range(10):
            assert scene.accepted() == 200
            time.sleep(EVERY)  # the pace of the requests
        scene.act()
        acknowledged = time.monotonic()
        while (asked := time.monotonic() - acknowledged) < LIMIT:
            status = scene.accepted()
            if status == 401:
                return asked
            assert (status, asked < CACHED) == (200, True), (scene.name, status, asked)
            time.sleep(EVERY)
        raise AssertionError(f"{scene.name}: accepted for {LIMIT} s")

    _show("polled every 100 ms", _each(ready, measure))


def test_an_instance_that_was_idle_refuses_the_first_request_after_five_seconds(ready: list[Ready]) -> None:
    quiet_since = time.monotonic()

    def measure(scene: Ready) -> float:
        time.sleep(max(0.0, quiet_since + IDLE - CACHED - time.monotonic()))  # the silence is what is tested
        scene.act()
        acknowledged = time.monotonic()
        time.sleep(CACHED)
        assert scene.accepted() == 401, scene.name
        return time.monotonic() - acknowledged

    _show("idle", _each(ready, measure))


def test_an_instance_that_was_stopped_meanwhile_refuses_when_it_goes_on(hosts: list[Host], ready: list[Ready]) -> None:
    hosts[1].process.send_signal(signal.SIGSTOP)
    try:
        _each(ready, lambda scene: float(bool(scene.act())))
        time.sleep(CACHED)  # from here on nobody may be accepted
    finally:
        hosts[1].process.send_signal(signal.SIGCONT)
    assert {scene.name: scene.accepted() for scene in ready} == dict.fromkeys(SCENES, 401)
