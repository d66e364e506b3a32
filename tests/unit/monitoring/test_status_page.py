"""The status page and its feed as people, screen readers and feed readers get them; announcements."""

import itertools
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
import pytest_asyncio

from functions.monitoring import status_page
from shared_code.errors import StorageUnavailable
from shared_code.monitoring import status
from tests.unit.apps import App, bearer, make_app, register

PATH = "/api/monitoring/announcements"
VOID = {"meta", "link", "br", "input", "img", "hr"}


class Page(HTMLParser):
    """Every tag in order, and all text; what is opened must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split()).replace(" .", ".")

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.tags if name == tag and attributes.items() <= found.items()]


@pytest_asyncio.fixture
async def app(monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setattr(status, "CACHED_FOR", -1.0)
    return make_app(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com")


@pytest_asyncio.fixture
async def admin(app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        client.headers.update(bearer((await register(client, "admin@example.com"))["access_token"]))
        yield client


async def shown(app: App, code: int = 200) -> Page:
    async with app.client() as client:
        answer = await client.get("/status")
    assert answer.status_code == code
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in answer.headers["content-security-policy"]
    page = Page(answer.text)
    assert page.all("html", lang="en")
    assert page.all("meta", name="viewport")
    assert not page.all("script")
    assert not [attributes for _, attributes in page.tags if "style" in attributes]
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), "headings skip no level"
    return page


async def entries(app: App) -> list[dict[str, str]]:
    """The feed's items, checked for what RSS 2.0 asks of a channel and of each of them."""
    async with app.client() as client:
        answer = await client.get("/status/feed.xml")
    assert answer.headers["content-type"].startswith("application/rss+xml")
    root = ET.fromstring(answer.content)  # noqa: S314  # our own
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    for name in ("title", "link", "description", "lastBuildDate", "{http://www.w3.org/2005/Atom}link"):
        assert len(root.findall(f"channel/{name}")) == 1
    found = []
    for item in root.findall("channel/item"):
        assert [child.tag for child in item] == ["guid", "title", "pubDate", "link", "description"]
        found.append({child.tag: child.text or "" for child in item})
        assert parsedate_to_datetime(found[-1]["pubDate"]).tzinfo is not None
    assert len({item["guid"] for item in found}) == len(found)
    return found


def fails(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def put(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("blob account stlydian.blob.internal:10000 says no")

    monkeypatch.setattr(app.storage.blobs, "put", put)


async def minutes(app: App, number: int) -> None:
    for _ in range(number):
        await app.container.prober.run()
        app.clock.advance(60)


async def test_before_the_first_probe(app: App) -> None:
    page = await shown(app)
    assert "We do not know at the moment" in page.text
    assert "Nothing has been looked at yet" in page.text
    assert await entries(app) == []


async def test_all_is_well(app: App) -> None:
    await minutes(app, 3)
    page = await shown(app)
    assert "Everything works" in page.text
    assert "Nothing happened" in page.text
    assert {"Accounts and sign-in", "Files and images", "E-mail"} <= set(page.texts)
    assert "Payments" not in page.texts, "not configured"
    bars = page.all("div", role="img")
    assert "100 % in 1 day" in page.text
    assert bars[0]["aria-label"] == "Accounts and sign-in, the last 90 days: worked 100 % of the time. No data on 89 days."
    assert page.all("link", rel="alternate", type="application/rss+xml")
    assert len(page.all("i")) == 90 * len(bars) + 4
    assert await entries(app) == []


async def test_an_incident_comes_first_and_goes_to_the_past(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    await minutes(app, 5)
    with monkeypatch.context() as patched:
        fails(app, patched)
        await minutes(app, 1)
        assert "Everything works" in (await shown(app)).text, "one failure is none yet"
        await minutes(app, 4)
        page = await shown(app)
        assert "Not everything works" in page.text
        assert page.text.index("Files and images: does not work Since 1 January 2026, 00:05 UTC") < page.text.index("Services")
        assert "stlydian" not in page.text, "nothing internal"
        [entry] = await entries(app)
        assert (entry["title"], entry["description"]) == ("Files and images: does not work", "Since 2026-01-01 00:05 UTC.")
    await minutes(app, 2)
    page = await shown(app)
    assert "Everything works" in page.text
    assert "Files and images: did not work for 5 min From 1 January 2026, 00:05 UTC to 00:10 UTC." in page.text
    assert page.text.index("Services") < page.text.index("did not work for 5 min")
    assert "Failures on 1 day: 1 January 2026 5 min." in str([bar["aria-label"] for bar in page.all("div", role="img")])
    [ended] = await entries(app)
    assert (ended["guid"], ended["title"]) == (f"{entry['guid']}:over", "Files and images: works again")
    app.clock.advance(240)
    assert "We do not know at the moment" in (await shown(app)).text, "what nobody looks at is not up"
    app.clock.advance(8 * 86_400)
    assert "Files and images" not in (await shown(app)).texts, "it runs no more"


async def test_services_that_fail_together_are_one_incident(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def count(*_: Any) -> int:
        raise StorageUnavailable("queues do not answer")

    monkeypatch.setattr(app.storage.queues, "count", count)
    await minutes(app, 2)
    [entry] = await entries(app)
    assert entry["title"].startswith("Accounts and sign-in, Files and images,")
    assert len((await shown(app)).all("article")) == 1


async def test_storage_that_does_not_answer(app: App) -> None:
    def down(verb: str, table: str) -> None:
        raise StorageUnavailable("tables do not answer")

    app.tables.before = down
    page = await shown(app, 503)
    assert "Our storage does not answer" in page.text
    async with app.client() as client:
        assert (await client.get("/status")).headers["cache-control"] == "no-store"
        assert (await client.get("/status/feed.xml")).status_code == 503


async def test_it_is_made_at_most_every_ten_seconds(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "CACHED_FOR", 10.0)
    for _ in range(5):
        await shown(app)
    assert len(app.tables.calls) == 3


async def test_announcements(app: App, admin: httpx.AsyncClient) -> None:
    await minutes(app, 1)
    sent = {"title": "Slow <b>payments</b> & {link}", "text": "We look at it.\n\nNothing is lost.", "kind": "maintenance"}
    first = await admin.post(PATH, json=sent, headers={"Idempotency-Key": "k"})
    assert (first.status_code, (await admin.post(PATH, json=sent, headers={"Idempotency-Key": "k"})).json()) == (201, first.json())
    made = first.json()
    assert first.headers["location"] == f"{PATH}/{made['id']}"
    assert made["closed_at"] is None
    page = await shown(app)
    assert "Slow <b>payments</b> & {link} We look at it. Nothing is lost. Maintenance, 1 January 2026, 00:01 UTC." in page.text
    [entry] = await entries(app)
    assert (entry["title"], entry["description"]) == (sent["title"], sent["text"])
    app.clock.advance(60)
    changed = (await admin.patch(f"{PATH}/{made['id']}", json={"text": "It is mended."})).json()
    assert (changed["title"], changed["text"], changed["updated_at"]) == (sent["title"], "It is mended.", "2026-01-01T00:02:00.000Z")
    assert "Changed 1 January 2026, 00:02 UTC." in (await shown(app)).text
    closed = await admin.post(f"{PATH}/{made['id']}/close")
    app.clock.advance(60)
    again = await admin.post(f"{PATH}/{made['id']}/close")
    assert closed.json() == again.json()
    assert closed.json()["closed_at"] == "2026-01-01T00:02:00.000Z"
    kinds = [event["kind"] for event in (await admin.get("/api/auth/audit", params={"scope": "all"})).json()["items"]]
    assert {"announcement_posted", "announcement_changed", "announcement_closed"} <= set(kinds)
    page = await shown(app)
    assert page.text.index("The last 30 days") < page.text.index("Slow")
    assert (await entries(app))[0]["title"].startswith("Closed: ")
    app.clock.advance(86_400 * 31)
    assert "Slow" not in (await shown(app)).text
    async with app.client() as client:
        client.headers.update(bearer((await register(client))["access_token"]))
        found = (await client.get(PATH)).json()
    assert found == {"items": [closed.json()], "next_cursor": None}


async def test_pages_of_announcements(app: App, admin: httpx.AsyncClient) -> None:
    for number in range(5):
        await admin.post(PATH, json={"title": str(number)})
        app.clock.advance(1)
    titles: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        found = (await admin.get(PATH, params=query)).json()
        titles += [each["title"] for each in found["items"]]
        if found["next_cursor"] is None:
            break
        query["cursor"] = found["next_cursor"]
    assert titles == ["4", "3", "2", "1", "0"]
    assert (await admin.get(PATH, params={"cursor": "x"})).json()["code"] == "invalid_cursor"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"title": ""}, {"title": " "}, {"title": "x" * 121}, {"title": "a\nb"}, {"title": "a\u0000"},
        {"title": "x", "text": "x" * 2001},
        {"title": "x", "text": "\u0007"}, {"title": "x", "kind": "party"}, {"title": "x", "more": 1}, {"title": "\ufffe"}, {"title": 5},
    ],
)  # fmt: skip
async def test_what_no_page_and_no_feed_can_hold(admin: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await admin.post(PATH, json=body)).status_code == 422
    lone = await admin.post(PATH, content=b'{"title": "\\ud800"}')
    assert lone.status_code in (400, 422)


async def test_who_may_announce(app: App, admin: httpx.AsyncClient) -> None:
    made = (await admin.post(PATH, json={"title": "x"})).json()["id"]
    calls: list[tuple[str, str, Any]] = [
        ("POST", PATH, {"title": "x"}), ("PATCH", f"{PATH}/{made}", {"title": "y"}), ("POST", f"{PATH}/{made}/close", None),
    ]  # fmt: skip
    async with app.client() as client:
        for method, path, body in calls:
            assert (await client.request(method, path, json=body)).status_code == 401
        assert (await client.get(PATH)).status_code == 401
        client.headers.update(bearer((await register(client))["access_token"]))
        for method, path, body in calls:
            assert (await client.request(method, path, json=body)).json()["code"] == "forbidden"
    for unknown in ("nothing", "0" * 26):
        assert (await admin.patch(f"{PATH}/{unknown}", json={"title": "y"})).status_code == 404
        assert (await admin.post(f"{PATH}/{unknown}/close")).status_code == 404
    assert (await admin.patch(f"{PATH}/{made}", json={"title": None})).json()["title"] == "x"


def test_numbers_for_people() -> None:
    assert [status_page._percent(number) for number in (100, 99.999, 99.9, 0)] == ["100 %", "99.99 %", "99.9 %", "0 %"]
    assert [status_page._minutes(number) for number in (0, 59, 60, 61)] == ["0 min", "59 min", "1 h", "1 h 1 min"]
