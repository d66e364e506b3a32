"""What Application Insights is sent, by a receiver that stands in for its ingestion: requests, calls, durations, and each log line once."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.integration.support import Host, User, eventually, register, running_host

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"
Items = list[dict[str, Any]]


@pytest.fixture(scope="module")
def items() -> Iterator[tuple[Items, int]]:
    received: Items = []

    class Ingestion(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # http.server's own name
            body = self.rfile.read(int(self.headers["content-length"]))
            sent = json.loads(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            received.extend(sent)
            answer = json.dumps({"itemsReceived": len(sent), "itemsAccepted": len(sent), "errors": []}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ingestion)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield received, server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def host(items: tuple[Items, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    settings = {
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={'0' * 8}-0000-0000-0000-{'0' * 12};IngestionEndpoint=http://127.0.0.1:{items[1]}/",
        # The exporter's figures of itself, and its control plane, are Microsoft's: nothing but this machine is asked.
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel",
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_BLRP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "300",
        "LOG_LEVEL": "info",
        "LOG_FORMAT": "json",
    }
    with running_host(tmp_path_factory.mktemp("insights"), **settings) as found:
        yield found


def of(received: Items, kind: str) -> Items:
    return [item["data"]["baseData"] | {"tags": item["tags"]} for item in list(received) if item["data"]["baseType"] == kind]


def test_requests_calls_durations_and_log_lines(host: Host, items: tuple[Items, int]) -> None:
    received, _ = items
    with register(host.url, None) as user:
        check(host, user, received)


def check(host: Host, user: User, received: Items) -> None:
    headers = {"traceparent": f"00-{CALLER}-00f067aa0ba902b7-01", "X-Request-ID": "of-insights"}
    assert user.get("/api/files?folder=/hidden-folder", headers=headers).status_code == 200

    def ours(kind: str) -> Items:
        return [item for item in of(received, kind) if item["tags"].get("ai.operation.id") == CALLER]

    (request,) = eventually(lambda: ours("RequestData"), what="the request")
    assert request["properties"]["lydian.request_id"] == "of-insights"
    assert request["success"] is True
    assert request["responseCode"] == "200"
    assert request["tags"]["ai.cloud.role"] == "lydian"
    calls = ours("RemoteDependencyData")
    assert calls, "calls end before their request does"
    (line,) = eventually(lambda: ours("MessageData"), what="the log line")
    assert (line["message"], line["properties"]["request_id"], line["properties"]["function"]) == ("request", "of-insights", "files_list")
    printed = [text for text in host.log.read_text(errors="replace").splitlines() if text.startswith("{") and "of-insights" in text]
    assert printed == [], "it goes one way only"

    def statuses() -> set[str]:
        durations = [item for item in of(received, "MetricData") if item["metrics"][0]["name"] == "lydian.http.server.request.duration"]
        return {item["properties"].get("http.response.status_code", "") for item in durations}

    eventually(lambda: "200" in statuses(), what="the metric, whose dimensions the alerts of infra/ ask for")
    everything = json.dumps(received)
    assert "hidden-folder" not in everything
    assert "Bearer" not in everything
    assert user.user_id not in json.dumps([of(received, kind) for kind in ("RequestData", "RemoteDependencyData", "MetricData")])
