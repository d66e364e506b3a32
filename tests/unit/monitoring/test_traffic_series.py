"""Traffic over time: what the store has added up, slot by slot."""

from datetime import datetime, timedelta

import httpx

from shared_code.monitoring import histogram
from shared_code.monitoring.traffic_rows import Key, Series, Traffic, pack
from shared_code.monitoring.traffic_store import HISTORY, HOURS, SLOTS
from shared_code.storage.daily import table_for
from shared_code.storage.ports import Upsert
from tests.unit.apps import App, bearer, make_app, register


def counted(seconds: float, requests: int, errors: int = 0) -> Traffic:
    latency = {histogram.bucket_of(seconds): requests}
    traffic: Traffic = {Key("files_list", "GET", 2, "plain"): Series(requests, 0, latency)}
    if errors:
        traffic[Key("files_list", "GET", 5, "stream")] = Series(errors, 0, {histogram.bucket_of(9): errors})
    return traffic


async def slot(app: App, at: datetime, traffic: Traffic) -> None:
    await app.storage.tables.apply(table_for("traffic", at), SLOTS, Upsert(f"{at:%H%M}", pack(traffic)))


async def hour(app: App, at: datetime, traffic: Traffic) -> None:
    await app.storage.tables.apply(HISTORY, HOURS, Upsert(f"{at:%Y%m%d%H}", pack(traffic)))


async def administrator(app: App, client: httpx.AsyncClient) -> None:
    client.headers.update(bearer((await register(client, "admin@example.com"))["access_token"]))


async def test_a_day_and_a_week() -> None:
    app = make_app(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com")
    now = app.clock.now()
    await slot(app, now - timedelta(days=1), counted(0.01, 1))  # just out of the day
    await slot(app, now - timedelta(minutes=10), counted(0.1, 30, 3))
    await slot(app, now, counted(0.2, 5))
    await hour(app, now - timedelta(days=8), counted(0.1, 1))
    await hour(app, now - timedelta(days=6), counted(0.1, 100))
    async with app.client() as client:
        await administrator(app, client)
        day = (await client.get("/api/monitoring/traffic")).json()
        assert (day["window"], day["step_seconds"]) == ("24h", 300)
        assert day["at"] == ["2025-12-31T23:50:00.000Z", "2026-01-01T00:00:00.000Z"]
        assert (day["requests"], day["errors"]) == ([33, 5], [3, 0])
        assert all(abs(found - 100) <= 100 * histogram.ERROR for found in (day["p50_ms"][0], day["p95_ms"][0], day["p99_ms"][0]))
        week = (await client.get("/api/monitoring/traffic", params={"window": "7d"})).json()
        assert (week["at"], week["requests"], week["step_seconds"]) == (["2025-12-26T00:00:00.000Z"], [100], 3600)
        assert (await client.get("/api/monitoring/traffic", params={"window": "1y"})).status_code == 422


async def test_it_is_remembered_for_half_a_minute() -> None:
    app = make_app()
    series = app.container.traffic_series
    assert await series.read("24h") == []
    app.tables.calls.clear()
    await slot(app, app.clock.now(), counted(0.1, 1))
    assert await series.read("24h") == []
    app.clock.advance(30)
    assert [point.requests for point in await series.read("24h")] == [1]
    assert app.tables.calls.count(f"query {table_for('traffic', app.clock.now())}") == 1
    app.clock.advance(-3600)  # a clock that was put back forgets, too
    assert await series.read("24h") == []


async def test_it_is_for_administrators() -> None:
    app = make_app()
    async with app.client() as client:
        assert (await client.get("/api/monitoring/traffic")).status_code == 401
        client.headers.update(bearer((await register(client))["access_token"]))
        assert (await client.get("/api/monitoring/traffic")).status_code == 403
