"""Requests through the host, by both workers: what arrives, what streams, who learns that the other has left."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.integration.local_host.harness import WORKERS, RunningHost, Start


@pytest.fixture(scope="module", params=WORKERS)
def host(request: pytest.FixtureRequest, start: Start) -> RunningHost:
    return start("--worker", request.param, "--no-azurite", FUNCTIONS_REQUEST_BODY_SIZE_LIMIT="1000000")


@pytest.fixture
async def client(host: RunningHost) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=host.url, timeout=10) as made:
        yield made


def raw(host: RunningHost, request: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(host.url.rpartition(":")[2])), timeout=10)
    connection.sendall(request)
    return connection


async def test_a_request_and_its_line(host: RunningHost, client: httpx.AsyncClient) -> None:
    answer = await client.get("/HELLO")
    assert (answer.status_code, answer.text, answer.headers["x-request-id"]) == (200, "hello", "sample-1")
    host.wait_until_logged("GET    /HELLO  200")
    host.wait_until_logged("sample-1")
    assert (await client.head("/hello")).headers["content-length"] == "5"


async def test_routes_are_matched_in_the_order_of_names(client: httpx.AsyncClient) -> None:
    assert (await client.get("/items/stats")).text == "by id"
    assert (await client.get("/elsewhere/deep")).json() == {"path": "/elsewhere/deep"}
    assert (await client.post("/hello")).status_code == 404
    assert (await client.get("/")).json() == {"path": "/"}


async def test_bytes_go_through_as_they_are(client: httpx.AsyncClient) -> None:
    body = bytes(range(256)) * 3000
    assert (await client.post("/echo", content=body)).content == body
    assert (await client.post("/count", content=body)).json() == {"size": len(body)}
    assert (await client.post("/count", content=b"")).json() == {"size": 0}


async def test_streaming_goes_both_ways_at_once(host: RunningHost) -> None:
    """The second piece is sent only after the first has come back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(host.url.rpartition(":")[2]))
    writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (b"first", b"other"):
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await asyncio.wait_for(reader.readuntil(piece + b"\r\n"), 10)
    writer.write(b"0\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 10)
    writer.close()


async def test_what_is_not_read_is_not_taken(host: RunningHost) -> None:
    """Back-pressure: with nobody reading the echo, the host stops reading what is sent to it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(host.url.rpartition(":")[2]), limit=1024)
    size = 900_000
    writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
    writer.write(b"x" * size)
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    received = 0
    while received < size:
        received += (await asyncio.wait_for(reader.read(65536), 10)).count(b"x")
    assert received == size
    writer.close()


async def test_an_early_answer_reaches_a_client_that_still_sends(client: httpx.AsyncClient) -> None:
    assert (await client.post("/refuse", content=b"x" * 900_000)).text == "too large"
    assert (await client.get("/hello")).text == "hello"


async def test_bodies_over_the_limit(host: RunningHost, client: httpx.AsyncClient) -> None:
    connection = raw(host, b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 413")
    connection.close()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 60_000

    try:
        assert (await client.post("/count", content=pieces())).status_code == 413
    except (httpx.WriteError, httpx.ReadError):  # the connection was closed while we still wrote
        host.wait_until_logged("POST   /count  413")


async def test_an_exception_is_a_500_that_says_nothing(client: httpx.AsyncClient, host: RunningHost) -> None:
    answer = await client.get("/fail")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    host.wait_until_logged("on purpose")


async def test_a_response_that_breaks_is_cut_not_ended(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/breaks")
    assert (await client.get("/hello")).text == "hello"


async def test_context_and_threads(client: httpx.AsyncClient) -> None:
    first, second = [(await client.get("/context")).json() for _ in range(2)]
    assert first["function"] == "with_context"
    assert first["invocation"] != second["invocation"]
    answers = await asyncio.gather(*(client.get("/threaded") for _ in range(4)), client.get("/hello"))
    assert [answer.text for answer in answers] == ["from a thread"] * 4 + ["hello"]
    assert answers[4].elapsed < answers[0].elapsed


async def test_a_stream_ends_when_its_client_leaves(host: RunningHost) -> None:
    before = host.seen.count("ticks ended")
    connection = raw(host, b"GET /ticks HTTP/1.1\r\nHost: x\r\n\r\n")
    data = b""
    while b"tick" not in data:
        data += connection.recv(1000)
    connection.close()
    host.wait_until_seen("ticks ended", before + 1)


async def test_a_client_that_leaves_before_the_first_byte_is_noticed(host: RunningHost) -> None:
    connection = raw(host, b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
    host.wait_until_seen("hang began")
    connection.close()
    host.wait_until_seen("hang saw the client leave")


async def test_an_upload_that_is_cut_is_noticed(host: RunningHost) -> None:
    connection = raw(host, b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    host.wait_until_seen("upload got 4 bytes")
    connection.close()
    host.wait_until_seen("upload was cut")


async def test_a_share_token_is_in_no_log(host: RunningHost, client: httpx.AsyncClient) -> None:
    assert (await client.get("/share/s3cr3t?p=s3cr3t")).text == "shared"
    host.wait_until_logged("/share/***")
    assert "s3cr3t" not in host.log


async def test_functions_are_fired_by_hand(host: RunningHost, client: httpx.AsyncClient) -> None:
    assert (await client.post("/admin/functions/on_time", json={})).status_code == 202
    assert (await client.post("/admin/functions/on_message", json={"input": "by hand"})).status_code == 202
    assert (await client.post("/admin/functions/on_blob", json={"input": "samples/a/b.png"})).status_code == 202
    assert (await client.post("/admin/functions/hello", json={})).status_code == 404
    for line in ("timer ends", "queue by hand try 1 on_message", "blob samples/a/b.png"):
        assert line in host.seen


async def test_settings_file_cors_and_port(start: Start, tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    for source in Path(__file__).parent.joinpath("sample_app").glob("*.*"):
        (app / source.name).write_bytes(source.read_bytes())
    values = {"SAMPLE_QUEUE": "file", "ONLY_IN_FILE": "yes"}
    local = {"IsEncrypted": False, "Values": values, "Host": {"CORS": "http://page.test", "LocalHttpPort": 1}}
    (app / "local.settings.json").write_text(json.dumps(local))
    host = start("--no-azurite", app=app)  # --port 0 of the command line wins over LocalHttpPort
    async with httpx.AsyncClient(base_url=host.url) as client:
        answer = await client.get("/hello", headers={"origin": "http://page.test"})
        assert answer.headers["access-control-allow-origin"] == "http://page.test"
    host.wait_until_logged("on_message is off: no storage connection string in AzureWebJobsStorage")
