"""Traces and metrics of a running host, as a collector gets them: one trace for each request, and nothing in it that is anybody's."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.support import NO_TLS, Host, User, eventually, register, running_host
from tests.otlp import Collector, Seen, collecting

PARENT = "00f067aa0ba902b7"
Traced = tuple[Host, Collector]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    quick = {
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "300",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
    }
    with collecting() as collector:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "LOG_LEVEL": "info", "LOG_FORMAT": "json", **quick}
        with running_host(tmp_path_factory.mktemp("traced"), **settings) as host:
            yield host, collector


@pytest.fixture(scope="module")
def user(traced: Traced) -> Iterator[User]:
    with register(traced[0].url, None) as found:
        yield found


def parented(number: int) -> tuple[str, dict[str, str]]:
    """A caller that asks us not to keep its trace, which is not theirs to say."""
    trace = f"4bf92f3577b34da6a3ce929d0e0e{number:04x}"
    return trace, {"traceparent": f"00-{trace}-{PARENT}-00", "X-Request-ID": f"request-{number}"}


def of_request(collector: Collector, trace: str) -> tuple[Seen, list[Seen]]:
    """The request's own span, and what it called. The request's ends last, so that all of it is there."""
    root = eventually(lambda: next((span for span in collector.of(trace) if span.kind == 2), None), what="the request's span")
    return root, [span for span in collector.of(trace) if span is not root]


def lines(host: Host) -> list[dict[str, Any]]:
    return [json.loads(line) for line in host.log.read_text(errors="replace").splitlines() if line.startswith("{")]


def test_one_trace_from_the_caller_to_storage(traced: Traced, user: User) -> None:
    _, collector = traced
    trace, headers = parented(1)
    answer = user.post("/api/files/upload", files={"file": ("the-name-of-a-file.txt", b"hello")}, headers=headers)
    assert answer.status_code == 201
    root, calls = of_request(collector, trace)
    assert (root.parent, root.name, root.status) == (PARENT, "files_upload", 0)
    assert root.attributes["lydian.request_id"] == "request-1"
    assert root.attributes["faas.name"] == "files_upload"
    assert root.attributes["http.route"] == "/api/files/upload"
    assert root.attributes["http.response.status_code"] == 201
    assert len(root.attributes["enduser.pseudo.id"]) == 32
    assert {call.name for call in calls} >= {"blob PUT", "table POST"}
    assert {call.attributes["lydian.place"] for call in calls if call.name == "blob PUT"} == {"uploads"}
    assert all(call.parent == root.id and call.kind == 3 for call in calls)
    assert collector.resources[0]["service.name"] == "lydian"
    assert collector.resources[0]["deployment.environment"] == "test"


def test_stripe_and_models_are_part_of_it(traced: Traced, user: User) -> None:
    _, collector = traced
    paid, headers = parented(2)
    answer = user.post("/api/payments/create-payment-intent", json={"amount": 1000, "currency": "usd"}, headers=headers)
    assert answer.status_code == 201, answer.text
    _, calls = of_request(collector, paid)
    assert {call.name for call in calls} >= {"stripe POST", "table GET"}
    asked, headers_of_question = parented(4)
    models = user.get("/api/ai/v1/models").json()["data"]
    question = {"model": models[0]["id"], "messages": [{"role": "user", "content": "the words of a question"}], "stream": True}
    answer = user.post("/api/ai/v1/chat/completions", json=question, headers=headers_of_question)
    assert answer.status_code == 200, answer.text
    root, calls = of_request(collector, asked)
    (model,) = [call for call in calls if "gen_ai.request.model" in call.attributes]
    assert model.attributes["gen_ai.request.model"] == models[0]["id"]
    assert model.trace == root.trace


def test_nothing_of_anybody_is_in_it(traced: Traced, user: User) -> None:
    host, collector = traced
    stored = user.stored(name="the-name-of-a-file.txt")
    share = user.post(f"/api/files/{stored['id']}/share", json={}).json()
    trace, headers = parented(5)
    with httpx.Client(base_url=host.url, verify=NO_TLS) as stranger:
        assert stranger.get(f"/share/{share['token']}", params={"secret": "hidden"}, headers=headers).status_code == 200
        nowhere, headers_of_nowhere = parented(6)
        assert stranger.get("/nowhere/private?secret=hidden", headers=headers_of_nowhere).status_code == 404
    root, _ = of_request(collector, trace)
    assert (root.name, root.attributes["http.route"]) == ("files_download_share", "/share/{token}")
    assert of_request(collector, nowhere)[0].attributes["faas.name"] == "zz_fallback"
    everything = "\n".join(span.text for span in list(collector.spans))
    hidden = (
        share["token"],
        "hidden",
        "/nowhere",
        "private",
        "the-name-of-a-file",
        "the words of a question",
        user.user_id,
        stored["id"],
        "devstoreaccount1/",
    )
    for text in (*hidden, "Bearer", user.headers["authorization"].removeprefix("Bearer ")[:40]):
        assert text not in everything, text


def test_log_lines_say_which_trace_and_are_single(traced: Traced, user: User) -> None:
    host, collector = traced
    trace, headers = parented(7)
    assert user.get("/api/files", headers=headers).status_code == 200
    root, _ = of_request(collector, trace)
    found = eventually(lambda: [line for line in lines(host) if line.get("request_id") == "request-7"], what="the log line")
    assert [(line["event"], line["trace_id"], line["span_id"]) for line in found] == [("request", trace, root.id)]


def test_a_caller_without_a_trace_gets_one_and_a_malformed_one_is_ignored(traced: Traced, user: User) -> None:
    _, collector = traced
    for number, parent in enumerate(("", "00-not-a-trace-01", "ff-" + "0" * 32 + "-" + "0" * 16 + "-01")):
        name = f"untraced-{number}"
        assert user.get("/api/files", headers={"traceparent": parent, "X-Request-ID": name}).status_code == 200
        root = eventually(
            lambda name=name: next((span for span in list(collector.spans) if span.attributes.get("lydian.request_id") == name), None)
        )
        assert root.parent == ""
        assert len({span.trace for span in collector.of(root.trace)}) == 1


def test_durations_are_a_metric(traced: Traced, user: User) -> None:
    _, collector = traced
    user.get("/api/files")

    def found() -> Any:
        for metric in reversed(list(collector.metrics)):
            if metric.name == "http.server.request.duration":
                points = [
                    {each.key: each.value.string_value or each.value.int_value for each in point.attributes}
                    for point in metric.histogram.data_points
                ]
                if any(point.get("http.route") == "/api/files" for point in points):
                    return metric.unit, points
        return None

    unit, points = eventually(found, what="the metric")
    assert unit == "s"
    assert {"http.request.method": "GET", "http.response.status_code": 200, "http.route": "/api/files"} in points
