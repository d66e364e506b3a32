"""The second factor: enrolment, codes that work once, recovery codes."""

import asyncio
import re
from collections import Counter
from urllib.parse import parse_qs, urlsplit

import httpx

from shared_code.auth import totp
from shared_code.auth.tables import MFA_KEY, USERS
from shared_code.storage.ports import Delete, EtagMismatch, Merge
from tests.unit.apps import App, bearer, login, me, register
from tests.unit.auth.totp_app import EMAIL, both, code, enrolled, mfa_token, outcome, second, wrong


def test_against_the_rfc() -> None:
    """RFC 6238, appendix B: the last six of its eight digits."""
    secret = "GEZDGNBVGY3TQOJQ" * 2  # its "12345678901234567890" in base32
    expected = {59: "287082", 1111111109: "081804", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"}
    assert {seconds: totp.code_at(secret, seconds // 30) for seconds in expected} == expected


async def test_enrolment(app: App, client: httpx.AsyncClient) -> None:
    token = (await register(client, EMAIL))["access_token"]
    headers = bearer(token)
    answer = await client.post("/api/auth/mfa/totp", headers=headers)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    secret, uri = answer.json()["secret"], urlsplit(answer.json()["otpauth_uri"])
    assert re.fullmatch("[A-Z2-7]{32}", secret)
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Lydian%3Aada%40example.com")
    assert parse_qs(uri.query) == {"secret": [secret], "issuer": ["Lydian"], "algorithm": ["SHA1"], "digits": ["6"], "period": ["30"]}
    assert (await login(client, EMAIL)).status_code == 200, "nothing counts before it is confirmed"
    assert not (await me(client, token)).json()["mfa_enabled"]
    answer = await client.post("/api/auth/mfa/totp/confirm", json={"code": wrong(secret, app.clock)}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_code")
    answer = await client.post("/api/auth/mfa/totp/confirm", json={"code": code(secret, app.clock)}, headers=headers)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    codes = answer.json()["recovery_codes"]
    assert len(set(codes)) == 10
    assert all(re.fullmatch("([a-z2-7]{4}-){3}[a-z2-7]{4}", each) for each in codes)
    assert (await me(client, token)).json()["mfa_enabled"]
    assert (await client.post("/api/auth/mfa/totp", headers=headers)).json()["code"] == "mfa_already_enabled"
    answer = await client.post("/api/auth/mfa/totp/confirm", json={"code": code(secret, app.clock)}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "mfa_already_enabled")


async def test_nothing_readable_is_at_rest(app: App, client: httpx.AsyncClient) -> None:
    secret, recovery, _ = await enrolled(app, client)
    token = await mfa_token(client)
    rows = str(await app.storage.tables.query(USERS, limit=1000))
    assert secret not in rows
    assert token.rpartition(".")[2] not in rows
    assert not any(each in rows or each.replace("-", "") in rows for each in recovery)


async def test_an_enrolment_is_replaced_and_runs_out(app: App, client: httpx.AsyncClient) -> None:
    headers = bearer((await register(client, EMAIL))["access_token"])

    async def confirm(typed: str) -> object:
        return outcome(await client.post("/api/auth/mfa/totp/confirm", json={"code": typed}, headers=headers))

    assert await confirm("123456") == "mfa_not_enrolled"
    first, last = [(await client.post("/api/auth/mfa/totp", headers=headers)).json()["secret"] for _ in range(2)]
    assert await confirm(code(first, app.clock)) == "invalid_code"
    app.clock.advance(3600)
    headers = bearer((await login(client, EMAIL)).json()["access_token"])
    assert await confirm(code(last, app.clock)) == "mfa_not_enrolled"
    last = (await client.post("/api/auth/mfa/totp", headers=headers)).json()["secret"]
    assert await confirm(code(last, app.clock)) == 200


async def test_a_key_replays_the_codes(app: App, client: httpx.AsyncClient) -> None:
    headers = bearer((await register(client, EMAIL))["access_token"])
    secret = (await client.post("/api/auth/mfa/totp", headers=headers)).json()["secret"]
    sent = {"json": {"code": code(secret, app.clock)}, "headers": {**headers, "Idempotency-Key": "once"}}
    first, again = [await client.post("/api/auth/mfa/totp/confirm", **sent) for _ in range(2)]
    assert (first.status_code, again.status_code, first.json()) == (200, 200, again.json())
    assert first.json()["recovery_codes"][0] not in str(await app.storage.tables.query("idempotency20260101"))


async def test_parallel_confirmations_give_one_set(app: App, client: httpx.AsyncClient) -> None:
    headers = bearer((await register(client, EMAIL))["access_token"])
    secret = (await client.post("/api/auth/mfa/totp", headers=headers)).json()["secret"]
    sent = {"json": {"code": code(secret, app.clock)}, "headers": headers}
    answers = await asyncio.gather(*[client.post("/api/auth/mfa/totp/confirm", **sent) for _ in range(6)])
    assert Counter(map(outcome, answers)) == {200: 1, "mfa_already_enabled": 5}


async def test_a_confirmation_whose_answer_was_lost_still_shows_its_codes(app: App, client: httpx.AsyncClient) -> None:
    headers = bearer((await register(client, EMAIL))["access_token"])
    secret = (await client.post("/api/auth/mfa/totp", headers=headers)).json()["secret"]

    def lose(verb: str, table: str) -> None:
        if (verb, table) == ("write", USERS):
            raise EtagMismatch  # it was written, and our own repetition of it fails

    app.tables.after = lose
    answer = await client.post("/api/auth/mfa/totp/confirm", json={"code": code(secret, app.clock)}, headers=headers)
    app.tables.after = lambda verb, table: None
    assert answer.status_code == 200
    app.clock.advance(30)
    assert (await both(client, answer.json()["recovery_codes"][0])).status_code == 200


async def test_confirmations_are_limited(app: App, client: httpx.AsyncClient) -> None:
    headers = bearer((await register(client, EMAIL))["access_token"])
    secret = (await client.post("/api/auth/mfa/totp", headers=headers)).json()["secret"]
    for _ in range(10):
        await client.post("/api/auth/mfa/totp/confirm", json={"code": wrong(secret, app.clock)}, headers=headers)
    answer = await client.post("/api/auth/mfa/totp/confirm", json={"code": code(secret, app.clock)}, headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "900")


async def test_an_account_that_signs_in_elsewhere(app: App, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    await app.storage.tables.apply(USERS, account["user"]["id"], Merge("user", {"provider": "supabase"}))
    answer = await client.post("/api/auth/mfa/totp", headers=bearer(account["access_token"]))
    assert (answer.status_code, answer.json()["code"]) == (409, "no_password")


async def test_sign_in_with_a_code(app: App, client: httpx.AsyncClient) -> None:
    secret, _, _ = await enrolled(app, client)
    asked = await login(client, EMAIL)
    assert (asked.status_code, asked.json()["code"], asked.json()["expires_in"]) == (401, "mfa_required", 300)
    assert asked.headers["cache-control"] == "no-store"
    assert "access_token" not in asked.json()
    answer = await second(client, asked.json()["mfa_token"], f" {code(secret, app.clock)[:3]} {code(secret, app.clock)[3:]} ")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json()["user"]["mfa_enabled"]
    assert (await me(client, answer.json()["access_token"])).status_code == 200


async def test_a_code_is_good_for_a_minute_and_a_half_and_once(app: App, client: httpx.AsyncClient) -> None:
    secret, _, _ = await enrolled(app, client)
    for steps, expected in ((-2, "invalid_code"), (2, "invalid_code"), (1, 200), (1, "invalid_code"), (0, "invalid_code")):
        assert outcome(await both(client, code(secret, app.clock, steps))) == expected, steps
    app.clock.advance(60)
    assert outcome(await both(client, code(secret, app.clock, -1))) == "invalid_code", "it has been used, a step ahead"
    assert outcome(await both(client, code(secret, app.clock))) == 200
    app.clock.advance(90)
    assert outcome(await both(client, code(secret, app.clock, -1))) == 200


async def test_the_code_that_confirmed_is_used(app: App, client: httpx.AsyncClient) -> None:
    secret, _, _ = await enrolled(app, client)
    assert outcome(await both(client, code(secret, app.clock, -1))) == "invalid_code"


async def test_one_code_in_parallel(app: App, client: httpx.AsyncClient) -> None:
    """Ten sign-ins on two instances present one code: a mfa_token each, so that only the code can decide."""
    secret, _, _ = await enrolled(app, client)
    async with app.sibling(AUTH_LOCK_ACCOUNT="off").client() as other:
        tokens = [await mfa_token(other) for _ in range(10)]
        each = [second(other if n % 2 else client, token, code(secret, app.clock)) for n, token in enumerate(tokens)]
        answers = await asyncio.gather(*each)
    assert Counter(map(outcome, answers)) == {200: 1, "invalid_code": 9}


async def test_recovery_codes(app: App, client: httpx.AsyncClient) -> None:
    _, recovery, _ = await enrolled(app, client)
    assert outcome(await both(client, recovery[0])) == 200
    assert outcome(await both(client, recovery[0])) == "invalid_code"
    assert outcome(await both(client, recovery[1].upper().replace("-", " "))) == 200
    assert outcome(await both(client, f" {recovery[2].replace('-', '')} ")) == 200
    app.clock.advance(900)
    tokens = [await mfa_token(client) for _ in range(4)]
    answers = await asyncio.gather(*[second(client, token, recovery[3]) for token in tokens])
    assert Counter(map(outcome, answers)) == {200: 1, "invalid_code": 3}
    left = [row.values for row in await app.storage.tables.query("audit20260101") if row.values.get("kind") == "recovery_code_used"]
    assert sorted(str(each["details"]) for each in left) == [f'{{"left":{n}}}' for n in (6, 7, 8, 9)]


async def test_two_recovery_codes_at_once_both_work(app: App, client: httpx.AsyncClient) -> None:
    _, recovery, _ = await enrolled(app, client)
    tokens = [await mfa_token(client) for _ in range(2)]
    answers = await asyncio.gather(*[second(client, token, recovery[n]) for n, token in enumerate(tokens)])
    assert [answer.status_code for answer in answers] == [200, 200]
    assert outcome(await both(client, recovery[1])) == "invalid_code"


async def test_disabling(app: App, client: httpx.AsyncClient) -> None:
    secret, recovery, headers = await enrolled(app, client)
    pending = await mfa_token(client)
    assert (await client.delete("/api/auth/mfa/totp", headers=headers)).status_code == 204
    answer = await client.delete("/api/auth/mfa/totp", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "mfa_not_enabled")
    answer = await login(client, EMAIL)
    assert (answer.status_code, answer.json()["user"]["mfa_enabled"]) == (200, False)
    assert outcome(await second(client, pending, recovery[0])) == "invalid_code"
    again = (await client.post("/api/auth/mfa/totp", headers=headers)).json()["secret"]
    assert again != secret
    assert (await client.delete("/api/auth/mfa/totp", headers=headers)).status_code == 404, "what is not confirmed is not enabled"
    rows = await app.storage.tables.query("audit20260101")
    kinds = Counter(row.values.get("kind") for row in rows)
    assert (kinds["mfa_enabled"], kinds["mfa_disabled"], kinds["mfa_failed"]) == (1, 1, 1)


async def test_a_deleted_account_enrols_nobody(app: App, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    headers = bearer(account["access_token"])
    secret = (await client.post("/api/auth/mfa/totp", headers=headers)).json()["secret"]
    await app.storage.tables.apply(USERS, account["user"]["id"], Delete("user"))
    answer = await client.post("/api/auth/mfa/totp/confirm", json={"code": code(secret, app.clock)}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert (await client.post("/api/auth/mfa/totp", headers=headers)).status_code == 401
    row = await app.storage.tables.get(USERS, account["user"]["id"], MFA_KEY)
    assert row is not None
    assert row.values["secret"] == ""
