"""Liveness, readiness, and what runs here."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from functions.common import health
from shared_code import __version__
from shared_code.errors import StorageUnavailable
from tests.unit.apps import App, make_app


def down() -> None:
    raise StorageUnavailable("tables do not answer")


def breaking(app: App, check: Callable[[], Awaitable[None]]) -> None:
    app.container.storage.check = check  # type: ignore[method-assign]  # a fault that memory cannot have


async def is_down() -> None:
    down()


async def test_all_is_well() -> None:
    app = make_app()
    async with app.client() as client:
        body = (await client.get("/health")).json()
        assert (body["status"], body["version"]) == ("ok", __version__)
        assert body["uptime_seconds"] >= 0
        assert body["services"]["auth"] == body["services"]["files"] == {"status": "ok"}
        ready = await client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.json()["status"] == "ok"
        assert ready.json()["checks"]["storage"]["status"] == "ok"
        assert ready.json()["checks"]["storage"]["latency_ms"] >= 0


async def test_storage_down_is_told_and_liveness_stays() -> None:
    app = make_app()
    app.tables.before = lambda verb, table: down()
    breaking(app, is_down)
    async with app.client() as client:
        live = await client.get("/health")
        assert (live.status_code, live.json()["status"]) == (200, "degraded")
        assert live.json()["services"]["auth"] == {"status": "down", "detail": "storage: tables do not answer"}
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "down")
        assert ready.json()["checks"]["storage"]["detail"] == "tables do not answer"
        other = await client.get("/api/files", headers={"Authorization": "Bearer x"})
        assert other.status_code == 401


async def test_storage_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TIMEOUT", 0.01)
    app = make_app()

    async def never() -> None:
        await asyncio.Event().wait()

    breaking(app, never)
    async with app.client() as client:
        began = time.monotonic()
        ready = await client.get("/health/ready")
        assert time.monotonic() - began < 1
        assert ready.status_code == 503
        assert "no answer within" in ready.json()["checks"]["storage"]["detail"]


async def test_a_probe_that_breaks_says_nothing_internal() -> None:
    app = make_app()

    async def broken() -> None:
        raise ValueError("AccountKey=abc is malformed")

    breaking(app, broken)
    async with app.client() as client:
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert "AccountKey" not in ready.text


async def test_the_summary_costs_one_read_in_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    app, now = make_app(), 1000.0
    monkeypatch.setattr("functions.common.health.time.monotonic", lambda: now)
    async with app.client() as client:
        for _ in range(3):
            await client.get("/health")
        assert len(app.tables.calls) == 1
        app.tables.before = lambda verb, table: down()
        assert (await client.get("/health")).json()["status"] == "ok"
        now += 10.1
        assert (await client.get("/health")).json()["status"] == "degraded"
        assert (await client.get("/health")).json()["status"] == "degraded"
    assert len(app.tables.calls) == 2


async def test_apps_do_not_share_their_summaries() -> None:
    well, ill = make_app(), make_app()
    ill.tables.before = lambda verb, table: down()
    async with well.client() as one, ill.client() as other:
        assert (await one.get("/health")).json()["status"] == "ok"
        assert (await other.get("/health")).json()["status"] == "degraded"


async def test_the_root_tells_programs_and_browsers() -> None:
    async with make_app(PUBLIC_BASE_URL="https://api.contoso.com").client() as client:
        facts = await client.get("/")
        assert facts.json() == {
            "name": "Lydian",
            "version": __version__,
            "mode": "integrated",
            "services": ["monitoring", "auth", "ai", "chat", "files", "payments"],
            "docs": "https://api.contoso.com/docs",
            "health": "https://api.contoso.com/health",
        }
        page = await client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert facts.headers["vary"] == page.headers["vary"] == "Accept"
        for accept in ("application/json", "*/*", "", "application/json, text/html", "text/plain"):
            assert (await client.get("/", headers={"Accept": accept})).headers["content-type"] == "application/json"
