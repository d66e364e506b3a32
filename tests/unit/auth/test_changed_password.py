"""Changed passwords: the right one is asked for, guesses are limited, and every other session ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared_code.auth import passwords
from shared_code.auth.tables import USER_KEY, USERS
from shared_code.storage.ports import Merge
from tests.unit.apps import PASSWORD, App, login, me, refresh, register
from tests.unit.auth.letters import Letters
from tests.unit.auth.password_calls import EMAIL, NEW, change, kinds


@pytest.fixture
def letters(app: App) -> Letters:
    return Letters(app)


@pytest.fixture
async def client(app: App, letters: Letters) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        yield client


async def test_a_changed_password(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    other = (await login(client, EMAIL)).json()
    wrong = await change(client, account["access_token"], "not the password")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    assert (await change(client, account["access_token"], new="short")).json()["errors"][0]["loc"] == ["body", "new_password"]
    assert (await change(client, account["access_token"])).status_code == 204
    assert (await me(client, account["access_token"])).status_code == 200
    assert (await refresh(client, account["refresh_token"])).status_code == 200
    assert (await me(client, other["access_token"])).json()["code"] == "session_ended"
    assert ((await login(client, EMAIL)).status_code, (await login(client, EMAIL, NEW)).status_code) == (401, 200)
    assert [mail.to for mail in await letters.all("password_changed")] == [EMAIL]
    assert "password_changed" in await kinds(app)


async def test_guesses_through_a_stolen_session(app: App, client: httpx.AsyncClient) -> None:
    token = (await register(client, EMAIL))["access_token"]
    guesses = await asyncio.gather(*(change(client, token, f"guess number {number}") for number in range(9)))
    assert sorted(guess.status_code for guess in guesses) == [403] * 5 + [429] * 4
    assert (await change(client, token)).status_code == 429
    app.clock.advance(900)
    renewed = (await login(client, EMAIL)).json()["access_token"]
    for number in range(7):  # the right one is no guess
        assert (
            await change(client, renewed, PASSWORD if number % 2 == 0 else NEW, NEW if number % 2 == 0 else PASSWORD)
        ).status_code == 204


async def test_parallel_changes(app: App, client: httpx.AsyncClient) -> None:
    token = (await register(client, EMAIL))["access_token"]
    answers = await asyncio.gather(*(change(client, token, new=f"password number {number}") for number in range(4)))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [204, 403, 403, 403]
    assert (await login(client, EMAIL, f"password number {statuses.index(204)}")).status_code == 200


async def test_a_rehash_meanwhile_is_no_change(app: App, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    again = await passwords.hash_password(PASSWORD)
    real = app.tables.tables.batch

    async def rehashed(*args: Any) -> Any:
        app.tables.tables.batch = real  # type: ignore[method-assign]
        await app.storage.tables.apply(USERS, account["user"]["id"], Merge(USER_KEY, {"password_hash": again}))
        return await real(*args)

    app.tables.tables.batch = rehashed  # type: ignore[method-assign]  # a sign-in comes in between
    assert (await change(client, account["access_token"])).status_code == 204
    assert (await login(client, EMAIL, NEW)).status_code == 200


async def test_an_account_without_a_password(app: App, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    await app.storage.tables.apply(USERS, account["user"]["id"], Merge(USER_KEY, {"password_hash": "", "provider": "supabase"}))
    assert (await change(client, account["access_token"])).json()["code"] == "no_password"
