"""The list of signed-in devices, and signing them out."""

import asyncio
import random
from typing import Any

import httpx
import pytest

from shared_code.auth.models import Client
from shared_code.auth.sessions import Change
from shared_code.auth.tables import USER_KEY, USERS
from shared_code.errors import Busy
from shared_code.storage.ports import Merge, Missing
from tests.unit.apps import App, bearer, login, me, refresh, register, start_session

EMAIL = "ada@example.com"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


async def listed(client: httpx.AsyncClient, token: str, query: str = "") -> dict[str, Any]:
    answer = await client.get(f"/api/auth/sessions{query}", headers=bearer(token))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def end(client: httpx.AsyncClient, token: str, session_id: str = "") -> httpx.Response:
    return await client.delete(f"/api/auth/sessions/{session_id}".rstrip("/"), headers=bearer(token))


async def test_the_list(app: App, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    app.clock.advance(60)
    async with app.client(address="198.51.100.7") as phone:
        second = (await login(phone, EMAIL, **{"User-Agent": FIREFOX})).json()
    found = await listed(client, second["access_token"])
    newest, oldest = found["items"]
    assert found["next_cursor"] is None
    assert {name: newest[name] for name in newest if name != "id"} == {
        "user_agent": FIREFOX,
        "device": "Firefox on Linux",
        "address": "198.51.100.7",
        "created_at": "2026-01-01T00:01:00.000Z",
        "last_used_at": "2026-01-01T00:01:00.000Z",
        "current": True,
    }
    assert (oldest["current"], oldest["created_at"]) == (False, "2026-01-01T00:00:00.000Z")
    app.clock.advance(60)
    await refresh(client, account["refresh_token"])
    assert (await listed(client, second["access_token"]))["items"][1]["last_used_at"] == "2026-01-01T00:02:00.000Z"


async def test_pages(app: App, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    token, user_id = account["access_token"], account["user"]["id"]
    bob = (await register(client, "bob@example.com"))["access_token"]
    for _ in range(4):
        app.clock.advance(1)
        await start_session(app.container.sessions, user_id, Client("x", "192.0.2.9"))
    seen, cursor = [], ""
    for _ in range(3):
        page = await listed(client, token, f"?limit=2{cursor}")
        seen += [item["id"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 5
    first = (await listed(client, token, "?limit=2"))["next_cursor"]
    for stranger, query in ((bob, first), (token, "nonsense"), (token, first[:-2])):
        answer = await client.get(f"/api/auth/sessions?cursor={query}", headers=bearer(stranger))
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
    assert (await client.get("/api/auth/sessions?limit=101", headers=bearer(token))).status_code == 422


async def test_expired_ones_are_not_listed(app: App, client: httpx.AsyncClient) -> None:
    user_id = (await register(client, EMAIL))["user"]["id"]
    old, _ = await start_session(app.container.sessions, user_id, Client("x", "192.0.2.9"))
    app.clock.advance(30 * 86400)
    token = (await login(client, EMAIL)).json()["access_token"]
    assert [item["current"] for item in (await listed(client, token, "?limit=1"))["items"]] == [True]
    assert (await listed(client, token, "?limit=1"))["next_cursor"] is None
    assert (await end(client, token, old.id)).json()["code"] == "session_not_found"


async def test_one_is_ended(client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    other = (await login(client, EMAIL)).json()
    bob = await register(client, "bob@example.com")
    newest = (await listed(client, account["access_token"]))["items"][0]["id"]
    for stranger, session_id in ((bob["access_token"], newest), (account["access_token"], "nonsense"), (account["access_token"], "0" * 26)):
        answer = await end(client, stranger, session_id)
        assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
    assert (await end(client, account["access_token"], newest)).status_code == 204
    assert (await me(client, other["access_token"])).json()["code"] == "session_ended"
    assert (await refresh(client, other["refresh_token"])).status_code == 401
    assert (await end(client, account["access_token"], newest)).status_code == 404
    assert len((await listed(client, account["access_token"]))["items"]) == 1


async def test_all_others_are_ended(app: App, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    others = [(await login(client, EMAIL)).json() for _ in range(3)]
    bob = await register(client, "bob@example.com")
    assert (await end(client, account["access_token"])).status_code == 204
    assert (await end(client, account["access_token"])).status_code == 204, "also when there is none"
    for other in others:
        assert (await me(client, other["access_token"])).status_code == 401
    for kept in (account, bob):
        assert (await me(client, kept["access_token"])).status_code == 200
    assert len((await listed(client, account["access_token"]))["items"]) == 1


async def test_no_key_manages_sessions(client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    made = await client.post("/api/auth/keys", json={"name": "CI", "scopes": ["files"]}, headers=bearer(account["access_token"]))
    key = made.json()["key"]
    for method, path in (("GET", ""), ("DELETE", ""), ("DELETE", f"/{'0' * 26}")):
        answer = await client.request(method, f"/api/auth/sessions{path}", headers=bearer(key))
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert (await client.request(method, f"/api/auth/sessions{path}")).status_code == 401


async def test_a_sign_in_that_races_is_ended_too(app: App, client: httpx.AsyncClient) -> None:
    """Its batch writes the user's row, so that the end of all sessions meets it and begins again."""
    account = await register(client, EMAIL)
    sessions, user_id = app.container.sessions, account["user"]["id"]
    real, raced = app.tables.tables.batch, []

    async def batch(table: str, partition: str, operations: Any) -> Any:
        if table == USERS and not raced and not any(key.startswith("session:") for key in inserted(operations)):
            raced.append(True)
            raced.append((await login(client, EMAIL)).json()["access_token"])
        return await real(table, partition, operations)

    app.tables.tables.batch = batch  # type: ignore[method-assign]  # a sign-in comes in at the worst moment
    ended = await sessions.end_all(user_id, change=lambda user, rows: Change({"disabled": False}))
    assert (len(raced), ended) == (2, 2)
    assert (await me(client, raced[1])).status_code == 401


def inserted(operations: Any) -> list[str]:
    from shared_code.storage.ports import Insert

    return [operation.key for operation in operations if isinstance(operation, Insert)]


async def test_an_account_that_never_stands_still(app: App, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: 0)
    account = await register(client, EMAIL)
    user_id = account["user"]["id"]
    real = app.tables.tables.query

    async def query(*args: Any, **options: Any) -> Any:
        await app.storage.tables.apply(USERS, user_id, Merge(USER_KEY, {"name": "again"}))
        return await real(*args, **options)

    app.tables.tables.query = query  # type: ignore[method-assign]
    with pytest.raises(Busy):
        await app.container.sessions.end_all(user_id, change=lambda user, rows: Change({"disabled": True}))
    app.tables.tables.query = real  # type: ignore[method-assign]
    assert (await me(client, account["access_token"])).status_code == 200
    with pytest.raises(Missing):
        await app.container.sessions.end_all("nobody")


async def test_ends_that_meet(app: App, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    user_id, sessions = account["user"]["id"], app.container.sessions
    for _ in range(20):
        await start_session(sessions, user_id, Client("x", "192.0.2.9"))
    ends = await asyncio.gather(*(sessions.end_all(user_id, change=lambda user, rows: Change({"name": "x"})) for _ in range(5)))
    assert sum(ends) >= 21
    assert not await sessions.page(user_id, after=None, limit=10)
