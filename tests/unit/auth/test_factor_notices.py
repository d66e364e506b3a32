"""A second factor comes or goes: its owner hears of it, and an administrator removes one that is lost. Where it all came from is
in the trail."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared_code.audit import tables as audit_rows
from shared_code.auth.tables import MFA_KEY, USER_KEY, USERS
from shared_code.mail.wording import worded
from shared_code.storage.ports import Merge
from tests.unit.apps import PASSWORD, App, bearer, login, register
from tests.unit.auth.letters import Letters
from tests.unit.auth.totp_app import EMAIL, both, code, enrolled, mfa_token, outcome, second, wrong

ADMIN = "root@example.com"
FIREFOX = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}


@pytest.fixture
def letters(app: App) -> Letters:
    return Letters(app)


@pytest.fixture
async def client(app: App, letters: Letters) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        yield client


async def events(app: App, kind: str) -> list[dict[str, Any]]:
    await app.settled()
    rows = await app.storage.tables.query("audit20260101", audit_rows.LOG)
    return [json.loads(str(row.values["details"])) for row in rows if row.values.get("kind") == kind]


async def admin(app: App, client: httpx.AsyncClient) -> dict[str, str]:
    account = await register(client, ADMIN)
    await app.storage.tables.apply(USERS, account["user"]["id"], Merge(USER_KEY, {"role": "admin"}))
    return bearer((await login(client, ADMIN)).json()["access_token"])


async def owner(client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    found: str = (await client.get("/api/auth/me", headers=headers)).json()["id"]
    return found


async def patch(client: httpx.AsyncClient, headers: dict[str, str], user_id: str, **body: Any) -> httpx.Response:
    return await client.patch(f"/api/auth/users/{user_id}", json=body, headers=headers)


async def test_the_owner_is_told(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    client.headers.update(FIREFOX)
    _, _, headers = await enrolled(app, client)
    assert (await client.delete("/api/auth/mfa/totp", headers=headers)).status_code == 204
    assert (await client.delete("/api/auth/mfa/totp", headers=headers)).status_code == 404
    on, off = await letters.all("alert")
    assert {on.to, off.to} == {EMAIL}
    assert [mail.values["title"] for mail in (on, off)] == ["Two-step sign-in was switched on", "Two-step sign-in was switched off"]
    (address,) = {each["address"] for kind in ("mfa_enabled", "mfa_disabled") for each in await events(app, kind)}
    assert address
    for mail in (on, off):
        (paragraph,) = worded(mail.template, mail.values, "Lydian").paragraphs
        assert f"by Firefox on Linux at {address}." in paragraph
        assert "2026-01-01 at 00:00 UTC" in paragraph


async def test_a_wrong_first_code_tells_nobody(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    headers = bearer((await register(client, EMAIL))["access_token"])
    secret = (await client.post("/api/auth/mfa/totp", headers=headers)).json()["secret"]
    answer = await client.post("/api/auth/mfa/totp/confirm", json={"code": wrong(secret, app.clock)}, headers=headers)
    assert answer.status_code == 422
    assert await letters.all("alert") == []
    (failed,) = await events(app, "mfa_failed")
    assert failed["step"] == "confirm"
    assert failed["address"]


@pytest.mark.parametrize("also", [{}, {"disabled": True}])
async def test_an_administrator_removes_a_lost_factor(app: App, letters: Letters, client: httpx.AsyncClient, also: dict[str, Any]) -> None:
    _, recovery, headers = await enrolled(app, client)
    root, user_id = await admin(app, client), await owner(client, headers)
    pending = await mfa_token(client)
    answer = await patch(client, root, user_id, mfa_enabled=False, **also)
    assert (answer.status_code, answer.json()["mfa_enabled"], answer.json()["disabled"]) == (200, False, bool(also))
    assert await app.storage.tables.get(USERS, user_id, MFA_KEY) is None
    assert (await patch(client, root, user_id, mfa_enabled=False)).status_code == 200, "again"
    (event,) = await events(app, "mfa_disabled")
    assert event["by"] == await owner(client, root)
    assert event["address"]
    told = (await letters.all("alert"))[-1]
    assert (told.to, told.values["title"]) == (EMAIL, "Two-step sign-in was switched off")
    assert "by an administrator" in told.values["detail"]
    assert event["address"] not in told.values["detail"]
    assert len(await letters.all("alert")) == 2, "on, and off once"
    assert outcome(await second(client, pending, recovery[0])) == ("invalid_mfa_token" if also else "invalid_code")
    if not also:
        assert (await client.get("/api/auth/me", headers=headers)).status_code == 200
        assert (await login(client, EMAIL)).status_code == 200


async def test_a_code_used_meanwhile_saves_no_factor(app: App, client: httpx.AsyncClient) -> None:
    """Its row changes between our look and our batch, which is repeated."""
    _, _, headers = await enrolled(app, client)
    root, user_id = await admin(app, client), await owner(client, headers)
    used = 0

    def use(verb: str, table: str) -> None:
        nonlocal used
        if (verb, table) == ("write", USERS) and not used:
            used += 1
            app.storage.tables._run(USERS, user_id, [Merge(MFA_KEY, {"last_step": 1})])

    app.tables.before = use
    assert (await patch(client, root, user_id, mfa_enabled=False)).json()["mfa_enabled"] is False
    assert used
    assert await app.storage.tables.get(USERS, user_id, MFA_KEY) is None


async def test_nobody_else_removes_or_adds_one(app: App, client: httpx.AsyncClient) -> None:
    secret, _, headers = await enrolled(app, client)
    root, user_id = await admin(app, client), await owner(client, headers)
    assert (await patch(client, headers, user_id, mfa_enabled=False)).status_code == 403
    assert (await patch(client, root, "0" * 26, mfa_enabled=False)).json()["code"] == "user_not_found"
    for given in (True, "false"):
        answer = await patch(client, root, user_id, mfa_enabled=given)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), given
    assert (await patch(client, root, user_id, mfa_enabled=None)).status_code == 422, "nothing to change"
    assert outcome(await both(client, code(secret, app.clock))) == 200


async def test_where_it_came_from_is_in_the_trail(app: App, letters: Letters, client: httpx.AsyncClient) -> None:
    account = await register(client, EMAIL)
    headers, user_id, root = bearer(account["access_token"]), account["user"]["id"], await admin(app, client)
    token = next(mail for mail in await letters.all("verify_email") if mail.to == EMAIL).values["link"].partition("token=")[2]
    assert (await client.post("/api/auth/verify-email", json={"token": token})).status_code == 200
    body = {"current_password": "not the password", "new_password": "another good password"}
    assert (await client.post("/api/auth/change-password", json=body, headers=headers)).status_code == 403
    assert (await client.request("DELETE", "/api/auth/me", json={"password": "no"}, headers=headers)).status_code == 403
    assert (await client.post("/api/auth/logout", headers=headers)).status_code == 204
    for change in ({"role": "admin"}, {"disabled": True}, {"disabled": False}):
        assert (await patch(client, root, user_id, **change)).status_code == 200
    assert sorted(each["where"] for each in await events(app, "wrong_password")) == ["change_password", "delete_account"]
    for kind in ("email_verified", "wrong_password", "sign_out", "role_changed", "user_disabled", "user_enabled"):
        found = await events(app, kind)
        assert found, kind
        assert all(each["address"] for each in found), kind
    assert PASSWORD not in str(await app.storage.tables.query("audit20260101", limit=1000))
