"""All users, for administrators."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from shared_code.audit.trail import Filter
from shared_code.auth.tables import USER_KEY, USERS
from shared_code.auth.user_index import INDEX
from shared_code.errors import StorageUnavailable
from shared_code.storage.ports import Delete, Merge
from tests.unit.apps import PASSWORD, App, bearer, login, make_app, me, refresh, register

ADMIN = "root@example.com"


async def sign_in(client: httpx.AsyncClient, email: str) -> dict[str, str]:
    answer = await login(client, email)
    assert answer.status_code == 200, answer.text
    return bearer(answer.json()["access_token"])


@pytest.fixture
async def admin(app: App, client: httpx.AsyncClient) -> dict[str, str]:
    account = await register(client, ADMIN)
    await app.storage.tables.apply(USERS, account["user"]["id"], Merge(USER_KEY, {"role": "admin"}))
    return await sign_in(client, ADMIN)


async def listed(client: httpx.AsyncClient, admin: dict[str, str], **query: Any) -> tuple[list[str], str | None]:
    answer = await client.get("/api/auth/users", params=query, headers=admin)
    assert answer.status_code == 200, answer.text
    return [item["email"] for item in answer.json()["items"]], answer.json()["next_cursor"]


async def patch(client: httpx.AsyncClient, admin: dict[str, str], user_id: str, **body: Any) -> httpx.Response:
    return await client.patch(f"/api/auth/users/{user_id}", json=body, headers=admin)


async def kinds(app: App, user_id: str) -> list[tuple[str, Any]]:
    page = await app.container.audit_trail.own(user_id, Filter(), after=None, limit=50)
    return [(event.kind, event.details.get("by")) for event in page.events]


async def test_newest_first_and_page_by_page(app: App, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    for name in "abc":
        app.clock.advance(1)
        await register(client, f"{name}@example.com")
    assert await listed(client, admin, limit=2) == (["c@example.com", "b@example.com"], (await listed(client, admin, limit=2))[1])
    _, cursor = await listed(client, admin, limit=2)
    assert await listed(client, admin, limit=2, cursor=cursor) == (["a@example.com", ADMIN], None)
    answer = await client.get("/api/auth/users", params={"cursor": cursor, "email": "a"}, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_what_is_shown_of_a_user(app: App, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    user = (await register(client, "ada@example.com", name="Ada"))["user"]
    app.clock.advance(60)
    await login(client, "ada@example.com")
    answer = await client.get("/api/auth/users", params={"limit": 1}, headers=admin)
    assert answer.headers["cache-control"] == "no-store"
    shown = {**user, "disabled": False, "last_sign_in_at": "2026-01-01T00:01:00.000Z", "provider": None}
    assert answer.json()["items"] == [shown]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("ad", ["ada@example.com", "adam@example.com"]),
        (" ADA", ["ada@example.com", "adam@example.com"]),
        ("ada@", ["ada@example.com"]),
        ("ａdam", ["adam@example.com"]),
        ("x!?#/%@", ["X!?#/%@example.com"]),
        ("z", []),
        ("c:", []),
        ("/" * 320, []),
        ("\ud800", []),
    ],
)
async def test_a_search(client: httpx.AsyncClient, admin: dict[str, str], prefix: str, found: list[str]) -> None:
    for email in ("adam@example.com", "ada@example.com", "bob@example.com", "X!?#/%@example.com"):
        await register(client, email)
    query = quote(prefix.encode("utf-8", "surrogatepass"))
    answer = await client.get(f"/api/auth/users?email={query}", headers=admin)
    assert answer.status_code == 200, answer.text
    assert [item["email"] for item in answer.json()["items"]] == found


async def test_a_search_goes_on_behind_the_longest_address(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    domain = ".".join(["d" * 60] * 3)
    longest = ["!" * 63 + letter + "@" + domain for letter in "ab"]
    for email in longest:
        await register(client, email)
    first, cursor = await listed(client, admin, email="!", limit=1)
    assert cursor is not None
    assert first + (await listed(client, admin, email="!", limit=1, cursor=cursor))[0] == longest


async def test_who_may_ask(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    nobody = bearer((await register(client))["access_token"])
    for headers, status in ((nobody, 403), ({}, 401)):
        assert (await client.get("/api/auth/users", headers=headers)).status_code == status
        assert (await patch(client, headers, "0" * 26, role="admin")).status_code == status
    made = await client.post("/api/auth/keys", json={"name": "k", "scopes": ["monitoring"]}, headers=admin)
    answer = await client.get("/api/auth/users", headers=bearer(made.json()["key"]))
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_a_registration_whose_listing_failed_is_repaired_at_night(app: App, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    def fail(verb: str, table: str) -> None:
        if table == INDEX:
            raise StorageUnavailable("down")

    app.tables.before = fail
    await register(client, "ada@example.com")
    app.tables.before = lambda verb, table: None
    assert await listed(client, admin) == ([ADMIN], None)
    assert (await app.container.auth_purge.run())["indexed"] == 1
    assert await listed(client, admin) == (["ada@example.com", ADMIN], None)
    assert (await app.container.auth_purge.run())["indexed"] == 0


async def test_what_leads_nowhere_is_passed_over_and_removed(app: App, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    gone = (await register(client, "gone@example.com"))["user"]["id"]
    await app.storage.tables.apply(USERS, gone, Delete(USER_KEY))
    first, cursor = await listed(client, admin, limit=1)
    assert first == []
    assert await listed(client, admin, limit=1, cursor=cursor) == ([ADMIN], None)
    assert await listed(client, admin, email="gone") == ([], None)
    assert len(await app.storage.tables.query(INDEX)) == 2


async def test_disabling_ends_everything_and_can_be_undone(app: App, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    account = await register(client, "ada@example.com")
    user_id, own = account["user"]["id"], bearer(account["access_token"])
    key = bearer((await client.post("/api/auth/keys", json={"name": "k", "scopes": ["files"]}, headers=own)).json()["key"])
    assert (await client.get("/api/files", headers=key)).status_code == 200
    answer = await patch(client, admin, user_id, disabled=True)
    assert (answer.status_code, answer.json()["disabled"]) == (200, True)
    assert (await me(client, account["access_token"])).status_code == 401
    assert (await refresh(client, account["refresh_token"])).status_code == 401
    assert (await login(client, "ada@example.com")).json()["code"] == "invalid_credentials"
    assert (await client.get("/api/files", headers=key)).status_code == 401, "although it was looked up just now"
    assert (await patch(client, admin, user_id, disabled=True)).status_code == 200, "again"
    assert (await patch(client, admin, user_id, disabled=False)).json()["disabled"] is False
    assert (await client.get("/api/files", headers=key)).status_code == 200
    assert (await login(client, "ada@example.com")).status_code == 200
    root = (await client.get("/api/auth/me", headers=admin)).json()["id"]
    assert [each for each in await kinds(app, user_id) if "abled" in each[0]] == [("user_enabled", root), ("user_disabled", root)]


async def test_a_role_comes_with_the_next_token_and_goes_with_the_session(
    app: App, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    account = await register(client, "ada@example.com")
    user_id = account["user"]["id"]
    assert (await patch(client, admin, user_id, role="admin")).json()["role"] == "admin"
    promoted = await refresh(client, account["refresh_token"])
    other = bearer(promoted.json()["access_token"])
    assert (await client.get("/api/auth/users", headers=other)).status_code == 200
    assert (await patch(client, admin, user_id, role="user")).json()["role"] == "user"
    assert (await client.get("/api/auth/users", headers=other)).status_code == 401, "its token says admin for 15 minutes"
    assert (await client.get("/api/auth/users", headers=await sign_in(client, "ada@example.com"))).status_code == 403
    assert [kind for kind, _ in await kinds(app, user_id)].count("role_changed") == 2


async def test_a_sign_in_that_was_decided_before_a_demotion_has_the_new_role(
    app: App, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    """Its batch meets the change and is repeated: not with the role that was read before."""
    user_id = (await register(client, "ada@example.com"))["user"]["id"]
    await patch(client, admin, user_id, role="admin")
    other = app.sibling()
    demoted = False

    def demote(verb: str, table: str) -> None:
        nonlocal demoted
        if (verb, table) == ("write", USERS) and not demoted:
            demoted = True
            other.storage.tables._run(USERS, user_id, [Merge(USER_KEY, {"role": "user"})])

    app.tables.before = demote
    headers = await sign_in(client, "ada@example.com")
    assert demoted
    assert (await client.get("/api/auth/users", headers=headers)).status_code == 403


async def test_not_oneself(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    root = (await client.get("/api/auth/me", headers=admin)).json()["id"]
    for body in ({"disabled": True}, {"role": "user"}, {"role": "admin", "disabled": True}):
        answer = await patch(client, admin, root, **body)
        assert (answer.status_code, answer.json()["code"]) == (409, "cannot_change_self")
    assert (await patch(client, admin, root, role="admin", disabled=False)).status_code == 200


@pytest.mark.parametrize("body", [{}, {"role": None}, {"role": "root"}, {"disabled": "yes"}, {"disabled": 1}, {"email": "x@y.z"}])
async def test_what_cannot_be_asked(client: httpx.AsyncClient, admin: dict[str, str], body: dict[str, Any]) -> None:
    user_id = (await register(client))["user"]["id"]
    answer = await patch(client, admin, user_id, **body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), answer.text
    assert answer.json()["errors"]


@pytest.mark.parametrize("body", [{"role": "admin"}, {"role": "user"}, {"disabled": True}, {"disabled": False}])
async def test_an_unknown_user(client: httpx.AsyncClient, admin: dict[str, str], body: dict[str, Any]) -> None:
    answer = await patch(client, admin, "0" * 26, **body)
    assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")


async def test_whom_the_settings_promote_nobody_demotes() -> None:
    app = make_app(ENVIRONMENT="local", ADMIN_EMAILS="root@example.com,ada@example.com")
    async with app.client() as client:
        admin = bearer((await register(client, ADMIN))["access_token"])
        ada = (await register(client, "ada@example.com"))["user"]
        assert ada["role"] == "admin"
        answer = await patch(client, admin, ada["id"], role="user")
        assert (answer.status_code, answer.json()["code"]) == (409, "role_is_configured")
        assert (await client.post("/api/auth/login", json={"email": "ada@example.com", "password": PASSWORD})).status_code == 200


@pytest.mark.parametrize("identifier", ["x" * 600, "nobody", "%2e%2e", "é" * 300])
async def test_what_is_no_id_is_nobodys(client: httpx.AsyncClient, admin: dict[str, str], identifier: str) -> None:
    answer = await client.patch(f"/api/auth/users/{identifier}", json={"role": "user"}, headers=admin)
    assert answer.status_code == 404
