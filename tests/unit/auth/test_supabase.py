"""Supabase's tokens: its keys over real HTTP, and whose account a token means."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared_code.auth import jwks_http
from shared_code.auth.identities import IDENTITIES, IDENTITY_KEY, Identities
from shared_code.auth.tables import EMAILS, USER_KEY, USERS
from shared_code.clock import ManualClock
from shared_code.settings import SettingsError
from shared_code.storage.ports import Delete, Merge
from shared_code.web.endpoint import Endpoint
from tests.supabase import Project, new_key, supabase
from tests.unit.apps import App, bearer, login, make_app, me, register, settings_of, until

SUBJECT = "7d7d1f5e-6f3c-4b43-9a54-000000000001"


class Rig:
    def __init__(self, app: App, project: Project, client: httpx.AsyncClient) -> None:
        self.app, self.project, self.client = app, project, client

    async def status(self, token: str) -> tuple[int, str | None]:
        answer = await me(self.client, token)
        return answer.status_code, answer.json().get("code")

    async def user(self, token: str) -> dict[str, Any]:
        answer = await me(self.client, token)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def changed_elsewhere(self, user: dict[str, Any], **values: Any) -> None:
        await self.app.container.notices.post(user["id"])
        await self.app.storage.tables.apply(USERS, user["id"], Merge(USER_KEY, values))

    async def users(self) -> list[str]:
        return [row.partition for row in await self.app.storage.tables.query(USERS) if row.key == USER_KEY]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    clock = ManualClock()
    async with supabase(clock) as project:
        app = make_app(clock=clock, SUPABASE_URL=project.url, ADMIN_EMAILS="ada@example.com")
        async with app.client() as client:
            yield Rig(app, project, client)


OK = (200, None)
INVALID = (401, "invalid_token")
DOWN = (503, "supabase_unavailable")


# --- keys ------------------------------------------------------------------------------------------------------------


async def test_one_fetch_for_ten_minutes(rig: Rig) -> None:
    answers = await asyncio.gather(*(rig.status(rig.project.token()) for _ in range(5)))
    assert answers == [OK] * 5
    rig.app.clock.advance(599)
    assert await rig.status(rig.project.token()) == OK
    assert rig.project.asked == 1
    rig.app.clock.advance(1)
    assert await rig.status(rig.project.token()) == OK
    assert rig.project.asked == 2


async def test_rotation(rig: Rig) -> None:
    """A new key is found at once, the withdrawn one stops within ten minutes, also for tokens that were verified before."""
    token = rig.project.token()
    assert await rig.status(token) == OK
    rig.app.clock.advance(11)
    rig.project.keys.insert(0, new_key())
    assert await rig.status(rig.project.token()) == OK
    assert await rig.status(token) == OK
    del rig.project.keys[1]
    rig.app.clock.advance(600)
    assert await rig.status(token) == INVALID
    assert await rig.status(rig.project.token()) == OK


async def test_the_same_name_with_another_key(rig: Rig) -> None:
    token, old = rig.project.token(), rig.project.keys[0]
    assert await rig.status(token) == OK
    other = new_key()
    renamed = json.dumps({"keys": [{**other.jwk, "kid": old.kid}]}).encode()
    rig.project.body = renamed
    rig.app.clock.advance(600)
    assert await rig.status(token) == INVALID


async def test_unknown_keys_ask_every_ten_seconds_at_most(rig: Rig) -> None:
    stranger = new_key()
    assert [await rig.status(rig.project.token(stranger)) for _ in range(5)] == [INVALID] * 5
    assert rig.project.asked == 1
    rig.app.clock.advance(10)
    assert [await rig.status(rig.project.token(stranger)) for _ in range(5)] == [INVALID] * 5
    assert rig.project.asked == 2


async def test_down_from_the_start(rig: Rig) -> None:
    rig.project.status = 502
    answer = await me(rig.client, rig.project.token())
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "supabase_unavailable", "10")
    own = (await register(rig.client))["access_token"]
    assert await rig.status(own) == OK, "ours do not depend on it"
    assert await rig.status(rig.project.token()) == DOWN
    assert rig.project.asked == 1
    rig.project.status = 200
    rig.app.clock.advance(10)
    assert await rig.status(rig.project.token()) == OK


async def test_down_for_a_day(rig: Rig) -> None:
    assert await rig.status(rig.project.token()) == OK
    rig.project.status = 500
    for _ in range(3):
        rig.app.clock.advance(8 * 3600 - 1)
        assert await rig.status(rig.project.token()) == OK
    assert await rig.status(rig.project.token(new_key())) == DOWN, "it may be a key that we could not hear of"
    rig.app.clock.advance(3)
    assert await rig.status(rig.project.token()) == DOWN


async def test_slow_and_known(rig: Rig) -> None:
    """Those who need the answer wait together; once it is known to be ill, nobody with a known key waits."""
    token = rig.project.token()
    assert await rig.status(token) == OK
    rig.project.status = 500
    rig.app.clock.advance(600)
    assert await rig.status(token) == OK
    rig.project.gate.clear()
    rig.project.status = 200
    rig.app.clock.advance(10)
    assert [await rig.status(token) for _ in range(3)] == [OK] * 3
    await until(lambda: rig.project.asked == 3)
    waiting = asyncio.ensure_future(rig.status(rig.project.token(new_key())))
    rig.project.gate.set()
    assert await waiting == INVALID
    assert rig.project.asked == 3


async def test_too_slow(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_http, "TOTAL_SECONDS", 0.05)
    rig.project.gate.clear()
    assert await rig.status(rig.project.token()) == DOWN


async def test_nobody_there(rig: Rig) -> None:
    app = rig.app.sibling(SUPABASE_URL="http://127.0.0.1:9")
    rig.project.url = "http://127.0.0.1:9"
    async with app.client() as client:
        assert (await me(client, rig.project.token())).json()["code"] == "supabase_unavailable"


GARBAGE = {
    "no JSON": b"<html>Bad gateway</html>",
    "no UTF-8": b"\xff\xfe\xfd",
    "a list": b"[]",
    "no list": b'{"keys": {"a": 1}}',
    "too deep": b'{"keys":' * 30_000,
    "too large": b'{"keys": [' + b" " * jwks_http.MAX_BYTES + b"]}",
    "a redirect": None,
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_no_answer(rig: Rig, name: str) -> None:
    assert await rig.status(rig.project.token()) == OK
    rig.project.keys.append(added := new_key())
    rig.project.body = GARBAGE[name]
    rig.project.status = 302 if name == "a redirect" else 200
    rig.app.clock.advance(600)
    assert await rig.status(rig.project.token()) == OK, "what was known serves on"
    assert await rig.status(rig.project.token(added)) == DOWN


async def test_one_broken_key_does_not_spoil_the_others(rig: Rig) -> None:
    good = dict(rig.project.keys[0].jwk)
    broken: list[Any] = [7, {}, {"kid": 1}, {**good, "kid": "x", "x": "AAAA"}, {**good, "kid": "y", "kty": "RSA"}, {**good, "use": "enc"}]
    rig.project.body = json.dumps({"keys": [*broken, {**good, "key_ops": ["verify"], "ext": True}]}).encode()
    assert await rig.status(rig.project.token()) == OK


# --- accounts --------------------------------------------------------------------------------------------------------


async def test_first_sight_makes_an_account(rig: Rig) -> None:
    user = await rig.user(rig.project.token(sub=SUBJECT))
    assert user == {
        "id": user["id"],
        "email": "ada@example.com",
        "name": None,
        "role": "user",
        "email_verified": False,
        "mfa_enabled": False,
        "created_at": "2026-01-01T00:00:00.000Z",
    }
    assert await rig.user(rig.project.token(sub=SUBJECT, email="other@example.com")) == user
    assert (await rig.user(rig.project.token()))["id"] != user["id"]
    assert await rig.app.storage.tables.query(EMAILS) == []
    async with rig.app.sibling(SUPABASE_URL=rig.project.url).client() as other:
        assert (await me(other, rig.project.token(sub=SUBJECT))).json() == user


async def test_many_at_once_make_one_account(rig: Rig) -> None:
    apps = [rig.app, *(rig.app.sibling(SUPABASE_URL=rig.project.url) for _ in range(3))]

    async def ask(app: App) -> str:
        async with app.client() as client:
            return str((await me(client, rig.project.token(sub=SUBJECT))).json()["id"])

    found = set(await asyncio.gather(*(ask(app) for app in apps for _ in range(3))))
    assert len(found) == 1
    assert await rig.users() == list(found), "the losers' accounts are gone"
    assert len(await rig.app.storage.tables.query(USERS)) == 2


async def test_who_comes_second_leaves_nothing_behind(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    identities = Identities(rig.app.storage.tables, rig.app.clock, rig.app.container.audit)
    first, real, looks = await identities.user_id("supabase", SUBJECT, ""), identities._find, [1]

    async def too_early(identity: str) -> str | None:
        return None if looks and looks.pop() else await real(identity)

    monkeypatch.setattr(identities, "_find", too_early)
    assert await identities.user_id("supabase", SUBJECT, "") == first
    assert await rig.users() == [first]
    assert len(await rig.app.storage.tables.query(USERS)) == 2


async def test_an_address_joins_nobody(rig: Rig) -> None:
    """Who signs up over there with somebody's address gets neither his account nor his address, nor his rights."""
    victim = await register(rig.client, "ada@example.com")
    guest = await rig.user(rig.project.token())
    assert guest["id"] != victim["user"]["id"]
    assert guest["role"] == "user"
    assert (await login(rig.client, "ada@example.com")).json()["user"]["id"] == victim["user"]["id"]
    local = rig.app.sibling(SUPABASE_URL=rig.project.url, ENVIRONMENT="local", ADMIN_EMAILS="ada@example.com")
    async with local.client() as client:
        assert (await me(client, rig.project.token())).json()["role"] == "user", "nor where unverified addresses count"


async def test_nobody_signs_in_with_a_password_to_such_an_account(rig: Rig) -> None:
    await rig.user(rig.project.token())
    for password in ("", "correct horse battery"):
        assert (await login(rig.client, "ada@example.com", password)).status_code in (401, 422)


async def test_the_role_is_our_rows(rig: Rig) -> None:
    token = rig.project.token(sub=SUBJECT, role="service_role")
    user = await rig.user(token)
    path = "/api/files/stats?scope=all"
    assert (await rig.client.get(path, headers=bearer(token))).status_code == 403
    await rig.changed_elsewhere(user, role="admin")
    rig.app.clock.advance(5)
    assert (await rig.client.get(path, headers=bearer(token))).status_code == 200


async def test_disabled_within_five_seconds(rig: Rig) -> None:
    token = rig.project.token()
    user = await rig.user(token)
    await rig.changed_elsewhere(user, disabled=True)
    rig.app.clock.advance(5)
    assert await rig.status(token) == INVALID
    assert len(await rig.users()) == 1


async def test_a_deleted_account_stays_closed_until_the_purge(rig: Rig) -> None:
    token = rig.project.token(sub=SUBJECT, exp=int(rig.app.clock.now().timestamp()) + 9999)
    user = await rig.user(token)
    await rig.app.storage.tables.batch(USERS, user["id"], [Delete(USER_KEY), Delete(IDENTITY_KEY)])
    rig.app.clock.advance(5)
    assert await rig.status(token) == INVALID
    rig.app.clock.advance(3600)
    assert (await rig.app.container.auth_purge.run())["identities"] == 1
    assert (await rig.user(token))["id"] != user["id"]


async def test_an_account_that_another_process_removed_wholly(rig: Rig) -> None:
    """Whose account it was is remembered here for an hour, but not believed."""
    token = rig.project.token(sub=SUBJECT)
    user = await rig.user(token)
    await rig.app.container.notices.post(user["id"])
    await rig.app.storage.tables.batch(USERS, user["id"], [Delete(USER_KEY), Delete(IDENTITY_KEY)])
    await rig.app.storage.tables.apply(IDENTITIES, f"supabase:{SUBJECT}", Delete(IDENTITY_KEY))
    rig.app.clock.advance(5)
    assert (await rig.user(token))["id"] != user["id"]


@pytest.mark.parametrize("email", [None, "", "no address", "a@b\r\nBcc: c@d", 7, ["a@example.com"]], ids=repr)
async def test_no_address(rig: Rig, email: Any) -> None:
    """Who signed in over there with a phone has none; what is none is not kept."""
    assert (await rig.user(rig.project.token(email=email)))["email"] == ""


async def test_the_purge_keeps_them_and_collects_what_was_cut_off(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await rig.user(rig.project.token())

    async def killed(*_: object) -> None:
        raise asyncio.CancelledError

    tables, identities = rig.app.storage.tables, Identities(rig.app.storage.tables, rig.app.clock, rig.app.container.audit)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "apply", killed)  # between the account and its identity
        with pytest.raises(asyncio.CancelledError):
            await identities.user_id("supabase", "cut", "")
    assert len(await rig.users()) == 2
    assert (await rig.app.container.auth_purge.run())["accounts"] == 0, "it may be happening now"
    rig.app.clock.advance(3600)
    assert (await rig.app.container.auth_purge.run())["accounts"] == 1
    await rig.app.container.auth_purge.run()
    assert await rig.users() == [kept["id"]]
    assert len(await tables.query(USERS)) == 2
    assert len(await tables.query(IDENTITIES)) == 1


async def test_what_it_may_do(rig: Rig) -> None:
    """All that a person may; there is no session of ours to sign out of."""
    token = rig.project.token()
    assert (await rig.client.get("/api/files", headers=bearer(token))).status_code == 200
    assert (await rig.client.patch("/api/auth/me", json={"name": "Ada"}, headers=bearer(token))).json()["name"] == "Ada"
    made = await rig.client.post("/api/auth/keys", json={"name": "k", "scopes": ["files"]}, headers=bearer(token))
    assert (await rig.client.get("/api/files", headers=bearer(made.json()["key"]))).status_code == 200
    answer = await rig.client.post("/api/auth/logout", headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (409, "no_session")


@pytest.mark.parametrize(("url", "good"), [("http://x.supabase.co", False), ("https://x.supabase.co/", True)])
def test_production_asks_for_https(url: str, good: bool) -> None:
    environ = {
        "ENVIRONMENT": "production",
        "PUBLIC_BASE_URL": "https://a.example",
        "AZURE_STORAGE_ACCOUNT_URL": "https://a.blob.core.windows.net",
        "SUPABASE_URL": url,
    }
    if good:
        assert settings_of(**environ).supabase_url == "https://x.supabase.co"
    else:
        with pytest.raises(SettingsError, match="SUPABASE_URL must be https"):
            settings_of(**environ)


async def test_no_route_trips_over_a_caller_without_a_session(rig: Rig) -> None:
    routes = [route for route in rig.app.web.router.routes if isinstance(route, Endpoint) and route.needs_caller]
    assert len(routes) > 20
    for route in routes:
        path = re.sub(r"\{\w+\}", "0" * 26, route.path)
        for method in route.methods or ():
            headers = bearer(rig.project.token())  # each a new account: one route may delete it
            for content in (None, b"{}"):
                answer = await rig.client.request(method, path, headers=headers, content=content)
                assert answer.status_code not in (401, 500), f"{method} {path}: {answer.text}"


async def test_without_the_setting_it_is_any_other_token(rig: Rig) -> None:
    async with rig.app.sibling().client() as client:
        assert (await me(client, rig.project.token())).json()["code"] == "invalid_token"
    assert rig.project.asked == 0
