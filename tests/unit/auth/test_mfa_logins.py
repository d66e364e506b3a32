"""The step between a right password and a right code: five minutes, five tries, one account, one success."""

import asyncio
import json
from collections import Counter

import httpx
import pytest

from shared_code.auth.tables import MFA_KEY, MFA_LOGIN_PREFIX, USERS
from shared_code.storage.ports import AlreadyExists, Delete, Merge
from tests.unit.apps import PASSWORD, App, login, make_app, me, register
from tests.unit.auth.totp_app import EMAIL, both, code, enrolled, mfa_token, outcome, second, wrong


async def test_a_token_is_used_up_by_success(app: App, client: httpx.AsyncClient) -> None:
    secret, recovery, _ = await enrolled(app, client)
    token = await mfa_token(client)
    assert outcome(await second(client, token, code(secret, app.clock))) == 200
    assert outcome(await second(client, token, recovery[0])) == "invalid_mfa_token"
    assert outcome(await both(client, recovery[0])) == 200, "which did not use it"


async def test_a_token_lasts_five_minutes(app: App, client: httpx.AsyncClient) -> None:
    secret, _, _ = await enrolled(app, client)
    token = await mfa_token(client)
    app.clock.advance(299)
    assert outcome(await second(client, token, wrong(secret, app.clock))) == "invalid_code"
    app.clock.advance(1)
    assert outcome(await second(client, token, code(secret, app.clock))) == "invalid_mfa_token"


async def test_five_tries(client: httpx.AsyncClient) -> None:
    app = make_app(AUTH_LOCK_ACCOUNT="off")
    async with app.client() as client:
        secret, _, _ = await enrolled(app, client)
        token = await mfa_token(client)
        for n in range(5):
            assert outcome(await second(client, token, wrong(secret, app.clock, n))) == "invalid_code"
        assert outcome(await second(client, token, code(secret, app.clock))) == "invalid_mfa_token"
        assert outcome(await both(client, code(secret, app.clock))) == 200


async def test_twenty_guesses_at_once_get_five_verdicts() -> None:
    app = make_app(AUTH_LOCK_ACCOUNT="off")
    sibling = app.sibling(AUTH_LOCK_ACCOUNT="off")
    async with app.client() as client, sibling.client() as other:
        secret, _, _ = await enrolled(app, client)
        token = await mfa_token(client)
        guesses = [second(other if n % 2 else client, token, wrong(secret, app.clock, n)) for n in range(20)]
        assert Counter(map(outcome, await asyncio.gather(*guesses))) == {"invalid_code": 5, "invalid_mfa_token": 15}


async def test_wrong_codes_lock_the_account_and_half_a_sign_in_clears_nothing(app: App, client: httpx.AsyncClient) -> None:
    secret, _, _ = await enrolled(app, client)
    spare = await mfa_token(client)
    assert (await login(client, EMAIL, "wrong password")).status_code == 401
    for n in range(4):
        assert outcome(await both(client, wrong(secret, app.clock, n))) == "invalid_code"
    for locked in (await login(client, EMAIL), await second(client, spare, code(secret, app.clock))):
        assert (locked.status_code, locked.headers["retry-after"]) == (429, "900")
    app.clock.advance(900)
    assert outcome(await both(client, wrong(secret, app.clock))) == "invalid_code"
    assert outcome(await both(client, code(secret, app.clock))) == 200
    for n in range(4):
        assert outcome(await both(client, wrong(secret, app.clock, n))) == "invalid_code"
    app.clock.advance(30)
    assert outcome(await both(client, code(secret, app.clock))) == 200, "the success before had cleared them"


@pytest.mark.parametrize("change", [{"password_hash": "another"}, {"disabled": True}, None])
async def test_what_changes_meanwhile_ends_it(app: App, client: httpx.AsyncClient, change: dict[str, str | bool] | None) -> None:
    secret, _, _ = await enrolled(app, client)
    token = await mfa_token(client)
    user_id = token.removeprefix("lym_").partition(".")[0]
    await app.storage.tables.apply(USERS, user_id, Merge("user", change) if change else Delete("user"))
    assert outcome(await second(client, token, code(secret, app.clock))) == "invalid_mfa_token"


async def test_made_up_tokens(app: App, client: httpx.AsyncClient) -> None:
    secret, _, _ = await enrolled(app, client)
    token = await mfa_token(client)
    other = (await register(client, "eve@example.com"))["user"]["id"]
    owner = token.removeprefix("lym_").partition(".")[0]
    await app.settled()
    forged = ["", "x", "lym_", token[:-1] + ("A" if token[-1] != "A" else "B"), token.replace(owner, other), token + "x", token.upper()]
    app.tables.calls.clear()
    for each in forged:
        assert outcome(await second(client, each, code(secret, app.clock))) == "invalid_mfa_token", each
    assert len(app.tables.calls) == 2, "what cannot be one is not looked for"
    for n in range(5):
        await second(client, forged[3], wrong(secret, app.clock, n))
    assert outcome(await second(client, token, code(secret, app.clock))) == 200, "guesses at the token use up no try"


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "१२३४५६", "٠٠٠٠٠٠", "x" * 100, "-00001", "+12345", "1 2 3"])
async def test_what_is_no_code(app: App, client: httpx.AsyncClient, typed: str) -> None:
    await enrolled(app, client)
    token = await mfa_token(client)
    sent = {"mfa_token": token, "code": typed}
    answer = await client.post("/api/auth/login/mfa", content=json.dumps(sent))
    assert outcome(answer) == "invalid_code"


async def test_an_unverified_address_is_told_after_both() -> None:
    app = make_app()
    async with app.client() as client:
        secret, _, _ = await enrolled(app, client)
    strict = app.sibling(AUTH_REQUIRE_VERIFIED_EMAIL="true")
    async with strict.client() as client:
        answer = await both(client, code(secret, app.clock))
        assert (answer.status_code, answer.json()["code"]) == (403, "email_not_verified")
        user_id = (await mfa_token(client)).removeprefix("lym_").partition(".")[0]
        await app.storage.tables.apply(USERS, user_id, Merge("user", {"email_verified": True}))
        assert outcome(await both(client, code(secret, app.clock))) == 200, "and the code was not used"


async def test_an_unverified_address_without_a_second_factor(app: App, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    async with app.sibling(AUTH_REQUIRE_VERIFIED_EMAIL="true").client() as strict:
        assert (await login(strict, EMAIL)).status_code == 403
        assert (await login(strict, EMAIL, "wrong password")).status_code == 401


async def test_the_purge_forgets_old_ones(app: App, client: httpx.AsyncClient) -> None:
    secret, _, _ = await enrolled(app, client)
    for _ in range(2):
        await mfa_token(client)
    app.clock.advance(250)
    young = await mfa_token(client)
    app.clock.advance(50)
    assert (await app.container.auth_purge.run())["mfa_logins"] == 2
    rows = await app.storage.tables.query(USERS)
    assert sum(row.key.startswith(MFA_LOGIN_PREFIX) for row in rows) == 1
    assert sum(row.key == MFA_KEY for row in rows) == 1
    assert outcome(await second(client, young, code(secret, app.clock))) == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [({"name": "Ada"}, 200), ({"password_hash": "another"}, 401), ({"disabled": True}, 401), ({"mfa_enabled": True}, 401), (None, 401)],
)
async def test_a_session_begins_only_as_decided(
    app: App, client: httpx.AsyncClient, change: dict[str, str | bool] | None, status: int
) -> None:
    """The account changes between the verdict and the session: decided again, with Argon2 only for another hash."""
    user_id = (await register(client, EMAIL))["user"]["id"]
    real, changed = app.container.sessions.new, []

    def new(*args: object) -> object:
        if not changed:
            changed.append(True)
            operation = Merge("user", change) if change else Delete("user")
            app.storage.tables._run(USERS, user_id, [operation])
        return real(*args)  # type: ignore[arg-type]

    app.container.sessions.new = new  # type: ignore[method-assign, assignment]
    before = len(await app.storage.tables.query(USERS, user_id, prefix="session:"))
    answer = await login(client, EMAIL)
    assert answer.status_code == status
    if change == {"mfa_enabled": True}:
        assert outcome(answer) == "mfa_required"
    elif status == 401:
        assert outcome(answer) == "invalid_credentials"
    assert len(await app.storage.tables.query(USERS, user_id, prefix="session:")) - before == (status == 200)


async def test_twenty_sign_ins_at_once(app: App, client: httpx.AsyncClient) -> None:
    await register(client, EMAIL)
    await app.settled()
    app.tables.calls.clear()
    async with app.sibling().client() as other:
        answers = await asyncio.gather(*[login(each, EMAIL, PASSWORD) for _ in range(10) for each in (client, other)])
    assert [answer.status_code for answer in answers] == [200] * 20
    assert app.tables.calls.count("write users") <= 5, "those of one process are written together"
    assert len({answer.json()["refresh_token"] for answer in answers}) == 20
    assert (await me(client, answers[0].json()["access_token"])).status_code == 200


async def test_a_sign_in_whose_answer_was_lost(app: App, client: httpx.AsyncClient) -> None:
    """Storage has written it and was asked again: the session that meets itself is the session."""
    secret, _, _ = await enrolled(app, client)
    token = await mfa_token(client)
    before = len(await app.storage.tables.query(USERS, prefix="session:"))

    def lose(verb: str, table: str) -> None:
        if app.tables.calls.count("write users") == 2:  # the first counts the try
            raise AlreadyExists

    app.tables.calls.clear()
    app.tables.after = lose
    answer = await second(client, token, code(secret, app.clock))
    app.tables.after = lambda verb, table: None
    assert answer.status_code == 200
    assert len(await app.storage.tables.query(USERS, prefix="session:")) == before + 1
    assert (await me(client, answer.json()["access_token"])).status_code == 200
