"""Refresh tokens: rotated on every use, retried within ten seconds, and ended by reuse."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared_code.auth.refresh import parse
from shared_code.auth.tables import USERS
from shared_code.storage.ports import EtagMismatch, Missing
from tests.unit.apps import DESKTOP, App, login, me, refresh, register

EMAIL = "ada@example.com"
DAY = 86400


@pytest.fixture
async def client(app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client(headers=DESKTOP) as client:
        yield client


@pytest.fixture
async def account(client: httpx.AsyncClient) -> dict[str, Any]:
    return await register(client, EMAIL)


async def rotated(client: httpx.AsyncClient, token: str) -> dict[str, Any]:
    response = await refresh(client, token)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def assert_refused(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["code"]) == (401, "invalid_refresh_token")


async def test_each_use_gives_another(client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    seen, token = {account["refresh_token"]}, account["refresh_token"]
    for _ in range(5):
        body = await rotated(client, token)
        assert set(body) == set(account)
        assert body["user"] == account["user"]
        token = body["refresh_token"]
        assert token not in seen
        seen.add(token)
        assert (await me(client, body["access_token"])).status_code == 200
    assert (await me(client, account["access_token"])).status_code == 200, "an access token lives its fifteen minutes"


async def test_only_hashes_are_at_rest(app: App, client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    tokens = [account["refresh_token"]]
    for _ in range(2):
        tokens.append((await rotated(client, tokens[-1]))["refresh_token"])
    at_rest = repr(await app.storage.tables.query(USERS))
    assert not [token for token in tokens if token.rpartition(".")[2] in at_rest]


@pytest.mark.parametrize("seconds", [0, 9.9, 10])
async def test_a_retry_gets_the_same_successor(app: App, client: httpx.AsyncClient, account: dict[str, Any], seconds: float) -> None:
    first = await rotated(client, account["refresh_token"])
    app.clock.advance(seconds)
    again = await rotated(client, account["refresh_token"])
    assert again["refresh_token"] == first["refresh_token"]
    assert (await rotated(client, first["refresh_token"]))["refresh_token"] != first["refresh_token"]


async def test_two_tabs_at_once_get_the_same_successor(client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    bodies = await asyncio.gather(*(rotated(client, account["refresh_token"]) for _ in range(10)))
    assert len({body["refresh_token"] for body in bodies}) == 1
    assert len({body["access_token"] for body in bodies}) == 10
    assert (await refresh(client, bodies[0]["refresh_token"])).status_code == 200


async def test_two_tabs_at_two_instances(app: App, account: dict[str, Any]) -> None:
    """Both read the same row; the loser of the ETag finds the winner's successor."""
    one, other = app.sibling(), app.sibling()
    meet = asyncio.Barrier(2)
    for instance in (one, other):
        tables, real = instance.tables, instance.tables.apply

        async def together(*args: Any, real: Any = real) -> str:
            if not meet.broken and meet.n_waiting < 2:
                async with asyncio.timeout(5):
                    await meet.wait()
            written: str = await real(*args)
            return written

        tables.apply = together  # type: ignore[method-assign]  # so that both have read before one writes
    async with one.client() as first, other.client() as second:
        bodies = await asyncio.gather(rotated(first, account["refresh_token"]), rotated(second, account["refresh_token"]))
    assert bodies[0]["refresh_token"] == bodies[1]["refresh_token"]


async def assert_ended(client: httpx.AsyncClient, *access_tokens: str) -> None:
    for token in access_tokens:
        response = await me(client, token)
        assert (response.status_code, response.json()["code"]) == (401, "session_ended")


async def test_reuse_after_ten_seconds_ends_the_session_at_once(app: App, client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    body = await rotated(client, account["refresh_token"])
    other = (await login(client, EMAIL)).json()
    app.clock.advance(10.001)
    assert (await me(client, body["access_token"])).status_code == 200
    assert_refused(await refresh(client, account["refresh_token"]))
    await assert_ended(client, body["access_token"], account["access_token"])
    assert_refused(await refresh(client, body["refresh_token"]))
    assert (await me(client, other["access_token"])).status_code == 200, "another device is another session"


async def test_another_client_is_no_retry(client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    body = await rotated(client, account["refresh_token"])
    assert_refused(await refresh(client, account["refresh_token"], user_agent="a thief"))
    await assert_ended(client, body["access_token"])


async def test_a_retry_after_the_successor_was_used_is_reuse(client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    body = await rotated(client, account["refresh_token"])
    newest = await rotated(client, body["refresh_token"])
    assert_refused(await refresh(client, account["refresh_token"]))
    await assert_ended(client, newest["access_token"])


async def test_a_browser_that_was_updated_may_go_on(client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    """A token that was never used may be used by whoever has it; the next retry is by its new client."""
    assert (await refresh(client, account["refresh_token"], user_agent="desktop 2")).status_code == 200
    assert (await refresh(client, account["refresh_token"], user_agent="desktop 2")).status_code == 200
    assert_refused(await refresh(client, account["refresh_token"]))


async def test_other_instances_notice_within_five_seconds(app: App, client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    other = app.sibling(SERVICES="files")
    async with other.client() as elsewhere:
        token = account["access_token"]

        async def status() -> int:
            response = await elsewhere.get("/api/files", headers={"Authorization": f"Bearer {token}"})
            return response.status_code

        assert await status() == 200
        await client.post("/api/auth/logout", headers={"Authorization": f"Bearer {token}"})
        app.clock.advance(4.9)
        assert await status() == 200
        app.clock.advance(0.1)
        assert await status() == 401


async def test_thirty_days(app: App, client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    app.clock.advance(30 * DAY - 1)
    body = await rotated(client, account["refresh_token"])
    app.clock.advance(30 * DAY - 1)
    body = await rotated(client, body["refresh_token"])
    app.clock.advance(30 * DAY)
    assert_refused(await refresh(client, body["refresh_token"]))
    await app.container.auth_purge.run()
    assert_refused(await refresh(client, body["refresh_token"]))


@pytest.mark.parametrize(
    "token",
    ["", "x", "lyr_", "lyr_..", "Bearer x", "lyd_key", "lyr_" + "0" * 26 + "." + "0" * 26 + "." + "A" * 43,
     "lyr_" + "0" * 26 + "." + "0" * 26 + "." + "A" * 44,
     "lyr_../../users." + "0" * 26 + "." + "A" * 43, "\x00", "x" * 100_000],
)  # fmt: skip
async def test_what_is_no_token(client: httpx.AsyncClient, token: str) -> None:
    assert_refused(await refresh(client, token))


async def test_a_token_of_another_user_or_session_is_worth_nothing(client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    other = await register(client)
    one, two = parse(account["refresh_token"]), parse(other["refresh_token"])
    assert one
    assert two
    for user, session, secret in [(two.user_id, one.session_id, one.secret), (one.user_id, two.session_id, one.secret)]:
        assert_refused(await refresh(client, f"lyr_{user}.{session}.{secret}"))
    assert (await me(client, account["access_token"])).status_code == 200
    assert (await me(client, other["access_token"])).status_code == 200


async def test_wrong_shapes(client: httpx.AsyncClient) -> None:
    for body in ({}, {"refresh_token": None}, {"refresh_token": 7}):
        assert (await client.post("/api/auth/refresh", json=body)).status_code == 422


async def test_contention_that_cannot_be_won_is_busy(app: App, client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    def lose(verb: str, table: str) -> None:
        if verb == "write":
            raise EtagMismatch

    app.tables.before = lose
    response = await refresh(client, account["refresh_token"])
    assert (response.status_code, response.json()["code"], response.headers["retry-after"]) == (503, "busy", "1")


async def test_a_session_that_ends_meanwhile(app: App, client: httpx.AsyncClient, account: dict[str, Any]) -> None:
    def gone(verb: str, table: str) -> None:
        if verb == "write":
            raise Missing

    app.tables.before = gone
    assert_refused(await refresh(client, account["refresh_token"]))
