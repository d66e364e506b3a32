"""The probe timer, /health, and what monitoring shows of it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from shared_code.errors import StorageUnavailable
from tests.unit.apps import App, bearer, make_app, register


@pytest_asyncio.fixture
async def user(app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        client.headers.update(bearer((await register(client))["access_token"]))
        yield client


def failing(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def put(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("blobs do not answer")

    monkeypatch.setattr(app.storage.blobs, "put", put)


async def minutes(app: App, number: int) -> None:
    for _ in range(number):
        await app.container.prober.run()
        app.clock.advance(60)


async def test_before_the_first_probe(user: httpx.AsyncClient) -> None:
    assert (await user.get("/api/monitoring/health")).json() == {"status": "no_data", "services": {}, "dependencies": {}}
    found = (await user.get("/api/monitoring/uptime")).json()
    assert found == {"window": "24h", "step_seconds": 900, "checks": [], "incidents": []}


async def test_every_service_and_dependency(app: App, user: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await app.container.prober.run()
    found = (await user.get("/api/monitoring/health")).json()
    assert set(found["dependencies"]) == {"blob", "table", "queue"}
    assert {"auth", "files", "mail"} <= set(found["services"])
    assert "payments" not in found["services"], "it is not configured"
    assert found["status"] == "ok"
    assert found["dependencies"]["blob"] | {"latency_ms": 0} == {
        "status": "ok", "probed_at": "2026-01-01T00:00:00.000Z", "latency_ms": 0, "detail": None, "down_since": None,
    }  # fmt: skip
    failing(app, monkeypatch)
    app.clock.advance(60)
    await minutes(app, 2)
    found = (await user.get("/api/monitoring/health")).json()
    assert found["status"] == "down"
    assert found["services"]["files"]["down_since"] == "2026-01-01T00:01:00.000Z"
    assert found["services"]["auth"]["status"] == "ok"
    app.clock.advance(180)
    found = (await user.get("/api/monitoring/health")).json()
    assert {each["status"] for each in found["services"].values()} == {"no_data"}


async def test_uptime_and_incidents(app: App, user: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await minutes(app, 8)
    with monkeypatch.context() as patched:
        failing(app, patched)
        await minutes(app, 2)
    app.clock.advance(240)
    for window, points in (("24h", 96), ("7d", 84), ("30d", 90), ("90d", 90)):
        found = (await user.get("/api/monitoring/uptime", params={"window": window})).json()
        checks = {check["check"]: check for check in found["checks"]}
        blob = checks["blob"]
        assert (blob["uptime_percent"], blob["samples"], blob["no_data_minutes"], len(blob["series"])) == (80, 10, 4, points)
        assert {key: sum(point[key] for point in blob["series"]) for key in ("up", "down", "no_data")} == {"up": 8, "down": 2, "no_data": 4}
        assert checks["table"]["uptime_percent"] == 100
        assert ([each["check"] for each in blob["incidents"]], checks["table"]["incidents"]) == (["blob"], [])
        assert {(incident["check"], incident["kind"], incident["ended_at"]) for incident in found["incidents"]} == {
            ("blob", "dependency", None),
            ("files", "service", None),
        }
    assert (await user.get("/api/monitoring/uptime", params={"window": "1y"})).status_code == 422


@pytest.mark.parametrize("path", ["/api/monitoring/health", "/api/monitoring/uptime"])
async def test_any_caller_may_look(app: App, user: httpx.AsyncClient, path: str) -> None:
    assert (await user.get(path)).status_code == 200
    for scope, status in (("monitoring", 200), ("files", 403)):
        key = (await user.post("/api/auth/keys", json={"name": "k", "scopes": [scope]})).json()["key"]
        async with app.client(headers=bearer(key)) as keyed:
            assert (await keyed.get(path)).status_code == status
    async with app.client() as nobody:
        assert (await nobody.get(path)).status_code == 401


async def test_health_reports_the_last_probe(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("functions.common.health.time.monotonic", lambda: now)

    async def services(client: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
        nonlocal now
        now += 11
        calls = len(app.tables.calls)
        found = (await client.get("/health")).json()
        assert len(app.tables.calls) == calls + 1
        return found["status"], found["services"]

    async with app.client() as client:
        await minutes(app, 1)
        status, found = await services(client)
        assert (status, found["files"]) == ("ok", {"status": "ok"})
        assert found["payments"]["status"] == "not_configured"
        failing(app, monkeypatch)
        await minutes(app, 1)
        status, found = await services(client)
        assert (status, found["files"]) == ("degraded", {"status": "down", "detail": "blob: blobs do not answer"})
        assert found["auth"] == {"status": "ok"}
        app.clock.advance(180)
        status, found = await services(client)
        assert (status, found["auth"]) == ("degraded", {"status": "unknown", "detail": "not probed since 2026-01-01T00:01:00.000Z"})


async def test_six_apps_probe_their_own_and_monitoring_shows_all() -> None:
    app = make_app(SERVICES="monitoring")
    nowhere = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_API_BASE": "http://127.0.0.1:9"}
    apps = [app, app.sibling(SERVICES="files"), app.sibling(SERVICES="payments", **nowhere)]
    for each in apps:
        assert await each.container.prober.run() is not None
    records = {record.check: record.status for record in await app.container.probe_board.records()}
    assert records == {
        "blob": "ok", "table": "ok", "queue": "ok", "stripe": "down", "files": "ok", "mail": "ok", "monitoring": "ok", "payments": "down",
    }  # fmt: skip
    async with apps[1].client() as client:
        assert (await client.get("/health")).json()["services"] == {"files": {"status": "ok"}}
    async with apps[2].client() as client:
        assert (await client.get("/health")).json()["services"]["payments"]["status"] == "down"
        ready = (await client.get("/health/ready")).json()
        assert (ready["status"], ready["checks"]["stripe"]["status"], ready["checks"]["storage"]["status"]) == ("degraded", "down", "ok")
