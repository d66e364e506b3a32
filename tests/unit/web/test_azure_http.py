"""Our web extension, with the worker's coordinator played by the smallest thing that looks like it."""

import asyncio
import json
import sys
import types
from typing import Any

import httpx
import pytest
import structlog
from azurefunctions.extensions import base
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message

from shared_code.web import azure_http
from shared_code.web.azure_http import WebApp, WebServer
from tests.unit.apps import make_app

INVOCATION = {"X-Ms-Invocation-Id": "inv-1"}


def serving(endpoint: azure_http.Endpoint) -> httpx.AsyncClient:
    extension = WebApp()
    extension.route(endpoint)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=extension.get_app()), base_url="http://worker")


@pytest.fixture(params=["azure_functions_runtime.http_v2", "azure_functions_worker.http_v2"])
def coordinator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The worker's module, under its name on Python ≥ 3.13 and before."""
    worker = types.ModuleType(request.param)
    worker.http_coordinator = types.SimpleNamespace(_context_references={})  # type: ignore[attr-defined]  # a made-up module
    monkeypatch.setitem(sys.modules, request.param, worker)
    return worker.http_coordinator


def test_the_worker_finds_the_extension_the_way_it_looks_for_it() -> None:
    assert base.HttpV2FeatureChecker.http_v2_enabled()
    assert base.ModuleTrackerMeta.get_module() == "shared_code.web.azure_http"
    assert base.RequestTrackerMeta.get_request_type() is Request
    assert base.RequestTrackerMeta.check_type(Request)
    assert base.ResponseTrackerMeta.get_standard_response_type() is Response
    assert base.RequestTrackerMeta.get_synchronizer().sync_route_params(None, {}) is None


async def test_an_exception_becomes_a_problem_that_leaks_nothing() -> None:
    async def endpoint(request: Request) -> Response:
        raise RuntimeError("password=hunter2 at /srv/app.py")

    with structlog.testing.capture_logs() as logs:
        async with serving(endpoint) as client:
            response = await client.get("/share/s3cret-token", headers={"X-Request-ID": "my-id"})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == "my-id"
    assert response.headers["x-content-type-options"] == "nosniff"
    body = response.json()
    assert body["code"] == "internal_error"
    assert body["request_id"] == "my-id"
    assert body["instance"] == "/share/…"
    for leak in ("hunter2", "RuntimeError", "app.py", "s3cret-token"):
        assert leak not in response.text
    logged = next(entry for entry in logs if entry["event"] == "unhandled_error")
    assert logged["request_id"] == "my-id"
    assert "s3cret-token" not in json.dumps({name: str(value) for name, value in logged.items()})


async def test_a_failure_of_the_real_app_is_our_problem_too(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()

    def broken(*_: Any) -> None:
        raise RuntimeError("nobody expects it")

    monkeypatch.setattr("functions.common.pages.asset", broken)
    async with app.client() as client:
        response = await client.get("/static/lydian.css")
    assert response.status_code == 500
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert response.headers.get_list("x-request-id") == [response.headers["x-request-id"]]
    assert "nobody expects it" not in response.text


async def test_nothing_is_kept_of_a_finished_invocation(coordinator: Any) -> None:
    async def endpoint(request: Request) -> Response:
        coordinator._context_references[request.headers["x-ms-invocation-id"]] = object()
        if request.url.path == "/fails":
            raise ValueError
        return PlainTextResponse("fine")

    coordinator._context_references["another"] = "still running"
    async with serving(endpoint) as client:
        assert (await client.get("/", headers=INVOCATION)).status_code == 200
        assert (await client.get("/fails", headers=INVOCATION)).status_code == 500
        assert (await client.get("/fails")).status_code == 500, "no invocation id: nothing to forget, nothing breaks"
    assert coordinator._context_references == {"another": "still running"}


@pytest.mark.parametrize("shape", [None, types.SimpleNamespace(), types.SimpleNamespace(_context_references=["another", "shape"])])
async def test_a_worker_of_another_shape_is_left_alone(shape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = types.ModuleType("azure_functions_runtime.http_v2")
    worker.http_coordinator = shape  # type: ignore[attr-defined]  # a made-up module
    monkeypatch.setitem(sys.modules, worker.__name__, worker)

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("fine")

    async with serving(endpoint) as client:
        assert (await client.get("/", headers=INVOCATION)).text == "fine"


async def test_a_failure_after_the_start_cuts_the_connection(coordinator: Any) -> None:
    async def pieces() -> Any:
        yield b"half"
        raise RuntimeError("the rest is lost")

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(pieces())

    extension = WebApp()
    extension.route(endpoint)
    coordinator._context_references["inv-1"] = object()
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-ms-invocation-id", b"inv-1")], "query_string": b""}
    with pytest.raises(BaseException) as caught:  # Starlette may wrap it in an exception group
        await extension(scope, receive, send)
    assert "the rest is lost" in "".join(map(str, getattr(caught.value, "exceptions", [caught.value])))
    assert [message.get("body", b"") for message in sent] == [b"", b"half"], "no end, and no second answer"
    assert coordinator._context_references == {}


async def test_a_cancelled_request_is_forgotten_too(coordinator: Any) -> None:
    reached = asyncio.Event()

    async def endpoint(request: Request) -> Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    coordinator._context_references["inv-1"] = object()
    async with serving(endpoint) as client:
        asking = asyncio.ensure_future(client.get("/", headers=INVOCATION))
        await asyncio.wait_for(reached.wait(), 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert coordinator._context_references == {}


async def test_the_server_prints_no_paths_and_adds_no_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    import uvicorn

    configs: list[uvicorn.Config] = []

    async def serve(self: uvicorn.Server) -> None:
        configs.append(self.config)

    monkeypatch.setattr(uvicorn.Server, "serve", serve)
    await WebServer("127.0.0.1", 0, WebApp()).serve()
    config = configs[0]
    assert (config.access_log, config.server_header, config.date_header, config.lifespan) == (False, False, False, "off")
    assert config.log_config is None
