"""Probes, uptime, the status page and announcements through a running host on real storage."""

import xml.etree.ElementTree as ET
from collections.abc import Callable

import httpx

from tests.integration.support import User, eventually, problem


def fire(admin: User) -> None:
    assert admin.post("/admin/functions/common_probe", json={}).status_code == 202


def test_probes_of_a_running_host(alice: User, user: Callable[..., User], client: httpx.Client) -> None:
    admin = user("admin@example.com")
    for _ in range(3):
        fire(admin)
    found = alice.get("/api/monitoring/health").json()
    assert {"blob", "table", "queue", "stripe"} <= found["dependencies"].keys()
    assert {"auth", "files", "payments", "mail"} <= found["services"].keys()
    assert found["dependencies"].keys().isdisjoint(found["services"])
    assert {each["status"] for each in found["dependencies"].values()} == {"ok"}
    assert all(each["latency_ms"] > 0 for each in found["services"].values())
    uptime = alice.get("/api/monitoring/uptime", params={"window": "7d"}).json()
    for check in uptime["checks"]:
        assert check["uptime_percent"] == 100
        assert check["samples"] == sum(point["up"] for point in check["series"]) > 0
    assert uptime["incidents"] == []
    health = client.get("/health").json()
    assert eventually(lambda: client.get("/health").json()["services"]["files"] == {"status": "ok"}, 15, f"the last probe: {health}")
    ready = client.get("/health/ready").json()
    assert {"storage", "stripe"} <= ready["checks"].keys()


def test_what_people_see(user: Callable[..., User], client: httpx.Client) -> None:
    admin = user("admin@example.com")
    fire(admin)
    sent = {"title": "Über <us> & others", "text": "Zeile eins\nZeile zwei", "kind": "maintenance"}
    made = admin.post("/api/monitoring/announcements", json=sent).json()
    page = eventually(lambda: (found := client.get("/status")) and "Über &lt;us&gt; &amp; others" in found.text and found, 15, "the page")
    assert isinstance(page, httpx.Response)
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "127.0.0.1" not in page.text, "nothing internal"
    feed = client.get("/status/feed.xml")
    titles = [title.text for title in ET.fromstring(feed.content).iter("title")]  # noqa: S314  # our own
    assert sent["title"] in titles
    assert client.head("/status").status_code == 200
    assert admin.post(f"/api/monitoring/announcements/{made['id']}/close").json()["closed_at"]
    problem(client.post("/api/monitoring/announcements", json=sent), 401, "unauthenticated")
    answer = client.delete("/status")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"
    assert admin.post("/api/monitoring/alerts/test").json() == {"mails": 0, "webhook": "not_configured", "detail": None}
    assert "next_cursor" in admin.get("/api/monitoring/alerts").json()
