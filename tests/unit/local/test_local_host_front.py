"""The front of the host, with a worker that needs no app."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from local import log
from local.cors import Cors
from local.host import Host, manual_data
from local.routes import read_routes
from local.triggers.run import Runner
from local.worker import Function, InvocationFailed, ParamsOf, TriggerData, trigger_of


class FakeWorker:
    def __init__(self) -> None:
        self.fired: list[tuple[str, TriggerData]] = []

    async def start(self) -> list[Function]:
        return []

    def http_app(self, function: Function, params: ParamsOf) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            body = await Request(scope, receive).body()
            headers = (
                {"x-request-id": "req_1", "access-control-allow-origin": "own"}
                if function.name == "own_cors"
                else {"x-request-id": "req_1"}
            )
            await PlainTextResponse(f"{function.name} {len(body)}", headers=headers)(scope, receive, send)

        return app

    async def invoke(self, function: Function, data: TriggerData) -> None:
        self.fired.append((function.name, data))
        if function.name == "broken":
            raise InvocationFailed

    async def stop(self) -> None: ...


HTTP = [
    Function(name, {"type": "httpTrigger", "name": "req", "route": route})
    for name, route in (("upload", "upload"), ("share", "share/{token}"), ("own_cors", "own"), ("admin_grab", "admin/{*rest}"))
]
OTHERS = [
    Function("clock", {"type": "timerTrigger", "name": "t"}),
    Function("work", {"type": "queueTrigger", "name": "m"}),
    Function("broken", {"type": "queueTrigger", "name": "m"}),
    Function("resize", {"type": "blobTrigger", "name": "b", "connection": "Mine"}),
]


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker()


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host.test")


@pytest.fixture
async def client(worker: FakeWorker) -> AsyncIterator[httpx.AsyncClient]:
    host = Host(worker, Runner(worker, None), read_routes(HTTP, "", str), OTHERS, body_limit=10)
    async with client_of(host) as made:
        yield made


async def test_no_match_is_an_empty_404(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere")
    assert (answer.status_code, answer.content) == (404, b"")


async def test_a_body_over_the_limit_is_refused_before_it_is_read(client: httpx.AsyncClient) -> None:
    assert (await client.post("/upload", content=b"x" * 10)).text == "upload 10"
    assert (await client.post("/upload", content=b"x" * 11)).status_code == 413


async def test_a_body_of_unknown_length_is_refused_while_it_is_read(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"xxxx"

    assert (await client.post("/upload", content=pieces())).status_code == 413


async def test_one_line_a_request_without_query_or_token(client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    await client.get("/share/hunter2?password=hunter3")
    (line,) = capsys.readouterr().out.splitlines()
    assert "GET    /share/***  200" in line
    assert "req_1" in line
    assert "hunter" not in line


def test_a_log_line_holds_nothing_that_a_terminal_acts_on() -> None:
    assert log.masked(b"/a\x1b[2Jb/\xff") == "/a?[2Jb/?"


async def test_admin_fires_what_is_not_http(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    assert (await client.post("/admin/functions/Clock", json={})).status_code == 202
    assert (await client.post("/admin/functions/work", json={"input": "text"})).status_code == 202
    assert (await client.post("/admin/functions/work", json={"input": {"a": 1}})).status_code == 202
    assert (await client.post("/admin/functions/resize", json={"input": "box/a/b.png"})).status_code == 202
    assert [name for name, _ in worker.fired] == ["clock", "work", "work", "resize"]
    assert [data.value for _, data in worker.fired[1:3]] == ["text", '{"a": 1}']
    reference = json.loads(worker.fired[3][1].value.content)  # type: ignore[union-attr]  # a reference
    assert reference == {"Connection": "Mine", "ContainerName": "box", "BlobName": "a/b.png"}


async def test_admin_answers_202_for_a_failing_function_too(client: httpx.AsyncClient) -> None:
    assert (await client.post("/admin/functions/broken", json={"input": ""})).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/admin/functions/nobody", b"{}", 404),
        ("POST", "/admin/functions/upload", b"{}", 404),
        ("GET", "/admin/functions/clock", b"", 405),
        ("POST", "/admin/functions/work", b"{", 400),
        ("POST", "/admin/functions/work", b"[]", 400),
        ("POST", "/admin/functions/resize", b'{"input": "nameless"}', 400),
        ("GET", "/admin/host/status", b"", 404),
        ("GET", "/runtime/webhooks", b"", 404),
    ],
)
async def test_admin_refuses(client: httpx.AsyncClient, method: str, path: str, body: bytes, status: int) -> None:
    assert (await client.request(method, path, content=body)).status_code == status


def test_a_queue_function_fired_without_input_gets_an_empty_message() -> None:
    data = manual_data(OTHERS[1], b"")
    assert data is not None
    assert data.value == ""


async def test_admin_ignores_a_client_that_leaves_in_the_middle(worker: FakeWorker) -> None:
    host = Host(worker, Runner(worker, None), [], OTHERS, body_limit=10)
    sent: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            sent.append(int(str(message["status"])))

    scope = {"type": "http", "method": "POST", "path": "/admin/functions/clock", "raw_path": b"/admin/functions/clock", "headers": []}
    await asyncio.wait_for(host(scope, receive, send), 5)  # type: ignore[arg-type]  # plain ASGI
    assert (sent, worker.fired) == ([400], [])


async def test_cors(worker: FakeWorker) -> None:
    host = Host(worker, Runner(worker, None), read_routes(HTTP, "", str), [], body_limit=10)
    async with client_of(Cors(host, ("http://good.test",), credentials=True)) as client:
        asks = {"origin": "http://good.test", "access-control-request-method": "PUT", "access-control-request-headers": "x-a"}
        preflight = await client.options("/upload", headers=asks)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "http://good.test"
        assert preflight.headers["access-control-allow-methods"] == "PUT"
        assert preflight.headers["access-control-allow-credentials"] == "true"
        plain = await client.get("/upload", headers={"origin": "http://good.test"})
        assert plain.headers["access-control-allow-origin"] == "http://good.test"
        own = await client.get("/own", headers={"origin": "http://good.test"})
        assert own.headers.get_list("access-control-allow-origin") == ["own"]
        other = await client.get("/upload", headers={"origin": "http://bad.test"})
        assert "access-control-allow-origin" not in other.headers


async def test_cors_for_everyone(worker: FakeWorker) -> None:
    host = Host(worker, Runner(worker, None), read_routes(HTTP, "", str), [], body_limit=10)
    async with client_of(Cors(host, ("*",), credentials=False)) as client:
        answer = await client.get("/upload", headers={"origin": "http://any.test"})
        assert answer.headers["access-control-allow-origin"] == "*"


def test_bindings_that_the_host_does_not_speak_are_refused() -> None:
    trigger = json.dumps({"type": "queueTrigger", "name": "m"})
    assert trigger_of("f", [trigger, json.dumps({"type": "http", "name": "$return"})]).kind == "queuetrigger"
    with pytest.raises(ValueError, match="queue binding"):
        trigger_of("f", [trigger, json.dumps({"type": "queue", "name": "out"})])
    with pytest.raises(ValueError, match="0 triggers"):
        trigger_of("f", [])
