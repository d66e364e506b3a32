"""The middleware around every request: HEAD, one log line, the first request's hook."""

import asyncio
from typing import Any

import pytest
import structlog
from starlette.types import Message, Receive, Scope, Send

from shared_code.web.context import RequestContext, request_id


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def scope(method: str = "GET") -> Scope:
    return {"type": "http", "method": method, "path": "/", "headers": []}


class Sent(list[Message]):
    async def __call__(self, message: Message) -> None:
        self.append(message)


async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})
    await send({"type": "http.response.body", "body": b"def"})


async def test_head_leaves_the_body_out_once() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await streaming(scope, receive, send)

    sent, asked = Sent(), scope("HEAD")
    await RequestContext(app, log_requests=False)(asked, receive, sent)
    assert seen[0]["method"] == "GET"
    assert seen[0]["state"]["head"] is True
    assert asked["method"] == "HEAD"
    assert [message.get("body") for message in sent[1:]] == [b""]
    assert (b"content-length", b"6") in sent[0]["headers"]


async def test_the_first_request_alone_runs_the_hook() -> None:
    runs: list[int] = []
    app = RequestContext(streaming, log_requests=False, on_first_request=lambda: runs.append(1))
    await asyncio.gather(*(app(scope(), receive, Sent()) for _ in range(3)))
    assert runs == [1]


async def test_other_protocols_pass() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    await RequestContext(app, log_requests=True)({"type": "websocket"}, receive, Sent())
    assert seen == [{"type": "websocket"}]


@pytest.mark.parametrize(
    ("error", "starts", "status"), [(asyncio.CancelledError, False, 499), (ValueError, False, 500), (asyncio.CancelledError, True, 200)]
)
async def test_the_line_of_a_request_that_ends_badly(error: type[BaseException], starts: bool, status: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if starts:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    with structlog.testing.capture_logs() as logs, pytest.raises(error):
        await RequestContext(app, log_requests=True)(scope(), receive, Sent())
    assert [(line["event"], line["status"]) for line in logs] == [("request", status)]


async def test_nothing_is_left_bound() -> None:
    await RequestContext(streaming, log_requests=False)(scope(), receive, Sent())
    assert "request_id" not in structlog.contextvars.get_contextvars()


def test_an_id_is_made_once() -> None:
    asked = scope()
    assert request_id(asked) == request_id(asked) != request_id(scope())
