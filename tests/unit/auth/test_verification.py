"""Verified addresses, and accounts that begin with one: what the mail's owner confirms counts, and nobody else learns anything."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from shared_code import ids
from shared_code.auth.tables import EMAIL_KEY, EMAILS, USER_KEY, USERS
from shared_code.errors import StorageUnavailable
from shared_code.storage.ports import Merge
from tests.unit.apps import PASSWORD, App, bearer, login, make_app, me, register
from tests.unit.auth.letters import Letters

EMAIL = "ada@example.com"
PENDING = re.compile(r"registrations\d{8}")


@pytest.fixture
def strict() -> App:
    return make_app(AUTH_REQUIRE_VERIFIED_EMAIL="true")


async def verify(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/auth/verify-email", json={"token": token})


async def ask(client: httpx.AsyncClient, token: str | None = None, **body: Any) -> httpx.Response:
    return await client.post("/api/auth/verify-email/request", json=body or None, headers=bearer(token) if token else {})


async def enlist(client: httpx.AsyncClient, email: str = EMAIL, password: str = PASSWORD, **body: Any) -> httpx.Response:
    answer = await client.post("/api/auth/register", json={"email": email, "password": password, **body})
    assert (answer.status_code, answer.json()) == (202, {"status": "verification_required"}), answer.text
    return answer


async def users(app: App) -> list[Any]:
    await app.settled()
    return [row for row in await app.storage.tables.query(USERS) if row.key == USER_KEY]


async def test_an_account_verifies_its_address(app: App, client: httpx.AsyncClient) -> None:
    letters = Letters(app)
    account = await register(client, EMAIL, name="Buy at evil.example")
    (mail,) = await letters.all("verify_email")
    assert (mail.to, mail.name) == (EMAIL, None), "an unverified person's words go to nobody"
    token = await letters.token("verify_email")
    answer = await verify(client, token)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == {**account["user"], "email_verified": True}
    assert (await me(client, account["access_token"])).json() == answer.json()
    again = await verify(client, token)
    assert (again.status_code, again.json()["code"]) == (400, "invalid_token")


async def test_a_link_works_once_of_twenty_at_once(app: App, client: httpx.AsyncClient) -> None:
    letters = Letters(app)
    await register(client, EMAIL)
    token = await letters.token("verify_email")
    answers = await asyncio.gather(*(verify(client, token) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19


@pytest.mark.parametrize(("seconds", "status"), [(86_399, 200), (86_400, 400)])
@pytest.mark.parametrize("strictly", [False, True])
async def test_a_day(app: App, strict: App, strictly: bool, seconds: int, status: int) -> None:
    chosen = strict if strictly else app
    letters = Letters(chosen)
    async with chosen.client() as client:
        await client.post("/api/auth/register", json={"email": EMAIL, "password": PASSWORD})
        token = await letters.token("verify_email")
        chosen.clock.advance(seconds)
        assert (await verify(client, token)).status_code == status


async def test_another_mail(app: App, client: httpx.AsyncClient) -> None:
    letters = Letters(app)
    account = await register(client, EMAIL)
    assert (await ask(client)).status_code == 401
    assert (await ask(client, "nonsense", email=EMAIL)).status_code == 401
    answers = [await ask(client, account["access_token"]), await ask(client, email=EMAIL), await ask(client, email="nobody@example.com")]
    answers.append(await ask(client, email="nonsense"))
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b'{"status":"accepted"}')}
    assert [mail.to for mail in await letters.all("verify_email")] == [EMAIL] * 3, "with the registration's"
    assert (await verify(client, await letters.token("verify_email"))).status_code == 200
    for answer in (await ask(client, account["access_token"]), await ask(client, email=EMAIL)):
        assert answer.status_code == 202
    assert len(await letters.all("verify_email")) == 3, "there is nothing to verify"


async def test_an_api_key_asks_for_no_mail(app: App, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    made = await client.post("/api/auth/keys", json={"name": "CI", "scopes": ["files"]}, headers=bearer(account["access_token"]))
    assert (await ask(client, made.json()["key"])).json()["code"] == "insufficient_scope"


async def test_few_mails_an_hour(app: App, client: httpx.AsyncClient) -> None:
    letters = Letters(app)
    account = await register(client, EMAIL)
    for _ in range(4):
        for answer in (await ask(client, account["access_token"]), await ask(client, email=EMAIL)):
            assert answer.status_code == 202
    assert len(await letters.all("verify_email")) == 6, "with the registration's"


@pytest.mark.parametrize("failing", ["send", "hang"])
async def test_a_registration_does_without_its_mail(app: App, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_code.auth.registration.ASKING", 0.01)

    async def send(service: str, event: Any, *, delay: int = 0) -> None:
        if failing == "hang":
            await asyncio.Event().wait()
        raise StorageUnavailable("the queue is gone")

    app.container.events.send = send  # type: ignore[method-assign]
    async with app.client() as client:
        account = await register(client, EMAIL)
        assert (await me(client, account["access_token"])).status_code == 200


# --- AUTH_REQUIRE_VERIFIED_EMAIL ---------------------------------------------------------------------------------------


async def test_the_link_makes_the_account(strict: App) -> None:
    letters = Letters(strict)
    async with strict.client() as client:
        answer = await enlist(client, " Ada@Example.com ", name=" Ada ")
        assert answer.headers["cache-control"] == "no-store"
        assert await users(strict) == []
        assert (await login(client, EMAIL)).status_code == 401
        (mail,) = await letters.all()
        assert (mail.to, mail.template, mail.name) == ("Ada@Example.com", "verify_email", None)
        token = await letters.token("verify_email")
        strict.clock.advance(3600)
        made = (await verify(client, token)).json()
        assert (made["email"], made["name"], made["email_verified"]) == ("Ada@Example.com", "Ada", True)
        assert made["created_at"] == "2026-01-01T01:00:00.000Z"
        assert (await login(client, EMAIL)).json()["user"] == made
        assert (await verify(client, token)).json()["code"] == "invalid_token"


async def test_a_taken_address_is_not_told(strict: App) -> None:
    """The same answer, the same storage calls and the same hashing; and no mail for the owner of a verified account."""
    letters = Letters(strict)
    async with strict.client() as client:
        await enlist(client)
        await verify(client, await letters.token("verify_email"))
        queued: list[str] = []
        send, seen = strict.container.events.send, []

        async def queue(service: str, event: Any, *, delay: int = 0) -> None:
            queued.append(event["kind"])

        strict.container.events.send = queue  # type: ignore[method-assign]  # what happens behind it is not the request's
        for email in (EMAIL, "free@example.com"):
            strict.tables.calls.clear()
            await enlist(client, email)
            seen.append(list(strict.tables.calls))
        assert seen[0] == seen[1]
        assert queued == ["registration"] * 2
        assert not [call for call in seen[0] if call.endswith((" users", " emails"))]
        strict.container.events.send = send  # type: ignore[method-assign]
        for email in (EMAIL, "free@example.com"):
            await enlist(client, email)
        assert [mail.to for mail in await letters.all()] == [EMAIL, "free@example.com"]


async def test_the_first_link_wins_with_its_password(strict: App) -> None:
    letters = Letters(strict)
    async with strict.client() as client:
        await enlist(client, password="the squatter's password")
        squatters = await letters.token("verify_email")
        await enlist(client, password="the owner's password")
        assert (await verify(client, await letters.token("verify_email"))).status_code == 200
        assert (await verify(client, squatters)).json()["code"] == "invalid_token"
        assert (await login(client, EMAIL, "the squatter's password")).status_code == 401
        assert (await login(client, EMAIL, "the owner's password")).status_code == 200
    assert len(await users(strict)) == 1
    assert [len(await strict.storage.tables.query(name)) for name in await pending_tables(strict)] == [0]


async def pending_tables(app: App) -> list[str]:
    return [name for name in await app.storage.tables.list_tables("registrations") if PENDING.fullmatch(name)]


async def test_links_followed_at_once_make_one_account(strict: App) -> None:
    letters = Letters(strict)
    async with strict.client() as client:
        tokens = []
        for number in range(3):
            await enlist(client, password=f"password number {number}")
            tokens.append(await letters.token("verify_email"))
        answers = await asyncio.gather(*(verify(client, token) for token in tokens * 4))
        statuses = [answer.status_code for answer in answers]
        assert sorted(statuses) == [200] + [400] * 11
        assert (await login(client, EMAIL, f"password number {statuses.index(200) % 3}")).status_code == 200
        strict.clock.advance(3601)
        await strict.container.auth_purge.run()
        assert len(await users(strict)) == 1, "what a loser may have left is collected"
        assert (await login(client, EMAIL, f"password number {statuses.index(200) % 3}")).status_code == 200


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("later", [0, 7200])
async def test_a_crash_at_any_write_of_a_confirmation(strict: App, when: str, number: int, later: int) -> None:
    """The link still works, and the account is there once; the purge in between takes nothing that is needed."""
    letters = Letters(strict)
    async with strict.client() as client:
        await enlist(client)
        token = await letters.token("verify_email")
        count = 0

        def die(verb: str, table: str) -> None:
            nonlocal count
            count += verb == "write" and not table.startswith("audit")
            if verb == "write" and count == number:
                raise StorageUnavailable("the process is gone")

        setattr(strict.tables, when, die)
        assert (await verify(client, token)).status_code == 503
        strict.tables.before = strict.tables.after = lambda verb, table: None
        strict.clock.advance(later)
        await strict.container.auth_purge.run()
        done = (number, when) == (3, "after")
        assert (await verify(client, token)).status_code == (400 if done else 200)
        strict.clock.advance(3601)
        await strict.container.auth_purge.run()
        assert (await login(client, EMAIL)).status_code == 200
    (user,) = await users(strict)
    (address,) = [row for row in await strict.storage.tables.query(EMAILS) if row.key == EMAIL_KEY]
    assert address.values["user_id"] == user.partition


async def test_an_unverified_account_from_before(app: App) -> None:
    """It gets its own link again; the newer registration's password changes nothing."""
    strict = app.sibling(AUTH_REQUIRE_VERIFIED_EMAIL="true")
    letters = Letters(strict)
    async with app.client() as before, strict.client() as client:
        account = await register(before, EMAIL)
        await enlist(client, password="somebody else's password")
        assert (await verify(client, await letters.token("verify_email"))).json()["id"] == account["user"]["id"]
        assert (await login(client, EMAIL)).status_code == 200
        assert (await login(client, EMAIL, "somebody else's password")).status_code == 401


async def test_five_mails_for_one_address(strict: App) -> None:
    letters = Letters(strict)
    async with strict.client() as client:
        for _ in range(7):
            await enlist(client)
        assert (await ask(client, email=EMAIL)).status_code == 202
    assert len(await letters.all()) == 5


async def test_no_password_is_at_rest(strict: App) -> None:
    letters = Letters(strict)
    async with strict.client() as client:
        await enlist(client)
        at_rest = repr([await strict.storage.tables.query(name) for name in await strict.storage.tables.list_tables()])
    assert PASSWORD not in at_rest
    assert (await letters.token("verify_email")).rpartition(".")[2] not in at_rest


async def test_made_up_tokens_of_any_time(strict: App) -> None:
    now = strict.clock.now()
    secret = "A" * 43
    async with strict.client() as client:
        for made_up in (ids.new_id(now), "0" * 26, "7" + "z" * 25, "z" * 26, "u" * 26):
            strict.tables.calls.clear()
            assert (await verify(client, f"{made_up}.{secret}")).json()["code"] == "invalid_token"
            assert len(strict.tables.calls) <= 1


async def test_the_purge(strict: App) -> None:
    """Tokens that have expired go, and the day's pending registrations with their table."""
    letters = Letters(strict)
    async with strict.client() as client:
        await enlist(client)
        await verify(client, await letters.token("verify_email"))
        await client.post("/api/auth/forgot-password", json={"email": EMAIL})
        await strict.settled()
        await enlist(client, "late@example.com")
        late = await letters.token("verify_email")
        assert (await strict.container.auth_purge.run())["tokens"] == 0
        strict.clock.advance(86_399)
        assert (await strict.container.auth_purge.run())["tokens"] == 1
        assert (await verify(client, late)).status_code == 200
        strict.clock.advance(86_401)
        await strict.container.auth_purge.run()
        assert await pending_tables(strict) == []


async def test_whoever_is_gone_meanwhile(app: App, client: httpx.AsyncClient) -> None:
    from shared_code.storage.ports import Delete

    letters = Letters(app)
    account = await register(client, EMAIL)
    token = await letters.token("verify_email")
    await app.storage.tables.apply(USERS, account["user"]["id"], Delete(USER_KEY))
    assert (await verify(client, token)).json()["code"] == "invalid_token"
    await app.storage.tables.apply(EMAILS, EMAIL, Merge(EMAIL_KEY, {"user_id": "nobody"}))
    assert (await ask(client, email=EMAIL)).status_code == 202
    assert len(await letters.all("verify_email")) == 1
