"""Metrics, service levels and resources through a running host, on real storage."""

from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.support import NO_TLS, User


def test_metrics_with_an_administrators_key(base_url: str, user: Callable[..., User]) -> None:
    admin = user("admin@example.com")
    key = admin.post("/api/auth/keys", json={"name": "prometheus", "scopes": ["monitoring"]}).json()["key"]
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {key}"}, verify=NO_TLS, timeout=30) as scraper:
        answer = scraper.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    names = {sample.name for sample in samples}
    assert {"lydian_build_info", "lydian_queue_poison_messages", "process_resident_memory_bytes"} <= names
    unread = {sample.labels["part"]: sample.value for sample in samples if sample.name == "lydian_scrape_unread"}
    assert set(unread.values()) == {0}


def test_who_may_not_look_sees_nothing(client: httpx.Client, alice: User) -> None:
    for path in ("/metrics", "/api/monitoring/slo", "/api/monitoring/traffic", "/api/monitoring/resources"):
        assert client.get(path).status_code == 401
        assert alice.get(path).status_code == 403


def test_resources_and_service_levels_after_the_timer(base_url: str, user: Callable[..., User]) -> None:
    admin = user("admin@example.com")
    for _ in range(2):
        assert admin.post("/admin/functions/monitoring_sum_traffic", json={}).status_code == 202
    found = admin.get("/api/monitoring/resources").json()
    assert found["memory_bytes"] > 0
    assert found["instance_id"] in {instance["instance_id"] for instance in found["instances"]}
    levels = admin.get("/api/monitoring/slo", params={"days": 30}).json()
    assert levels["objective"] == 99.9
    assert levels["budget"]["window_days"] == 30
