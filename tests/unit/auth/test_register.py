"""Accounts: made once, whole or not at all."""

import asyncio
from typing import Any

import httpx
import pytest

from shared_code.auth.tables import EMAILS, USERS
from shared_code.errors import StorageUnavailable
from shared_code.storage.events import Event, InProcessEvents
from shared_code.storage.ports import AlreadyExists, Insert
from tests.unit.apps import PASSWORD, App, bearer, login, make_app, me, refresh, register

EMAIL = "ada@example.com"


async def rows(app: App, table: str) -> list[Any]:
    """All but the tokens of mails, which are written behind the queue."""
    await app.settled()
    return [row for row in await app.storage.tables.query(table) if not row.key.startswith("once:")]


def without_mail(app: App) -> App:
    """What a registration writes by itself."""

    async def nothing(service: str, event: Event) -> None: ...

    app.container.events = InProcessEvents(nothing)
    return app


async def post(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/api/auth/register", json={"email": EMAIL, "password": PASSWORD, **body})


async def test_a_new_account_is_signed_in(client: httpx.AsyncClient) -> None:
    response = await post(client, name="  Ada Lovelace ")
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert set(body) == {"user", "access_token", "refresh_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    user = body["user"]
    assert set(user) == {"id", "email", "name", "role", "email_verified", "mfa_enabled", "created_at"}
    assert (user["email"], user["name"], user["role"]) == (EMAIL, "Ada Lovelace", "user")
    assert (user["email_verified"], user["mfa_enabled"]) == (False, False)
    assert user["created_at"] == "2026-01-01T00:00:00.000Z"
    assert (await me(client, body["access_token"])).json() == user
    assert (await refresh(client, body["refresh_token"])).status_code == 200
    assert (await login(client, EMAIL)).status_code == 200


@pytest.mark.parametrize("again", [EMAIL, "ADA@example.com", " ada@EXAMPLE.com ", "ａda@example.com"])
async def test_an_address_is_taken_once(client: httpx.AsyncClient, again: str) -> None:
    await register(client, EMAIL)
    response = await post(client, email=again, password="another password")
    assert (response.status_code, response.json()["code"]) == (409, "email_taken")
    assert (await login(client, EMAIL)).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"email": "nonsense"}, "invalid_email"),
        ({"email": "a@b.c\r\nBcc: x@y.z"}, "invalid_email"),
        ({"email": "x" * 400 + "@b.c"}, "validation_failed"),
        ({"password": "short"}, "invalid_password"),
        ({"password": "x" * 129}, "invalid_password"),
        ({"name": "x" * 201}, "invalid_name"),
        ({"name": "Ada\r\nBcc: x"}, "invalid_name"),
        ({"name": "Ada\x00"}, "invalid_name"),
        ({"name": "a\u2028b"}, "invalid_name"),
        ({"email": None}, "validation_failed"),
        ({"password": 1234567890}, "validation_failed"),
    ],
)
async def test_refusals(app: App, client: httpx.AsyncClient, body: dict[str, Any], code: str) -> None:
    response = await post(client, **body)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.json()["errors"]
    assert PASSWORD not in response.text
    assert await rows(app, USERS) == await rows(app, EMAILS) == []


@pytest.mark.parametrize("name", [None, "", "  ", "Zoë 👩🏽‍🚀 می‌خواهم"])
async def test_names(client: httpx.AsyncClient, name: str | None) -> None:
    assert (await register(client, name=name))["user"]["name"] == ((name or "").strip() or None)


async def test_twenty_at_once_make_one_account(app: App, client: httpx.AsyncClient) -> None:
    responses = await asyncio.gather(*(post(client, email=EMAIL if n % 2 else EMAIL.upper()) for n in range(20)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 19
    winner = next(response for response in responses if response.status_code == 201).json()
    users = await rows(app, USERS)
    assert {row.partition for row in users} == {winner["user"]["id"]}, "the losers have left nothing"
    assert len(users) == 2
    assert [row.values["user_id"] for row in await rows(app, EMAILS)] == [winner["user"]["id"]]


async def test_only_hashes_are_at_rest(app: App, client: httpx.AsyncClient) -> None:
    body = await register(client, EMAIL)
    at_rest = repr(await rows(app, USERS)) + repr(await rows(app, EMAILS))
    for secret in (PASSWORD, body["refresh_token"], body["refresh_token"].rpartition(".")[2], body["access_token"]):
        assert secret not in at_rest


HARMLESS = ("audit", "userindex")
"""Tables whose failure fails no registration."""


async def writes_of_a_registration() -> int:
    app = without_mail(make_app())
    async with app.client() as client:
        await register(client, EMAIL)
    return sum(call.startswith("write") and not call.split()[1].startswith(HARMLESS) for call in app.tables.calls)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_write_leaves_nothing_harmful(when: str) -> None:
    """The process dies at the n-th write: the address can be registered, or signed in with, and nobody gets in otherwise."""
    total = await writes_of_a_registration()
    assert total == 2
    for number in range(1, total + 1):
        app = without_mail(make_app())
        count = 0

        def die(verb: str, table: str, number: int = number) -> None:
            nonlocal count
            ours = verb == "write" and not table.startswith(HARMLESS)
            count += ours
            if ours and count == number:
                raise StorageUnavailable("the process is gone")

        setattr(app.tables, when, die)
        async with app.client() as client:
            assert (await post(client)).status_code == 503
            app.tables.before = app.tables.after = lambda verb, table: None
            again = await post(client)
            if (number, when) == (total, "after"):  # the account was whole
                assert again.status_code == 409
                assert (await login(client, EMAIL)).status_code == 200
            else:
                assert again.status_code == 201
                assert (await me(client, again.json()["access_token"])).status_code == 200
                assert (await login(client, EMAIL)).json()["user"]["id"] == again.json()["user"]["id"]
        assert len(await rows(app, EMAILS)) == 1


async def test_a_write_that_meets_itself_is_a_success(app: App, client: httpx.AsyncClient) -> None:
    """A storage client repeats an insert whose answer was lost, and is told that the row exists: it is its own."""

    def repeated(verb: str, table: str) -> None:
        if (verb, table) == ("write", EMAILS):
            raise AlreadyExists

    app.tables.after = repeated
    body = await register(client, EMAIL)
    app.tables.after = lambda verb, table: None
    assert (await me(client, body["access_token"])).status_code == 200
    assert (await login(client, EMAIL)).status_code == 200


async def test_an_address_freed_between_two_looks_is_still_refused(app: App, client: httpx.AsyncClient) -> None:
    """The insert decided: whoever lost it is told so, and leaves nothing."""

    def lose(verb: str, table: str) -> None:
        if (verb, table) == ("write", EMAILS):
            raise AlreadyExists

    app.tables.before = lose
    assert (await post(client)).json()["code"] == "email_taken"
    assert await rows(app, USERS) == []


async def test_the_nightly_purge(app: App, client: httpx.AsyncClient) -> None:
    """Accounts that were cut off and expired sessions go; what is in use stays."""
    await register(client, EMAIL)
    await app.storage.tables.apply(USERS, "cut-off", Insert("user", (await rows(app, USERS))[1].values))
    other = await register(client, "bob@example.com")
    await app.container.auth_purge.run()
    assert len(await rows(app, USERS)) == 5, "a registration may be under way for an hour"
    app.clock.advance(3601)
    assert (await app.container.auth_purge.run()).items() >= {"sessions": 0, "accounts": 1}.items()
    app.clock.advance(29 * 86400)
    renewed = (await refresh(client, other["refresh_token"])).json()
    app.clock.advance(86400)
    job = next(f for f in app.functions.get_functions() if f.get_function_name() == "auth_purge")
    await job.get_user_function()(None)
    keys = [row.key.partition(":")[0] for row in await rows(app, USERS)]
    assert sorted(keys) == ["session", "user", "user"]
    assert (await me(client, renewed["access_token"])).status_code == 401, "it has expired, its session has not"
    assert (await refresh(client, renewed["refresh_token"])).status_code == 200
    assert (await app.container.auth_purge.run()).items() >= {"sessions": 0, "accounts": 0}.items()


async def test_the_purge_leaves_what_changes_meanwhile(app: App, client: httpx.AsyncClient) -> None:
    from shared_code.storage.ports import EtagMismatch

    await register(client, EMAIL)
    app.clock.advance(31 * 86400)

    def used(verb: str, table: str) -> None:
        if verb == "write":
            raise EtagMismatch

    app.tables.before = used
    assert (await app.container.auth_purge.run()).items() >= {"sessions": 0, "accounts": 0}.items()


async def test_the_profile(client: httpx.AsyncClient) -> None:
    body = await register(client, EMAIL, name="Ada")
    headers = bearer(body["access_token"])

    async def patch(change: Any) -> httpx.Response:
        return await client.patch("/api/auth/me", json=change, headers=headers)

    assert (await patch({"name": "Countess"})).json()["name"] == "Countess"
    assert (await patch({})).json()["name"] == "Countess", "what is not given is not changed"
    assert (await patch({"role": "admin", "email": "x@y.z", "email_verified": True})).json() == {**body["user"], "name": "Countess"}
    assert (await patch({"name": "x" * 201})).status_code == 422
    assert (await patch({"name": None})).json()["name"] is None
    assert (await me(client, body["access_token"])).json() == {**body["user"], "name": None}


async def test_an_account_that_is_gone(app: App, client: httpx.AsyncClient) -> None:
    from shared_code.storage.ports import Delete, Missing

    body = await register(client, EMAIL)
    headers = bearer(body["access_token"])

    def gone(verb: str, table: str) -> None:
        if verb == "write":
            raise Missing

    app.tables.before = gone
    assert (await client.patch("/api/auth/me", json={"name": "x"}, headers=headers)).status_code == 401
    app.tables.before = lambda verb, table: None
    await app.storage.tables.apply(USERS, body["user"]["id"], Delete("user"))
    for response in (await me(client, body["access_token"]), await client.patch("/api/auth/me", json={"name": "x"}, headers=headers)):
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    assert (await login(client, EMAIL)).status_code == 401
    assert (await refresh(client, body["refresh_token"])).status_code == 401


@pytest.mark.parametrize(
    ("environment", "verified", "role"),
    [
        ("local", False, "admin"),
        ("local", True, "admin"),
        ("test", False, "user"),
        ("test", True, "admin"),
        ("production", False, "user"),
        ("production", True, "admin"),
    ],
)
async def test_admin_emails(environment: str, verified: bool, role: str) -> None:
    from shared_code.storage.ports import Merge

    production = {"PUBLIC_BASE_URL": "https://a.example", "AZURE_STORAGE_ACCOUNT_URL": "https://a.blob.core.windows.net"}
    app = make_app(ENVIRONMENT=environment, ADMIN_EMAILS="other@example.com, ADA@Example.com", **production)
    async with app.client() as client:
        user = (await register(client, EMAIL))["user"]
        bob = (await register(client, "bob@example.com"))["user"]
        for account in (user, bob):
            await app.storage.tables.apply(USERS, account["id"], Merge("user", {"email_verified": verified}))
        signed_in = (await login(client, EMAIL)).json()
        assert signed_in["user"]["role"] == role
        assert (await me(client, signed_in["access_token"])).json()["role"] == role
        assert (await client.get("/api/files/stats?scope=all", headers=bearer(signed_in["access_token"]))).status_code == (
            200 if role == "admin" else 403
        )
        assert (await login(client, "bob@example.com")).json()["user"]["role"] == "user"


async def test_a_stored_admin_is_one(app: App, client: httpx.AsyncClient) -> None:
    from shared_code.storage.ports import Merge

    user = (await register(client, EMAIL))["user"]
    await app.storage.tables.apply(USERS, user["id"], Merge("user", {"role": "admin"}))
    assert (await login(client, EMAIL)).json()["user"]["role"] == "admin"
