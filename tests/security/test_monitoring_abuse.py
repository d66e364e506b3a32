"""What strangers can do to the open pages of monitoring, and what must never come out of it."""

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from shared_code.errors import UpstreamFailed
from shared_code.monitoring import status
from tests.unit.apps import App, bearer, make_app, register

HOOK = "https://hooks.example.com/services/T000/B000/made-up-for-a-test"
NASTY = ['a"b', "a<script>alert(1)</script>", "a&amp;b", "{link}", "a'b--><x"]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setattr(status, "CACHED_FOR", -1.0)
    return make_app(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com", ALERT_WEBHOOK_URL=HOOK)


@pytest_asyncio.fixture
async def admin(app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        client.headers.update(bearer((await register(client, "admin@example.com"))["access_token"]))
        yield client


@pytest.mark.parametrize("host", NASTY)
async def test_no_host_header_makes_markup(app: App, admin: httpx.AsyncClient, host: str) -> None:
    await admin.post("/api/monitoring/announcements", json={"title": host, "text": host})
    async with app.client() as client:
        page = await client.get("/status", headers={"Host": host})
        feed = await client.get("/status/feed.xml", headers={"Host": host})
    assert "<script>" not in page.text
    assert "<x" not in page.text
    root = ET.fromstring(feed.content)  # noqa: S314  # ours, and what is tested
    names = {element.tag for element in root.iter()} - {"{http://www.w3.org/2005/Atom}link"}
    assert names <= {"rss", "channel", "title", "link", "description", "lastBuildDate", "ttl", "item", "guid", "pubDate"}
    texts = [element.text for element in root.iter("title")]
    assert host in texts


async def test_strangers_do_not_make_us_ask_others(app: App) -> None:
    """However often somebody loads the page or asks whether we are well."""
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1

    app = make_app(SENDGRID_API_KEY="SG.made-up", SENDGRID_FROM_EMAIL="a@example.com")
    app.container._ask_sendgrid = ask  # type: ignore[method-assign]
    async with app.client() as client:
        for _ in range(20):
            assert (await client.get("/health/ready")).json()["checks"]["sendgrid"]["status"] == "ok"
    assert asked == 1


async def test_the_webhooks_address_stays_inside(
    app: App, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def post(url: str, body: object) -> None:
        assert url == HOOK
        raise UpstreamFailed("it answers 404")

    monkeypatch.setattr("shared_code.monitoring.outside.post", post)
    answers = [await admin.post("/api/monitoring/alerts/test")]
    await app.storage.queues.send("files-events-poison", '{"kind": "x"}')
    await app.container.alerts.evaluate()
    answers += [await admin.get(f"/api/monitoring/{path}") for path in ("alerts", "health", "uptime", "resources")]
    written = capfd.readouterr()
    for text in (*(answer.text for answer in answers), written.out, written.err):
        assert "made-up-for-a-test" not in text


async def test_a_real_failure_of_the_webhook_names_no_address(app: App, admin: httpx.AsyncClient) -> None:
    nowhere = make_app(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com", ALERT_WEBHOOK_URL="http://127.0.0.1:9/made-up-for-a-test")
    async with nowhere.client() as client:
        client.headers.update(bearer((await register(client, "admin@example.com"))["access_token"]))
        answer = await client.post("/api/monitoring/alerts/test")
    assert answer.json() == {"mails": 0, "webhook": "failed", "detail": "it cannot be reached"}


async def test_people_are_told_nothing_internal(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def put(*_: object, **__: object) -> None:
        raise RuntimeError("AccountKey=abc at stlydian.blob.core.windows.net")

    monkeypatch.setattr(app.storage.blobs, "put", put)
    for _ in range(3):
        await app.container.prober.run()
        app.clock.advance(60)
    async with app.client() as client:
        for path in ("/status", "/status/feed.xml", "/health"):
            text = (await client.get(path)).text
            assert "Files and images" in text or path == "/health"
            for secret in ("AccountKey", "stlydian", "windows.net", "RuntimeError"):
                assert secret not in text
