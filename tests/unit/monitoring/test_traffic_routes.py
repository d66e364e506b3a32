"""Service levels and resources over HTTP: who may look, and what is shown."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.unit.apps import App, bearer, make_app, register

Admin = tuple[App, httpx.AsyncClient]
ROUTES = ["/api/monitoring/slo", "/api/monitoring/resources"]


@pytest_asyncio.fixture
async def admin() -> AsyncIterator[Admin]:
    app = make_app(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com")
    async with app.client() as client:
        client.headers.update(bearer((await register(client, "admin@example.com"))["access_token"]))
        yield app, client


@pytest.mark.parametrize("path", ROUTES)
async def test_for_administrators_only(admin: Admin, path: str) -> None:
    app, client = admin
    assert (await client.get(path)).status_code == 200
    async with app.client() as other:
        assert (await other.get(path)).status_code == 401
        other.headers.update(bearer((await register(other))["access_token"]))
        answer = await other.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    for scope, status in (("monitoring", 200), ("files", 403)):
        made = await client.post("/api/auth/keys", json={"name": "k", "scopes": [scope]})
        async with app.client(headers=bearer(made.json()["key"])) as keyed:
            assert (await keyed.get(path)).status_code == status


async def test_service_levels(admin: Admin) -> None:
    app, client = admin
    empty = (await client.get("/api/monitoring/slo")).json()
    assert empty["budget"] == {"window_days": 30, "requests": 0, "errors": 0, "allowed_errors": 0.0, "left": None}
    assert (empty["objective"], empty["days"], empty["burn_rates"]) == (99.9, [], {"1h": None, "6h": None, "30d": None})
    for _ in range(8):
        await client.get("/api/auth/me")
    app.clock.advance(60)
    await app.container.traffic.flush()
    shown = (await client.get("/api/monitoring/slo")).json()
    assert (shown["budget"]["errors"], shown["budget"]["left"], shown["burn_rates"]["1h"]) == (0, 1.0, 0.0)
    (day,) = shown["days"]
    assert day["day"] == "2026-01-01"
    assert day["total"]["requests"] == 10
    assert day["total"]["cold_starts"] == 1
    assert (day["functions"][0]["function"], day["functions"][0]["route"]) == ("auth_get_me", "GET /api/auth/me")
    assert day["total"]["route"] is None
    assert day["functions"][0]["requests"] == 8
    assert 0 < day["functions"][0]["p50_ms"] <= day["functions"][0]["p99_ms"]
    await client.get("/api/auth/me")
    assert (await client.get("/api/monitoring/slo")).json()["as_of"] == shown["as_of"], "half a minute old at most"
    for days in ("0", "31", "many"):
        assert (await client.get("/api/monitoring/slo", params={"days": days})).status_code == 422


async def test_resources_of_this_process_and_of_all(admin: Admin) -> None:
    app, client = admin
    other = app.sibling(SERVICES="files")
    await other.container.instances.register()
    found = (await client.get("/api/monitoring/resources")).json()
    assert found["instance_id"] == app.container.instance_id
    assert found["memory_bytes"] > 0
    shown = {instance["instance_id"]: instance for instance in found["instances"]}
    assert shown.keys() == {app.container.instance_id, other.container.instance_id}
    assert shown[other.container.instance_id]["services"] == ["files"]
    assert shown[app.container.instance_id]["resources"]["threads"] == found["threads"]


async def test_the_timer(admin: Admin) -> None:
    app, client = admin
    await client.get("/api/auth/me")
    app.clock.advance(300)
    await app.container.traffic.flush()
    (timer,) = [each for each in app.functions.get_functions() if each.get_function_name() == "monitoring_sum_traffic"]
    for _ in range(2):
        await timer.get_user_function()(None)
    row = await app.storage.tables.get("traffichistory", "days", "20260101")
    assert row is not None
    assert row.values["requests"] == 2
    assert len(await app.container.instances.alive()) == 1
