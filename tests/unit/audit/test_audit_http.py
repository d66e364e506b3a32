"""GET /api/auth/audit: whose events, which of them, and who may ask."""

from typing import Any

import httpx
import pytest

from shared_code.clock import rfc3339
from tests.unit.apps import App, bearer, login, make_app, register

ADMIN = "admin@example.com"


@pytest.fixture
def app() -> App:
    return make_app(ENVIRONMENT="local", ADMIN_EMAILS=ADMIN)


async def events(client: httpx.AsyncClient, account: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    answer = await client.get("/api/auth/audit", params=params, headers=bearer(account["access_token"]))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_own_events_at_once_and_after_sealing(app: App, client: httpx.AsyncClient) -> None:
    ada = await register(client, "ada@example.com")
    await register(client, "bob@example.com")
    answer = await login(client, "ada@example.com", "not the password")
    listed = await events(client, ada)
    assert [event["kind"] for event in listed] == ["sign_in_failed", "register"]
    assert listed[0] == {
        "id": listed[0]["id"],
        "kind": "sign_in_failed",
        "user_id": ada["user"]["id"],
        "at": rfc3339(app.clock.now()),
        "details": {"address": "192.0.2.1"},
        "request_id": answer.headers["x-request-id"],
    }
    await app.container.audit_sealer.run()
    assert await events(client, ada) == listed
    await app.container.audit_sealer.sweep()
    assert await events(client, ada) == listed
    assert [event["kind"] for event in await events(client, ada, kind="register")] == ["register"]


async def test_an_administrator_sees_anybodys(client: httpx.AsyncClient) -> None:
    admin, ada = await register(client, ADMIN), await register(client)
    nobody = await login(client, "nobody@example.com")
    assert nobody.status_code == 401
    assert [event["user_id"] for event in await events(client, admin)] == [admin["user"]["id"]]
    assert [event["user_id"] for event in await events(client, admin, user_id=ada["user"]["id"])] == [ada["user"]["id"]]
    assert await events(client, admin, user_id="unknown/../x\0") == []
    everyones = await events(client, admin, scope="all")
    assert [(event["kind"], event["user_id"]) for event in everyones] == [
        ("sign_in_failed", None),
        ("register", ada["user"]["id"]),
        ("register", admin["user"]["id"]),
    ]
    assert await events(client, admin, scope="all", user_id=ada["user"]["id"]) == everyones[1:2]
    assert await events(client, admin, scope="all", kind="sign_in_failed") == everyones[:1]


async def test_who_may_not(client: httpx.AsyncClient) -> None:
    admin, ada = await register(client, ADMIN), await register(client)
    headers = bearer(ada["access_token"])
    for params in ({"user_id": admin["user"]["id"]}, {"scope": "all"}, {"scope": "all", "user_id": ada["user"]["id"]}):
        answer = await client.get("/api/auth/audit", params=params, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert len(await events(client, ada, user_id=ada["user"]["id"])) == 1
    assert (await client.get("/api/auth/audit")).status_code == 401


async def test_no_api_key_will_do(client: httpx.AsyncClient) -> None:
    ada = await register(client)
    made = await client.post("/api/auth/keys", json={"name": "k", "scopes": ["files"]}, headers=bearer(ada["access_token"]))
    assert made.status_code == 201
    answer = await client.get("/api/auth/audit", headers=bearer(made.json()["key"]))
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_pages(app: App, client: httpx.AsyncClient) -> None:
    ada = await register(client, "ada@example.com")
    for _ in range(4):
        await app.container.audit.record("odd", user_id=ada["user"]["id"])
    headers = bearer(ada["access_token"])
    seen, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/api/auth/audit", params=params, headers=headers)).json()
        seen += [event["id"] for event in page["items"]]
        if (following := page["next_cursor"]) is None:
            break
        cursor = following
    assert len(seen) == 5
    assert seen == sorted(set(seen), reverse=True)
    for params in ({"cursor": "x"}, {"cursor": cursor, "kind": "odd"}):
        answer = await client.get("/api/auth/audit", params=params, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_times(app: App, client: httpx.AsyncClient) -> None:
    ada = await register(client)
    [event] = await events(client, ada)
    app.clock.advance(60)
    later = rfc3339(app.clock.now())
    assert await events(client, ada, **{"from": event["at"], "to": later}) == [event]
    assert await events(client, ada, to=event["at"]) == []
    assert await events(client, ada, **{"from": later}) == []
    offset = {"from": event["at"].replace("Z", "+00:00"), "to": "2026-01-01T02:00:00+01:00"}
    assert await events(client, ada, **offset) == [event]


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "20260101T000000Z",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+23:00",
        "1767225600",
    ],
)
async def test_times_that_are_none(client: httpx.AsyncClient, name: str, text: str) -> None:
    ada = await register(client)
    answer = await client.get("/api/auth/audit", params={name: text}, headers=bearer(ada["access_token"]))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", name]


async def test_a_share_by_another_app_is_in_the_same_trail(app: App, client: httpx.AsyncClient) -> None:
    ada = await register(client)
    files = app.sibling(SERVICES="files")
    await files.container.audit.record("share_created", user_id=ada["user"]["id"], share_id="s")
    assert [event["kind"] for event in await events(client, ada)] == ["share_created", "register"]


async def test_the_timers(app: App) -> None:
    names = {function.get_function_name(): function for function in app.functions.get_functions()}
    await app.container.audit.record("odd", user_id="ada")
    for name in ("auth_seal_audit", "auth_audit_nightly"):
        await names[name].get_user_function()(None)
    from shared_code.audit.verify import Verifier

    report = await Verifier(app.storage.tables, app.clock, app.container.audit_signer).verify()
    assert (report.outcome, report.sealed) == ("intact", 1)
