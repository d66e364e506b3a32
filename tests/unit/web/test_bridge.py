"""The bridge driven as the worker drives it: ``handler(request)``, then ``response(scope, receive, send)``."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from shared_code.web import bridge
from tests.unit.apps import until
from tests.unit.web.peer import WAIT, Peer, start


async def test_an_answer_is_passed_on_as_it_is_made() -> None:
    peer, made = Peer(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, 201)
        for piece in (b"one", b"two"):
            made.append(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    response = await peer.handle(app)
    assert response.status_code == 201
    assert made == [b"one"], "the second piece waits until the server takes the first"
    await response(peer.scope, peer.receive, peer.send)
    assert peer.body == b"onetwo"


async def test_back_pressure_reaches_the_app() -> None:
    """The app's ``send`` returns no sooner than the server's."""
    peer, taken, passed = Peer(), asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        passed.append(1)
        await send({"type": "http.response.body", "body": b""})

    async def slow_send(message: Message) -> None:
        peer.sent.append(message)
        if message["type"] == "http.response.body":
            await taken.wait()

    response = await peer.handle(app)
    answering = asyncio.ensure_future(response(peer.scope, peer.receive, slow_send))
    await until(lambda: len(peer.sent) == 2)
    assert not passed
    taken.set()
    await asyncio.wait_for(answering, WAIT)
    assert passed


async def test_both_ways_at_once() -> None:
    """An echo: pieces go out before the body has ended."""
    peer = Peer(headers=[(b"transfer-encoding", b"chunked")])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})

    peer.feed(b"a", more=True)
    response = await peer.handle(app)
    answering = asyncio.ensure_future(response(peer.scope, peer.receive, peer.send))
    await until(lambda: peer.body == b"a")
    peer.feed(b"b")
    await asyncio.wait_for(answering, WAIT)
    assert peer.body == b"ab"


async def test_an_unhandled_exception_fails_the_invocation() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("boom")

    with pytest.raises(ZeroDivisionError, match="boom"):
        await Peer().handle(app)


async def test_the_error_middlewares_own_500_is_not_taken_for_the_answer() -> None:
    """Starlette answers 500 and raises after it: the exception is what the host must count."""
    peer = Peer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["failure"] = True
        await start(send, 500)
        await send({"type": "http.response.body", "body": b"never seen"})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await peer.handle(app)
    assert not peer.sent


async def test_an_app_that_gives_no_answer_fails_the_invocation() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        return

    with pytest.raises(RuntimeError, match="no answer"):
        await Peer().handle(app)


async def test_a_failure_after_the_start_reaches_the_server() -> None:
    peer = Peer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError

    response = await peer.handle(app)
    with pytest.raises(ZeroDivisionError):
        await response(peer.scope, peer.receive, peer.send)
    assert peer.body == b"half"


def test_a_relay_is_what_the_worker_takes_for_a_response() -> None:
    from shared_code.web.azure_http import ResponseType

    ours: Any = ResponseType
    assert issubclass(bridge.Relay, ours.response_type)
