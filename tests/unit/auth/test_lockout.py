"""Five failures for an account, twenty for a network address; and nothing tells which of them met an account."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from shared_code.auth import passwords
from shared_code.auth.tables import EMAILS, FAILURES_KEY, USERS
from shared_code.storage.ports import Merge
from tests.unit.apps import PASSWORD, App, bearer, login, make_app, register

EMAIL = "ada@example.com"
ADDRESS = {"AUTH_LOCK_ADDRESS": "20/900"}


@pytest.fixture
async def client(app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        await register(client, EMAIL)
        await app.settled()
        yield client


async def fail(client: httpx.AsyncClient, times: int, email: str = EMAIL) -> list[int]:
    return [(await login(client, email, f"wrong password {n}")).status_code for n in range(times)]


async def kinds(app: App) -> Counter[str]:
    rows = await app.storage.tables.query(f"audit{app.clock.now():%Y%m%d}", limit=1000)
    return Counter(str(row.values["kind"]) for row in rows if "kind" in row.values)


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com", "no address at all"])
async def test_the_sixth_is_told_nothing(app: App, client: httpx.AsyncClient, email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await fail(client, 5, email) == [401] * 5
    monkeypatch.setattr(passwords, "_HASHER", None)  # no Argon2 from here on
    app.tables.calls.clear()
    for password in ("wrong password", PASSWORD):
        answer = await login(client, email.upper(), password)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert answer.headers["retry-after"] == "900"
        assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("5", "0")
    assert app.tables.calls == ["query emails", "get users"] * 2
    assert (await kinds(app))["sign_in_locked"] == 1


async def test_the_lock_ends_by_itself(app: App, client: httpx.AsyncClient) -> None:
    await fail(client, 4)
    app.clock.advance(600)
    await fail(client, 1)
    app.clock.advance(899)
    answer = await login(client, EMAIL)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    app.clock.advance(1)
    assert await fail(client, 4) == [401] * 4, "the lock has served for what led to it"
    assert (await login(client, EMAIL)).status_code == 200


async def test_failures_age(app: App, client: httpx.AsyncClient) -> None:
    for _ in range(3):
        assert await fail(client, 2) == [401] * 2
        app.clock.advance(450)
    assert (await login(client, EMAIL)).status_code == 200


async def test_a_sign_in_clears_the_accounts_failures(app: App, client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await fail(client, 4)
        assert (await login(client, EMAIL)).status_code == 200
        assert await app.storage.tables.get(EMAILS, EMAIL, FAILURES_KEY) is None


async def test_no_limit(client: httpx.AsyncClient) -> None:
    app = make_app(AUTH_LOCK_ACCOUNT="off")
    async with app.client() as client:
        await register(client, EMAIL)
        app.tables.calls.clear()
        assert await fail(client, 7) == [401] * 7
        assert "write emails" not in app.tables.calls
        assert (await login(client, EMAIL)).status_code == 200


async def test_a_network_address_is_locked_over_all_accounts() -> None:
    app = make_app(**ADDRESS)
    async with app.client() as here, app.client(address="192.0.2.2") as elsewhere:
        await register(here, EMAIL)
        await login(here, EMAIL)
        for n in range(20):
            assert (await login(here, f"user{n}@example.com", "wrong password")).status_code == 401
        answer = await login(here, EMAIL)
        assert (answer.status_code, answer.headers["retry-after"], answer.headers["ratelimit-limit"]) == (429, "900", "20")
        assert (await login(elsewhere, EMAIL)).status_code == 200
        app.clock.advance(900)
        assert (await login(here, EMAIL)).status_code == 200
        for n in range(19):
            await login(here, f"other{n}@example.com", "wrong password")
        assert (await login(here, EMAIL)).status_code == 200, "which does not clear the address's failures"
        assert (await login(here, "last@example.com", "wrong password")).status_code == 401
        assert (await login(here, EMAIL)).status_code == 429


async def test_guesses_sent_at_once_from_one_address() -> None:
    app = make_app(**ADDRESS)
    async with app.client() as client:
        answers = await asyncio.gather(*[login(client, f"user{n}@example.com", "wrong password") for n in range(40)])
    assert Counter(answer.status_code for answer in answers) == {401: 20, 429: 20}


async def test_guesses_sent_at_once_at_one_account(app: App, client: httpx.AsyncClient) -> None:
    sibling = app.sibling()
    async with sibling.client() as other:
        answers = await asyncio.gather(*[login(each, EMAIL, f"wrong {n}") for n in range(20) for each in (client, other)])
    assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 35}
    assert (await kinds(app))["sign_in_locked"] == 1


async def test_a_right_one_among_them(app: App, client: httpx.AsyncClient) -> None:
    words = ["wrong password", "wrong password", PASSWORD, "wrong password", PASSWORD]
    answers = await asyncio.gather(*[login(client, EMAIL, word) for word in words])
    assert [answer.status_code for answer in answers] == [401, 401, 200, 401, 200]
    answers = await asyncio.gather(*[login(client, EMAIL, word) for word in [*["wrong password"] * 5, PASSWORD]])
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]


async def test_who_loses_the_race_to_count_is_told_nothing(app: App, client: httpx.AsyncClient) -> None:
    """Another instance has counted the fifth while we hashed: our verdict stays our own."""
    await fail(client, 4)
    async with app.sibling().client() as other:
        read = asyncio.Event()
        real = app.tables.query

        async def slow(*args: object, **options: object) -> object:
            rows = await real(*args, **options)  # type: ignore[arg-type]
            if not read.is_set():
                read.set()
                assert await fail(other, 1) == [401]
            return rows

        app.tables.query = slow  # type: ignore[method-assign, assignment]
        assert await fail(client, 1) == [429]


async def test_a_right_password_while_another_locks(app: App, client: httpx.AsyncClient) -> None:
    await fail(client, 4)
    async with app.sibling().client() as other:
        real = app.tables.query

        async def slow(*args: object, **options: object) -> object:
            rows = await real(*args, **options)  # type: ignore[arg-type]
            assert await fail(other, 1) == [401]
            return rows

        app.tables.query = slow  # type: ignore[method-assign, assignment]
        assert (await login(client, EMAIL)).status_code == 429


async def test_the_same_calls_whoever_it_is() -> None:
    """Until the lock and beyond it, with both limits: an account, nobody's address, what is none, and a disabled account."""
    seen = {}
    for email in (EMAIL, "nobody@example.com", "nonsense", "disabled@example.com"):
        app = make_app(**ADDRESS)
        async with app.client() as client:
            await register(client, EMAIL)
            disabled = (await register(client, "disabled@example.com"))["user"]["id"]
            await app.storage.tables.apply(USERS, disabled, Merge("user", {"disabled": True}))
            await app.settled()
            app.tables.calls.clear()
            seen[email] = ([(await login(client, email, "wrong password")).status_code for _ in range(7)], list(app.tables.calls))
    first = seen[EMAIL]
    assert first[0] == [401] * 5 + [429] * 2
    first_failure = ["query emails", "get users", "get limits", "write emails", "get limits", "write limits", "write audit20260101"]
    assert first[1][: len(first_failure)] == first_failure
    for email, found in seen.items():
        assert found == first, email


async def test_storage_calls_of_a_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five, and a message more for a device that the account has not seen. What the message leads to is no part of it."""
    app = make_app(**ADDRESS)
    calls = ["query emails", "get users", "get limits", "write users", "write audit20260101"]
    async with app.client() as client:
        await register(client, EMAIL)
        await app.settled()

        async def send(service: str, event: Mapping[str, object], *, delay: int = 0) -> None:
            app.tables.calls.append(f"send {event['kind']}")

        monkeypatch.setattr(app.container.events, "send", send)
        for agent, sent in (("curl/8.5.0", ["send new_device"]), ("curl/8.6.0", [])):
            app.tables.calls.clear()
            assert (await login(client, EMAIL, **{"User-Agent": agent})).status_code == 200
            assert app.tables.calls == calls + sent


async def test_the_purge_forgets_old_failures(app: App, client: httpx.AsyncClient) -> None:
    await fail(client, 5)
    await fail(client, 1, "nobody@example.com")
    await fail(client, 1, "a password, typed into the wrong field")
    assert not any("password" in row.partition for row in await app.storage.tables.query(EMAILS))
    app.clock.advance(600)
    await fail(client, 1, "young@example.com")
    app.clock.advance(300)
    assert (await app.container.auth_purge.run())["failures"] == 3
    assert (await app.container.auth_purge.run())["failures"] == 0
    left = [(row.partition, row.key) for row in await app.storage.tables.query(EMAILS)]
    assert left == [(EMAIL, "email"), ("young@example.com", FAILURES_KEY)]
    assert (await login(client, EMAIL)).status_code == 200


async def test_a_locked_account_keeps_its_sessions(app: App, client: httpx.AsyncClient) -> None:
    token = (await login(client, EMAIL)).json()["access_token"]
    await fail(client, 6)
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


async def test_a_neighbour_in_ones_own_ipv6_network_is_oneself() -> None:
    app = make_app(AUTH_LOCK_ADDRESS="2/900", AUTH_REGISTER_ADDRESS="1/3600")
    for address, status in (("2001:db8::1", 401), ("2001:db8::ffff:2", 401), ("2001:db8::3", 429), ("2001:db8:0:1::1", 401), ("unix", 401)):
        async with app.client(address=address) as client:
            assert (await login(client, f"nobody@{len(address)}.example.com", "wrong password")).status_code == status, address
    for address, status in (("2001:db8::1", 201), ("2001:db8::2", 429), ("2001:db8:0:1::1", 201)):
        async with app.client(address=address) as client:
            sent = {"email": f"user{address.replace(':', '-')}@example.com", "password": PASSWORD}
            assert (await client.post("/api/auth/register", json=sent)).status_code == status, address
