"""Statistics and queues over HTTP: who may look, what is shown, and what happens when a part fails."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog

from shared_code.errors import StorageUnavailable
from shared_code.storage.ports import Upsert
from shared_code.storage.sums_rows import pack
from tests.unit.apps import App, bearer, make_app, register


@pytest_asyncio.fixture
async def admin() -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    app = make_app(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com")
    async with app.client() as client:
        client.headers.update(bearer((await register(client, "admin@example.com"))["access_token"]))
        yield app, client


Admin = tuple[App, httpx.AsyncClient]
ROUTES = [("GET", "/api/monitoring/stats"), ("GET", "/api/monitoring/queues"), ("POST", "/api/monitoring/queues/files-events/replay")]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_for_administrators_only(admin: Admin, method: str, path: str) -> None:
    app, client = admin
    assert (await client.request(method, path)).status_code == 200
    async with app.client() as other:
        assert (await other.request(method, path)).status_code == 401
        other.headers.update(bearer((await register(other))["access_token"]))
        answer = await other.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    for scope, status in (("monitoring", 200), ("files", 403)):
        made = await client.post("/api/auth/keys", json={"name": "k", "scopes": [scope]})
        async with app.client(headers=bearer(made.json()["key"])) as keyed:
            assert (await keyed.request(method, path)).status_code == status


async def test_before_the_first_roll_up(admin: Admin) -> None:
    _, client = admin
    found = (await client.get("/api/monitoring/stats")).json()
    assert {"users", "files", "payments"} <= found["latest"].keys()
    assert set(found["latest"].values()) == {None}
    assert found["history"] == {"resolution": "5m", "step_seconds": 300, "at": [], "series": {}}


async def test_figures_of_every_service_and_their_history(admin: Admin) -> None:
    app, client = admin
    boundary = {"Content-Type": "multipart/form-data; boundary=b"}
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n'
    assert (await client.post("/api/files/upload", content=body, headers=boundary)).status_code == 201
    paid = pack({"pi usd succeeded n": 2, "pi usd succeeded minor": 1998, "re usd succeeded n": 1, "re usd succeeded minor": 5,
                 "pi jpy canceled n": 1, "sub usd active n": 3, "sub usd canceled n": 4})  # fmt: skip
    await app.storage.tables.apply("paymentstats", "all", Upsert("latest", {**paid, "as_of": app.clock.now()}))
    await app.container.files_statistics.roll_up()
    await app.container.user_statistics.roll_up()
    await app.container.statistics.record()
    found = (await client.get("/api/monitoring/stats")).json()
    now = "2026-01-01T00:00:00.000Z"
    assert found["latest"]["users"] == {"figures": {"users": 1}, "as_of": now, "recounted_at": now, "drifted": 0, "difference": {}}
    assert found["latest"]["files"]["figures"] == {"files": 1, "files_deleted": 0, "bytes": 5}
    assert found["latest"]["payments"]["figures"] == {
        "payments_usd": 2, "payments_usd_minor": 1998, "refunds_usd": 1, "refunds_usd_minor": 5, "subscriptions_active": 3,
    }  # fmt: skip
    for resolution in ("5m", "1h", "1d"):
        shown = (await client.get("/api/monitoring/stats", params={"history": resolution})).json()["history"]
        assert shown["at"] == ["2026-01-01T00:00:00.000Z"]
        assert (shown["series"]["bytes"], shown["series"]["payments_usd_minor"]) == ([5], [1998])
    assert (await client.get("/api/monitoring/stats", params={"history": "1m"})).status_code == 422


async def test_one_service_that_cannot_be_read_hides_no_other(admin: Admin) -> None:
    app, _ = admin
    await app.container.user_statistics.roll_up()
    statistics: Any = app.container.statistics

    async def broken() -> None:
        raise ValueError("a row of nobody's")

    statistics._sources = {**statistics._sources, "files": broken}
    with structlog.testing.capture_logs() as logs:
        assert (await statistics.record())["users"] == 1
    assert [line["service"] for line in logs if line["event"] == "statistics_unreadable"] == ["files"]


async def test_storage_that_is_down_fails_the_run(admin: Admin) -> None:
    app, client = admin
    statistics: Any = app.container.statistics

    async def down() -> None:
        raise StorageUnavailable("storage is down")

    statistics._sources = {"files": down}
    with pytest.raises(StorageUnavailable):
        await statistics.record()
    assert (await client.get("/api/monitoring/stats")).status_code == 503


async def test_queues_and_replay(admin: Admin) -> None:
    app, client = admin
    await app.storage.queues.send("mail-events-poison", '{"kind": "send", "to": "ada@example.com"}')
    found = (await client.get("/api/monitoring/queues")).json()
    shown = {each["name"]: each for each in found["items"]}
    assert {"auth-events", "files-events", "mail-events", "payments-events", "webjobs-blobtrigger-poison"} <= shown.keys()
    assert shown["mail-events"] == {
        "name": "mail-events", "length": 0, "poison_length": 1, "oldest_poison_at": "2026-01-01T00:00:00.000Z", "poison_kinds": {"send": 1},
    }  # fmt: skip
    answer = await client.post("/api/monitoring/queues/mail-events/replay")
    assert answer.json() == {"queue": "mail-events", "moved": 1, "left": 0}
    assert await app.storage.queues.count("mail-events") == 1
    trail = await app.storage.tables.query("audit20260101", "log", prefix="e:")
    assert [row.values["kind"] for row in trail].count("poison_replayed") == 1
    missing = await client.post("/api/monitoring/queues/azure-webjobs/replay")
    assert (missing.status_code, missing.json()["code"]) == (404, "queue_not_found")


async def test_six_apps_keep_their_own_feeds_and_monitoring_reads_their_rows() -> None:
    files = make_app(SERVICES="files")
    auth, monitoring = files.sibling(SERVICES="auth"), files.sibling(SERVICES="monitoring")
    async with auth.client() as client:
        await register(client)
    await auth.container.user_statistics.roll_up()
    await files.container.files_statistics.roll_up()
    assert await monitoring.container.statistics.record() == {"users": 1, "files": 0, "files_deleted": 0, "bytes": 0}
    assert (await monitoring.container.statistics.history("1d")).series["users"] == [1]
    assert (await monitoring.container.statistics.latest())["payments"] is None, "nobody has rolled payments up yet"
