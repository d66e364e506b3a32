"""Attacks on accounts, each as its attacker would run it: what must not work, and what must not be told."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.security.postman import Postman, with_postman
from tests.unit.apps import PASSWORD, App, login, make_app, register

EMAIL = "ada@example.com"
GUESS = "not the password at all"


# --- stuffing ---


async def test_stuffing_many_accounts_from_one_address() -> None:
    """A list of leaked passwords, one guess an account: the address is locked after twenty, and then right ones are too."""
    app = make_app(AUTH_LOCK_ADDRESS="20/900")
    with_postman(app)
    async with app.client(address="203.0.113.9") as mallory, app.client(address="192.0.2.7") as ada:
        await register(ada, EMAIL)
        statuses = [(await login(mallory, f"victim{n}@example.com", GUESS)).status_code for n in range(20)]
        assert statuses == [401] * 20
        refused = await login(mallory, EMAIL)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert 0 < int(refused.headers["retry-after"]) <= 900
        assert (await login(ada, EMAIL)).status_code == 200, "other addresses go on"
        app.clock.advance(901)
        assert (await login(mallory, "victim0@example.com", GUESS)).status_code == 401


async def test_stuffing_one_account_from_many_addresses() -> None:
    app = make_app(AUTH_LOCK_ADDRESS="20/900")
    with_postman(app)
    async with app.client() as ada:
        await register(ada, EMAIL)
    answers: Counter[int] = Counter()
    for n in range(12):
        async with app.client(address=f"198.51.100.{n}") as mallory:
            answers[(await login(mallory, EMAIL, GUESS)).status_code] += 1
    assert answers == {401: 5, 429: 7}
    async with app.client() as ada:
        assert (await login(ada, EMAIL)).status_code == 429, "the right password is no way to find out while it is locked"
        app.clock.advance(901)
        assert (await login(ada, EMAIL)).status_code == 200


async def test_guesses_sent_at_once_do_not_slip_under_the_limit(app: App, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    answers = Counter(answer.status_code for answer in await asyncio.gather(*(login(client, EMAIL, f"{GUESS} {n}") for n in range(20))))
    assert answers == {401: 5, 429: 15}


async def test_a_forwarded_address_is_not_believed_from_strangers() -> None:
    app = make_app(AUTH_LOCK_ADDRESS="3/900")
    with_postman(app)
    async with app.client() as mallory:
        for n in range(3):
            await login(mallory, f"v{n}@example.com", GUESS, **{"X-Forwarded-For": f"198.51.100.{n}"})
        refused = await login(mallory, "v@example.com", GUESS, **{"X-Forwarded-For": "198.51.100.200"})
    assert refused.status_code == 429


# --- enumeration ---


def telling(answer: httpx.Response) -> tuple[Any, ...]:
    """All that an answer tells, but for what differs in any two."""
    body = answer.json() if answer.content else None
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name != "request_id"}
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, body, headers


async def test_sign_in_tells_nothing_of_who_exists(app: App, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    seen = []
    for email in (EMAIL, "nobody@example.com"):
        app.tables.calls.clear()
        answer = await login(client, email, GUESS)
        seen.append((telling(answer), list(app.tables.calls)))
    assert seen[0] == seen[1], "status, body, headers, and the storage calls in their order"


async def test_and_its_lock_neither(client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    seen = [[telling(await login(client, email, GUESS))[0] for _ in range(7)] for email in (EMAIL, "nobody@example.com")]
    assert seen[0] == seen[1] == [401] * 5 + [429] * 2


@pytest.mark.parametrize("route", ["/api/auth/forgot-password", "/api/auth/verify-email/request"])
async def test_asking_for_a_mail_tells_nothing(app: App, client: httpx.AsyncClient, postman: Postman, route: str) -> None:
    await register(client, EMAIL)
    await app.settled()
    before, seen = len(postman.mails), []
    for email in (EMAIL, "nobody@example.com"):
        app.tables.calls.clear()
        answer = await client.post(route, json={"email": email})
        seen.append((telling(answer), list(app.tables.calls)))
        await app.settled()
    assert seen[0] == seen[1]
    assert seen[0][0][0] == 202
    assert [mail.to for mail in postman.mails[before:]] == [EMAIL]


async def test_registering_tells_nothing_where_addresses_are_proved_first() -> None:
    app = make_app(AUTH_REQUIRE_VERIFIED_EMAIL="true")
    postman = with_postman(app)
    async with app.client() as client:
        body = {"email": EMAIL, "password": PASSWORD}
        await client.post("/api/auth/register", json=body)
        await app.settled()
        assert (await client.post("/api/auth/verify-email", json={"token": postman.token("verify_email")})).status_code == 200
        seen = []
        for email in (EMAIL, "free@example.com"):
            app.tables.calls.clear()
            answer = await client.post("/api/auth/register", json={**body, "email": email})
            seen.append((telling(answer), list(app.tables.calls)))
            await app.settled()
        assert seen[0] == seen[1]
        assert seen[0][0][0] == 202


# --- addresses ---


@pytest.mark.parametrize("typed", ["ADA@EXAMPLE.COM", " ada@example.com ", "ａｄａ@example.com", "ada@ｅxample.com"])
async def test_one_mailbox_is_one_account_however_it_is_typed(client: httpx.AsyncClient, typed: str) -> None:
    await register(client, EMAIL)
    answer = await client.post("/api/auth/register", json={"email": typed, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert (await login(client, typed)).status_code == 200


@pytest.mark.parametrize("alike", ["аda@example.com", "ada@exаmple.com", "ada@examp1e.com", "ada@example.com.evil.example"])
async def test_a_look_alike_is_another_account_and_gets_no_mail_of_the_real_one(
    app: App, client: httpx.AsyncClient, postman: Postman, alike: str
) -> None:
    await register(client, EMAIL)
    other = await register(client, alike)
    assert other["user"]["email"] == alike
    await client.post("/api/auth/forgot-password", json={"email": alike})
    await app.settled()
    assert [mail.to for mail in postman.mails if mail.template == "reset_password"] == [alike]


async def test_a_reset_goes_to_the_address_on_record_not_to_what_was_typed(app: App, client: httpx.AsyncClient, postman: Postman) -> None:
    """What compares equal may be another mailbox to a mail system: only the one that registered is written to."""
    await register(client, "kelvin@example.com")
    await client.post("/api/auth/forgot-password", json={"email": "\u212aelvin@example.com"})
    await app.settled()
    assert [mail.to for mail in postman.mails if mail.template == "reset_password"] == ["kelvin@example.com"]


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r", "\u2028", "\x85", "%0d%0a\r\n"])
async def test_nothing_is_smuggled_into_a_mail_head(app: App, client: httpx.AsyncClient, postman: Postman, line_end: str) -> None:
    bad = f"ada@example.com{line_end}Bcc: mallory@example.com"
    answer = await client.post("/api/auth/register", json={"email": bad, "password": PASSWORD})
    assert answer.status_code == 422
    assert (await client.post("/api/auth/forgot-password", json={"email": bad})).status_code == 202
    named = await client.post("/api/auth/register", json={"email": EMAIL, "password": PASSWORD, "name": f"Ada{line_end}Bcc: m@example.com"})
    assert named.status_code == 422
    await app.settled()
    assert postman.mails == []


async def test_parallel_registrations_of_one_address_make_one_account(app: App, client: httpx.AsyncClient) -> None:
    typed = [EMAIL, "Ada@example.com", "ADA@EXAMPLE.COM", "ａda@example.com"] * 3
    sent = [client.post("/api/auth/register", json={"email": email, "password": f"{PASSWORD} {n}"}) for n, email in enumerate(typed)]
    answers = await asyncio.gather(*sent)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 11}
    winner = [answer.status_code for answer in answers].index(201)
    assert (await login(client, EMAIL, f"{PASSWORD} {winner}")).status_code == 200
    [row] = [row for row in await app.storage.tables.query("users") if row.key == "user"]
    assert row.partition == answers[winner].json()["user"]["id"]


# --- bodies ---

OPEN = ["register", "login", "login/mfa", "refresh", "forgot-password", "reset-password", "verify-email"]


@pytest.mark.parametrize("route", OPEN)
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{" * 50_000, 400, "invalid_json"),
        (b'{"email":' * 50_000, 400, "invalid_json"),
        (b"[" * 101 + b"]" * 101, 400, "invalid_json"),
        (b'"' + b"x" * (1 << 20) + b'"', 413, "payload_too_large"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"null", 422, "validation_failed"),
        (b'{"email": {"$ne": null}, "password": {"$ne": null}, "token": [], "refresh_token": {}, "mfa_token": 1, "code": null}', 422, None),
        (
            b'{"email": "a\\ud800@example.com", "password": "\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800"}',
            None,
            None,
        ),
    ],
    ids=["deep", "deep objects", "101 levels", "1 MiB", "no UTF-8", "null", "operators", "lone surrogates"],
)
async def test_hostile_bodies(client: httpx.AsyncClient, route: str, body: bytes, status: int | None, code: str | None) -> None:
    answer = await client.post(f"/api/auth/{route}", content=body)
    assert answer.status_code < 500, answer.text
    if status is not None:
        assert answer.status_code == status, answer.text
    if code is not None:
        assert answer.json()["code"] == code
    assert set(answer.json()) >= {"type", "title", "status", "code", "request_id"} or answer.status_code == 202
