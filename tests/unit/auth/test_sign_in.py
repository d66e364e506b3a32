"""Signing in: nothing tells an unknown address from a wrong password."""

from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher

from shared_code.auth import passwords
from shared_code.auth.tables import USERS
from shared_code.storage.ports import Delete, Merge
from tests.unit.apps import PASSWORD, App, bearer, login, make_app, me, refresh, register

EMAIL = "ada@example.com"


class Counting(PasswordHasher):
    """Argon2 that counts, and that says what it was asked for."""

    def __init__(self, time_cost: int = 1) -> None:
        super().__init__(time_cost=time_cost, memory_cost=8, parallelism=1)
        self.hashed = self.verified = 0

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.hashed += 1
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # the parent's name for it
        self.verified += 1
        return super().verify(hash, password)  # type: ignore[return-value]  # it is True or raises


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setattr(passwords, "_HASHER", counting)
    return counting


async def test_tokens(client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    response = await login(client, " ADA@Example.com ")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body["user"] == account["user"]
    assert (await me(client, body["access_token"])).json()["email"] == EMAIL
    assert body["refresh_token"] != account["refresh_token"]


ATTEMPTS = {
    "wrong password": (EMAIL, "not the password"),
    "unknown address": ("nobody@example.com", PASSWORD),
    "no address at all": ("nonsense", PASSWORD),
    "an empty address": ("", PASSWORD),
    "a key that storage would refuse": ("/" * 500, PASSWORD),
    "a long address": ("x" * 5000 + "@example.com", PASSWORD),
    "a line end": ("ada@example.com\r\nx", PASSWORD),
    "an empty password": (EMAIL, ""),
    "a huge password": (EMAIL, PASSWORD + "x" * 500_000),
    "the disabled": ("disabled@example.com", PASSWORD),
}


async def test_failures_are_indistinguishable(app: App, client: httpx.AsyncClient, hasher: Counting) -> None:
    """The same answer, the same storage calls, and one Argon2 each."""
    await register(client, EMAIL)
    disabled = (await register(client, "disabled@example.com"))["user"]["id"]
    await app.storage.tables.apply(USERS, disabled, Merge("user", {"disabled": True}))
    await app.settled()
    seen = {}
    for name, (email, password) in ATTEMPTS.items():
        app.tables.calls.clear()
        hasher.verified = 0
        response = await login(client, email, password, **{"X-Request-ID": "same"})
        headers = {key: value for key, value in response.headers.items() if key != "date"}
        seen[name] = (response.status_code, response.json(), headers, tuple(app.tables.calls), hasher.verified)
    expected = seen["wrong password"]
    assert expected[0] == 401
    assert expected[1]["code"] == "invalid_credentials"
    assert expected[2]["www-authenticate"] == "Bearer"
    # One failure is one write; the lock of each address comes later, and equally, for all.
    assert expected[3:] == (("query emails", "get users", "write emails", "write audit20260101"), 1)
    for name, found in seen.items():
        assert found == expected, name


async def test_the_first_unknown_address_costs_no_more_than_the_first_known_one(hasher: Counting) -> None:
    """What nobody's password is compared with is made by whoever signs in first."""
    work = []
    for email in (EMAIL, "nobody@example.com"):
        app = make_app()
        async with app.client() as client:
            await register(client, EMAIL)
            passwords._nobodys_hash.cache_clear()
            hasher.hashed = hasher.verified = 0
            assert (await login(client, email, "not the password")).status_code == 401
            work.append((hasher.hashed, hasher.verified))
    assert work[0] == work[1]


async def test_raised_parameters_rehash_at_sign_in(app: App, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    user = (await register(client, EMAIL))["user"]["id"]

    async def stored() -> Any:
        row = await app.storage.tables.get(USERS, user, "user")
        assert row is not None
        return row.values["password_hash"]

    before = await stored()
    await login(client, EMAIL)
    assert await stored() == before
    monkeypatch.setattr(passwords, "_HASHER", Counting(time_cost=2))
    assert (await login(client, EMAIL, "not the password")).status_code == 401
    assert await stored() == before
    assert (await login(client, EMAIL)).status_code == 200
    after = await stored()
    assert "t=2" in after
    assert (await login(client, EMAIL)).status_code == 200
    assert await stored() == after


@pytest.mark.parametrize(("meanwhile", "status"), [("renamed", 200), ("replaced", 401), ("deleted", 401)])
async def test_a_rehash_overwrites_nothing(
    app: App, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, meanwhile: str, status: int
) -> None:
    """A password that was changed while we hashed the old one stays changed, and the old one signs nobody in."""
    user = (await register(client, EMAIL))["user"]["id"]
    monkeypatch.setattr(passwords, "_HASHER", Counting(time_cost=2))
    service, real = app.container.sign_in, app.container.sign_in._rehash
    changes = {
        "renamed": Merge("user", {"name": "Ada"}),
        "replaced": Merge("user", {"password_hash": "another"}),
        "deleted": Delete("user"),
    }

    async def raced(*args: Any) -> Any:
        await app.storage.tables.apply(USERS, user, changes[meanwhile])
        return await real(*args)

    monkeypatch.setattr(service, "_rehash", raced)
    assert (await login(client, EMAIL)).status_code == status
    row = await app.storage.tables.get(USERS, user, "user")
    assert row is None or "t=2" not in str(row.values["password_hash"])


async def test_the_disabled_lose_their_session_at_refresh(app: App, client: httpx.AsyncClient) -> None:
    body = await register(client, EMAIL)
    await app.storage.tables.apply(USERS, body["user"]["id"], Merge("user", {"disabled": True}))
    assert (await refresh(client, body["refresh_token"])).status_code == 401
    assert (await me(client, body["access_token"])).json()["code"] == "session_ended"
    await app.storage.tables.apply(USERS, body["user"]["id"], Merge("user", {"disabled": False}))
    assert (await refresh(client, body["refresh_token"])).status_code == 401
    assert (await login(client, EMAIL)).status_code == 200


async def test_logout_ends_this_session_only(client: httpx.AsyncClient) -> None:
    one = await register(client, EMAIL)
    other = (await login(client, EMAIL)).json()
    response = await client.post("/api/auth/logout", headers=bearer(one["access_token"]))
    assert (response.status_code, response.content) == (204, b"")
    assert (await me(client, one["access_token"])).json()["code"] == "session_ended"
    assert (await refresh(client, one["refresh_token"])).json()["code"] == "invalid_refresh_token"
    assert (await client.post("/api/auth/logout", headers=bearer(one["access_token"]))).status_code == 401
    assert (await me(client, other["access_token"])).status_code == 200
    assert (await client.post("/api/auth/logout")).status_code == 401


async def test_a_session_remembers_its_device(app: App) -> None:
    async with app.client(address="203.0.113.5", headers={"User-Agent": "x" * 600}) as client:
        body = await register(client, EMAIL)
    (row,) = await app.storage.tables.query(USERS, body["user"]["id"], prefix="session:")
    assert (row.values["user_agent"], row.values["address"]) == ("x" * 512, "203.0.113.5")
