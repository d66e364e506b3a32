"""What Prometheus is told: parsed by its own parser, for those who may read it, whatever is broken."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from shared_code.errors import StorageUnavailable
from tests.unit.apps import PASSWORD, App, bearer, make_app, register

Admin = tuple[App, httpx.AsyncClient]


@pytest_asyncio.fixture
async def admin() -> AsyncIterator[Admin]:
    app = make_app(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com")
    async with app.client() as client:
        client.headers.update(bearer((await register(client, "admin@example.com"))["access_token"]))
        yield app, client


async def scraped(app: App, client: httpx.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    app.clock.advance(11)  # seconds: what was read for the last answer is too old
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


def labels(**given: str) -> frozenset[tuple[str, str]]:
    return frozenset(given.items())


async def test_for_administrators_and_their_keys_only(admin: Admin) -> None:
    app, client = admin
    async with app.client() as other:
        refused = await other.get("/metrics")
        assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
        other.headers.update(bearer((await register(other))["access_token"]))
        assert (await other.get("/metrics")).json()["code"] == "forbidden"
        theirs = await other.post("/api/auth/keys", json={"name": "k", "scopes": ["monitoring"]})
        async with app.client(headers=bearer(theirs.json().get("key", "none"))) as keyed:
            assert (await keyed.get("/metrics")).status_code in (401, 403)
    for scope, status in (("monitoring", 200), ("files", 403)):
        made = await client.post("/api/auth/keys", json={"name": "k", "scopes": [scope]})
        async with app.client(headers=bearer(made.json()["key"])) as keyed:
            assert (await keyed.get("/metrics")).status_code == status
    assert (await client.head("/metrics")).status_code == 200
    assert (await client.post("/metrics")).status_code == 405


async def test_requests_and_durations_only_grow(admin: Admin) -> None:
    app, client = admin
    for _ in range(5):
        await client.get("/api/auth/me")
    before = await scraped(app, client)
    assert not any(name == "lydian_http_requests_total" for name, _ in before), "the minute is not over"
    app.clock.advance(60)
    await app.container.traffic.flush()
    found = await scraped(app, client)
    me = labels(function="auth_get_me", method="GET", status="2xx", kind="plain")
    assert found["lydian_http_requests_total", me] == 5
    durations = "lydian_http_request_duration_seconds"
    assert found[f"{durations}_count", labels(function="auth_get_me")] == 5
    assert found[f"{durations}_bucket", labels(function="auth_get_me", le="+Inf")] == 5
    assert 0 < found[f"{durations}_sum", labels(function="auth_get_me")] < 5
    buckets = [value for (name, of), value in found.items() if name == f"{durations}_bucket" and ("function", "auth_get_me") in of]
    assert buckets == sorted(buckets)
    await client.get("/api/auth/me")
    app.clock.advance(60)
    await app.container.traffic.flush()
    await app.container.traffic_store.roll_up()
    assert (await scraped(app, client))["lydian_http_requests_total", me] == 6
    app.clock.advance(86_400)
    session = await client.post("/api/auth/login", json={"email": "admin@example.com", "password": PASSWORD})
    client.headers.update(bearer(session.json()["access_token"]))
    assert ("lydian_http_requests_total", me) not in await scraped(app, client), "a day begins at nothing"


async def test_probes_queues_build_and_process(admin: Admin) -> None:
    app, client = admin
    await app.storage.queues.send("mail-events-poison", "{}")
    await app.container.prober.run()
    await app.container.instances.register()
    found = await scraped(app, client)
    assert found["lydian_queue_poison_messages", labels(queue="mail-events")] == 1
    assert found["lydian_queue_messages", labels(queue="mail-events")] == 0
    assert found["lydian_probe_up", labels(check="table", kind="dependency")] == 1
    assert found["lydian_instances", labels()] == 1
    assert found["process_resident_memory_bytes", labels()] > 1e6
    build = next(dict(of) for name, of in found if name == "lydian_build_info")
    assert build["instance_id"] == app.container.instance_id
    app.clock.advance(600)
    assert not any(name == "lydian_probe_up" for name, _ in await scraped(app, client)), "what was found long ago is no news"


async def test_openmetrics_for_who_asks(admin: Admin) -> None:
    _, client = admin
    answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize("error", [StorageUnavailable("down"), ValueError("a row of nobody's")])
async def test_a_part_that_cannot_be_read_hides_no_other(admin: Admin, error: Exception) -> None:
    app, client = admin
    exposition: Any = app.container.exposition

    async def broken() -> Any:
        raise error

    exposition._sources = dataclasses.replace(exposition._sources, queues=broken, instances=broken)
    found = await scraped(app, client)
    assert found["lydian_scrape_unread", labels(part="queues")] == 1
    assert found["lydian_scrape_unread", labels(part="traffic")] == 0
    assert ("lydian_instances", labels()) not in found
    assert found["process_resident_memory_bytes", labels()] > 1e6


async def test_one_look_at_storage_serves_ten_seconds(admin: Admin) -> None:
    app, client = admin
    await scraped(app, client)
    app.tables.calls.clear()
    await client.get("/metrics")
    assert not [call for call in app.tables.calls if "traffic" in call or "probes" in call]
