"""A process that dies at any write of a revocation: five seconds later another instance says of sessions and keys what storage says."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from shared_code.errors import StorageUnavailable
from tests.unit.apps import PASSWORD, App, bearer, make_app, me, refresh, register
from tests.unit.auth.key_owner import files

NEW = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
Act = Callable[[httpx.AsyncClient, dict[str, Any], str], Awaitable[object]]


async def _disable(client: httpx.AsyncClient, account: dict[str, Any], admin: str, **change: Any) -> object:
    return await client.patch(f"/api/auth/users/{account['user']['id']}", json=change or {"disabled": True}, headers=bearer(admin))


async def _leave(client: httpx.AsyncClient, account: dict[str, Any], admin: str) -> object:
    return await client.request("DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=bearer(account["access_token"]))


async def _revoke_key(client: httpx.AsyncClient, account: dict[str, Any], admin: str) -> object:
    return await client.delete(f"/api/auth/keys/{account['key']['id']}", headers=bearer(account["access_token"]))


ACTS: dict[str, Act] = {
    "logout": lambda client, account, admin: client.post("/api/auth/logout", headers=bearer(account["access_token"])),
    "other sessions": lambda client, account, admin: client.delete("/api/auth/sessions", headers=bearer(account["second"])),
    "password": lambda client, account, admin: client.post("/api/auth/change-password", json=NEW, headers=bearer(account["second"])),
    "reuse": lambda client, account, admin: refresh(client, account["spent"]),
    "disabled": _disable,
    "role": lambda client, account, admin: _disable(client, account, admin, role="user"),
    "deletion": _leave,
    "key": _revoke_key,
}


def _kill(app: App, write: int, *, answered: bool) -> list[bool]:
    """From its ``write``-th write on the app reaches nothing; with ``answered`` that one is carried out still. What is returned gets an
    entry then."""
    dead: list[bool] = []
    writes = 0

    def before(verb: str, table: str) -> None:
        nonlocal writes
        writes += verb == "write"
        if dead or (writes == write and not answered):
            dead.append(True)
            raise StorageUnavailable("died")

    def after(verb: str, table: str) -> None:
        if writes == write and answered:
            dead.append(True)
            raise StorageUnavailable("died")

    app.tables.before, app.tables.after = before, after
    return dead


async def _ready(app: App, name: str) -> tuple[dict[str, Any], str]:
    """An administrator, if ``name`` is to have been one, with two sessions, a spent refresh token and a key; and another's token."""
    async with app.client(headers={"User-Agent": "desktop"}) as client:
        admin = (await register(client, "admin@example.com"))["access_token"]
        account = await register(client, "ada@example.com")
        if name == "role":
            await _disable(client, account, admin, role="admin")
            answer = await client.post("/api/auth/login", json={"email": "ada@example.com", "password": PASSWORD})
            account = answer.json()
        account["spent"] = account["refresh_token"]
        for _ in range(2):
            account |= {"refresh_token": (await refresh(client, account["refresh_token"])).json()["refresh_token"]}
        answer = await client.post("/api/auth/login", json={"email": "ada@example.com", "password": PASSWORD})
        account["second"] = answer.json()["access_token"]
        made = await client.post("/api/auth/keys", json={"name": "k", "scopes": ["files"]}, headers=bearer(account["access_token"]))
        account["key"] = made.json()
    return account, admin


async def _says(client: httpx.AsyncClient, account: dict[str, Any]) -> list[int]:
    sessions = [await me(client, account[name]) for name in ("access_token", "second")]
    users = await client.get("/api/auth/users", headers=bearer(account["access_token"]))
    return [answer.status_code for answer in (*sessions, users, await files(client, account["key"]["key"]))]


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", ACTS)
async def test_what_is_stored_is_what_others_say(name: str, answered: bool) -> None:
    changed = False
    for write in range(1, 30):
        first = make_app(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com")
        account, admin = await _ready(first, name)
        dying, other, late = (first.sibling(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com") for _ in range(3))
        async with dying.client(headers={"User-Agent": "desktop"}) as one, other.client() as client, late.client() as truth:
            before = await _says(client, account)
            first.clock.advance(200)  # notices of the preparation have settled
            await _says(client, account)
            dead = _kill(dying, write, answered=answered)
            await ACTS[name](one, account, admin)
            await asyncio.sleep(0)
            first.clock.advance(5)
            found = await _says(client, account)
            assert found == await _says(truth, account), f"died at write {write}"
            changed = changed or found != before
        if not dead:
            break
    else:
        raise AssertionError("it never ended")
    assert changed, "the last run revokes"
