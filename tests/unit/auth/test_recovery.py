"""Forgotten and changed passwords: a link works once, and whoever was signed in by the old password is not any more."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from shared_code.auth.models import Client
from shared_code.auth.tables import USER_KEY, USERS
from shared_code.errors import StorageUnavailable
from shared_code.storage.ports import EtagMismatch, Insert, Merge
from tests.unit.apps import PASSWORD, App, bearer, login, make_app, me, refresh, register, start_session
from tests.unit.auth.letters import Letters
from tests.unit.auth.password_calls import EMAIL, NEW, change, forgot, keys, kinds, reset


@pytest.fixture
def letters(app: App) -> Letters:
    return Letters(app)


@pytest.fixture
async def client(app: App, letters: Letters) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        yield client


async def test_a_forgotten_password(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL, name="Ada")
    other = (await login(client, EMAIL)).json()
    assert (await forgot(client, " ADA@example.com ")).status_code == 202
    (mail,) = await letters.all("reset_password")
    assert (mail.to, mail.name) == (EMAIL, None), "who has chosen the name is not known yet"
    token = await letters.token("reset_password")
    assert mail.values["link"] == f"http://lydian.test/auth/reset-password?token={token}"
    answer = await reset(client, token)
    assert (answer.status_code, answer.content) == (204, b"")
    for signed_in in (account, other):
        assert (await me(client, signed_in["access_token"])).json()["code"] == "session_ended"
        assert (await refresh(client, signed_in["refresh_token"])).status_code == 401
    assert (await login(client, EMAIL)).status_code == 401
    again = (await login(client, EMAIL, NEW)).json()
    assert again["user"]["email_verified"], "the mail has proved it"
    (told,) = await letters.all("password_changed")
    assert (told.to, told.values["address"], told.values["time"]) == (EMAIL, "192.0.2.1", "2026-01-01T00:00:00.000Z")
    assert told.name == "Ada"
    assert {"password_reset_requested", "password_reset"} <= set(await kinds(app))
    used = await reset(client, token)
    assert (used.status_code, used.json()["code"]) == (400, "invalid_token")


@pytest.mark.parametrize("email", ["nobody@example.com", "nonsense", "", "x" * 100_000 + "@example.com", "a@b.c\r\nBcc: x@y.z"])
async def test_no_answer_tells_who_has_an_account(app: App, letters: Letters, client: httpx.AsyncClient, email: str) -> None:
    await register(client, EMAIL)
    await app.settled()
    answers = []
    for asked in (EMAIL, email):
        answers.append(await forgot(client, asked))
        await app.settled()
    first, second = answers
    assert (first.status_code, first.content) == (second.status_code, second.content) == (202, b'{"status":"accepted"}')
    assert len(await letters.all("reset_password")) == 1


async def test_the_request_looks_nothing_up(app: App, client: httpx.AsyncClient) -> None:
    """The same storage calls, whoever is asked for: none reads an account."""
    await register(client, EMAIL)
    await app.settled()
    seen = []
    app.container.events.send = nowhere(app)  # type: ignore[method-assign]  # what happens behind the queue is not the request's
    for email in (EMAIL, "nobody@example.com"):
        app.tables.calls.clear()
        assert (await forgot(client, email)).status_code == 202
        seen.append(list(app.tables.calls))
    assert seen[0] == seen[1]
    assert not [call for call in seen[0] if call.endswith((" users", " emails"))]


def nowhere(app: App) -> Any:
    async def send(service: str, event: Any, *, delay: int = 0) -> None: ...

    return send


async def test_five_mails_an_hour(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    for email in (EMAIL, EMAIL.upper()) * 4:
        assert (await forgot(client, email)).status_code == 202
    assert len(await letters.all("reset_password")) == 5
    app.clock.advance(3601)
    await forgot(client)
    assert len(await letters.all("reset_password")) == 6


async def test_a_network_address_has_its_limit() -> None:
    app = make_app(AUTH_REGISTER_ADDRESS="3/3600")
    letters = Letters(app)
    async with app.client() as client, app.client(address="198.51.100.7") as elsewhere:
        for number in range(2):
            await register(client, f"user{number}@example.com")
        for number in range(5):
            assert (await forgot(client, f"user{number % 2}@example.com")).status_code == 202
        assert len(await letters.all("reset_password")) == 3
        await forgot(elsewhere, "user0@example.com")
    assert len(await letters.all("reset_password")) == 4


async def test_a_forged_host_leads_nowhere() -> None:
    production = {
        "ENVIRONMENT": "production",
        "PUBLIC_BASE_URL": "https://api.contoso.com/",
        "AZURE_STORAGE_ACCOUNT_URL": "https://a.blob.core.windows.net",
    }
    app = make_app(**production)
    sent: list[Any] = []

    async def send(service: str, event: Any, *, delay: int = 0) -> None:
        sent.append(event)

    app.container.events.send = send  # type: ignore[method-assign]  # there is a queue, and nobody at it
    async with app.client() as client:
        answer = await forgot(client, EMAIL, Host="evil.example", **{"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"})
        assert answer.status_code == 202
    assert [event["links"] for event in sent] == ["https://api.contoso.com/auth"]
    assert "evil" not in repr(sent)


async def test_pages_of_ones_own() -> None:
    app = make_app(MAIL_LINKS_URL="https://www.contoso.com/account/")
    letters = Letters(app)
    async with app.client() as client:
        await register(client, EMAIL)
        await forgot(client)
    for template, page in (("verify_email", "verify-email"), ("reset_password", "reset-password")):
        parts = urlsplit(await letters.link(template))
        assert (parts.scheme, parts.netloc, parts.path) == ("https", "www.contoso.com", f"/account/{page}")


async def test_nobody_is_mailed_for_an_account_that_cannot_sign_in_here(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    user = (await register(client, EMAIL))["user"]
    await forgot(client)
    token = await letters.token("reset_password")
    await app.storage.tables.apply(USERS, user["id"], Merge(USER_KEY, {"disabled": True}))
    await forgot(client)
    assert len(await letters.all("reset_password")) == 1
    assert (await reset(client, token)).json()["code"] == "invalid_token"


async def test_what_is_no_token(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    await forgot(client)
    token = await letters.token("reset_password")
    user_id, token_id, secret = token.split(".")
    verification = await letters.token("verify_email")
    made_up = [
        "",
        "x",
        token + "x",
        token.upper(),
        f"{user_id}.{token_id}.{'A' * 43}",
        f"{token_id}.{user_id}.{secret}",
        f"{token_id}.{secret}",
        f"{'z' * 26}.{secret}",
        verification,
        "\x00" * 30,
    ]
    for wrong in made_up:
        answer = await reset(client, wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_token"), wrong
    for wrong in [token, *made_up[:-2]]:
        answer = await client.post("/api/auth/verify-email", json={"token": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_token"), wrong
    assert (await reset(client, token, "short")).json()["code"] == "invalid_password", "which does not use it up"
    assert (await reset(client, token)).status_code == 204


async def test_an_hour(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    for seconds, status in ((3599, 204), (3600, 400)):
        await forgot(client)
        token = await letters.token("reset_password")
        app.clock.advance(seconds)
        assert (await reset(client, token)).status_code == status


async def test_one_of_twenty_at_once(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    await forgot(client)
    token = await letters.token("reset_password")
    answers = await asyncio.gather(*(reset(client, token, f"password number {number}") for number in range(20)))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [204] + [400] * 19
    assert (await login(client, EMAIL, f"password number {statuses.index(204)}")).status_code == 200


async def test_other_links_die(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    await forgot(client)
    first = await letters.token("reset_password")
    await forgot(client)
    assert (await reset(client, await letters.token("reset_password"))).status_code == 204
    assert (await reset(client, first)).status_code == 400
    assert not [key for key in await keys(app, account["user"]) if key.startswith("once:reset")]
    await forgot(client)
    signed_in = (await login(client, EMAIL, NEW)).json()
    assert (await change(client, signed_in["access_token"], NEW, PASSWORD)).status_code == 204
    assert (await reset(client, await letters.token("reset_password"))).status_code == 400


async def test_only_a_hash_of_a_token_is_at_rest(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    await forgot(client)
    at_rest = repr(await app.storage.tables.query(USERS)) + repr(await app.storage.tables.query("audit20260101"))
    for template in ("reset_password", "verify_email"):
        assert (await letters.token(template)).rpartition(".")[2] not in at_rest


@pytest.mark.parametrize("verified", [False, True])
async def test_an_account_that_somebody_else_set_up(app: App, letters: Letters, client: httpx.AsyncClient, verified: bool) -> None:
    """Who sets the first password that a mail has proved closes the doors that were left open; a factor that may be the owner's,
    since the address was verified, stays. Later resets take nothing away."""
    account = await register(client, EMAIL)
    made = await client.post("/api/auth/keys", json={"name": "mine", "scopes": ["files"]}, headers=bearer(account["access_token"]))
    await app.storage.tables.apply(USERS, account["user"]["id"], Insert("mfa", {"v": 1}))
    await app.storage.tables.apply(USERS, account["user"]["id"], Merge(USER_KEY, {"mfa_enabled": True, "email_verified": verified}))
    await forgot(client)
    assert (await reset(client, await letters.token("reset_password"))).status_code == 204
    app.clock.advance(5)
    assert (await client.get("/api/files", headers=bearer(made.json()["key"]))).status_code == 401
    assert ("mfa" in await keys(app, account["user"])) is verified
    assert (await app.container.accounts.profile(account["user"]["id"])).mfa_enabled is verified


async def test_a_reset_of_a_proved_password_leaves_keys_alone(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    await app.storage.tables.apply(USERS, account["user"]["id"], Merge(USER_KEY, {"email_verified": True, "password_proved": True}))
    made = await client.post("/api/auth/keys", json={"name": "mine", "scopes": ["files"]}, headers=bearer(account["access_token"]))
    await forgot(client)
    assert (await reset(client, await letters.token("reset_password"))).status_code == 204
    app.clock.advance(5)
    assert (await client.get("/api/files", headers=bearer(made.json()["key"]))).status_code == 200


async def test_hundreds_of_sessions(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    for _ in range(250):
        await start_session(app.container.sessions, account["user"]["id"], Client("x", "192.0.2.9"))
    await forgot(client)
    assert (await reset(client, await letters.token("reset_password"))).status_code == 204
    assert not [key for key in await keys(app, account["user"]) if key.startswith("session:")]


async def test_a_crash_at_any_write_of_a_reset() -> None:
    """The old password with all or fewer of its sessions, or the new one with none; and the link works until it has worked."""
    for number in (1, 2, 3):
        for when in ("before", "after"):
            app = make_app()
            letters = Letters(app)
            async with app.client() as client:
                account = await register(client, EMAIL)
                for _ in range(200):
                    await start_session(app.container.sessions, account["user"]["id"], Client("x", "192.0.2.9"))
                await forgot(client)
                token = await letters.token("reset_password")
                count = 0

                def die(verb: str, table: str, number: int = number) -> None:
                    nonlocal count
                    count += (verb, table) == ("write", USERS)
                    if (verb, table) == ("write", USERS) and count == number:
                        raise StorageUnavailable("the process is gone")

                setattr(app.tables, when, die)
                assert (await reset(client, token)).status_code == 503
                app.tables.before = app.tables.after = lambda verb, table: None
                done = (number, when) == (3, "after")
                assert (await login(client, EMAIL, NEW)).status_code == (200 if done else 401)
                assert (await reset(client, token)).status_code == (400 if done else 204)
                assert (await login(client, EMAIL, NEW)).status_code == 200


async def test_a_write_that_meets_itself_is_a_success(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    """The storage client repeats the batch after a lost answer, and is told that the row has changed: by itself."""
    await register(client, EMAIL)
    await forgot(client)
    token = await letters.token("reset_password")

    def repeated(verb: str, table: str) -> None:
        if (verb, table) == ("write", USERS):
            app.tables.after = lambda verb, table: None
            raise EtagMismatch

    app.tables.after = repeated
    assert (await reset(client, token)).status_code == 204
    assert (await login(client, EMAIL, NEW)).status_code == 200


async def test_who_was_locked_out_is_let_in(letters: Letters, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    for number in range(5):
        assert (await login(client, EMAIL, f"guess number {number}")).status_code == 401
    assert (await login(client, EMAIL)).status_code == 429
    await forgot(client)
    assert (await reset(client, await letters.token("reset_password"))).status_code == 204
    assert (await login(client, EMAIL, NEW)).status_code == 200


async def test_an_event_that_comes_twice_is_one_mail(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    event = {"kind": "forgot_password", "id": "e1", "email": EMAIL, "links": "https://x.example", "address": "192.0.2.1"}
    await asyncio.gather(*(app.container.auth_events.handle(event) for _ in range(3)))
    assert len(await letters.all("reset_password")) == 1
    assert (await reset(client, await letters.token("reset_password"))).status_code == 204
    with pytest.raises(ValueError, match="knows no event"):
        await app.container.auth_events.handle({"kind": "surprise"})
