"""Clients that leave, and invocations that are cancelled: the app behind the bridge is told or cancelled, once."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from shared_code.web import bridge
from tests.unit.apps import until
from tests.unit.web.peer import WAIT, Peer, start, turns


@pytest.fixture(autouse=True)
def watch_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "WATCH_AFTER", 0)


class Cancelled:
    """An app that waits for ever, and tells when it was cancelled."""

    def __init__(self, *, reads: int = 0) -> None:
        self.cancelled = asyncio.Event()
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            for _ in range(self._reads):
                await receive()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


SENDS = [(b"content-length", b"3")]


@pytest.mark.parametrize(
    ("headers", "pieces", "reads"),
    [
        pytest.param([], [(b"", False)], 0, id="no body, not asked for"),
        pytest.param([], [(b"", False)], 1, id="no body, asked for"),
        pytest.param(SENDS, [(b"abc", False)], 1, id="body consumed"),
        pytest.param(SENDS, [(b"abc", False)], 0, id="body not consumed"),
        pytest.param(SENDS, [(b"ab", True), (b"c", False)], 1, id="body half consumed"),
    ],
)
async def test_a_client_that_leaves_before_the_first_byte_cancels_the_app(
    headers: list[tuple[bytes, bytes]], pieces: list[tuple[bytes, bool]], reads: int
) -> None:
    peer, app = Peer(headers=headers), Cancelled(reads=reads)
    for body, more in pieces:
        peer.feed(body, more=more)
    peer.leave()
    response = await peer.handle(app)
    assert app.cancelled.is_set()
    assert response.status_code == 499


async def test_what_the_watcher_has_read_ahead_reaches_the_app() -> None:
    peer, go, got = Peer(headers=SENDS), asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        more = True
        while more:
            message = await receive()
            got.append(message["body"])
            more = message["more_body"]
        await start(send)
        await send({"type": "http.response.body", "body": b""})

    for piece in (b"a", b"b", b"c"):
        peer.feed(piece, more=True)
    peer.feed(b"d")
    handling = asyncio.ensure_future(peer.handle(app))
    await until(lambda: peer.inbound.qsize() < 4)
    await turns()
    assert peer.inbound.qsize() == 3, "one piece ahead at most: back-pressure towards the client stays"
    go.set()
    await (await handling)(peer.scope, peer.receive, peer.send)
    assert got == [b"a", b"b", b"c", b"d"]


async def test_an_app_that_was_told_cleans_up_in_peace() -> None:
    """Who reads the disconnect itself is not cancelled in the middle of undoing what it did."""
    peer, undone = Peer(headers=SENDS), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await turns()  # the watcher would act now
        undone.set()
        await start(send, 400)

    peer.feed(b"a", more=True)
    peer.leave()
    response = await peer.handle(app)
    assert undone.is_set()
    assert response.status_code == 400


async def test_every_reader_is_told_of_a_disconnect_that_the_watcher_has_found() -> None:
    peer, told = Peer(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.extend([(await receive())["type"] for _ in range(3)])
            raise

    peer.feed()
    peer.leave()
    await peer.handle(app)
    assert told == ["http.request", "http.disconnect", "http.disconnect"]


async def test_a_body_that_the_client_holds_back_is_not_asked_for() -> None:
    """``Expect: 100-continue``: to look for a disconnect would be to ask for the body."""
    peer, go = Peer(headers=[*SENDS, (b"expect", b"100-continue")]), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await start(send, 401)

    handling = asyncio.ensure_future(peer.handle(app))
    await turns()
    assert peer.receiving == 0
    go.set()
    assert (await handling).status_code == 401


async def test_a_cancelled_invocation_cancels_the_app() -> None:
    app, peer = Cancelled(reads=1), Peer()
    peer.feed()
    handling = asyncio.ensure_future(bridge.make_handler(app)(Request(peer.scope, peer.receive)))
    await until(peer.inbound.empty)
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    await asyncio.wait_for(app.cancelled.wait(), WAIT)


async def test_a_cancelled_answer_cancels_the_app() -> None:
    peer, cancelled = Peer(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    response = await peer.handle(app)
    answering = asyncio.ensure_future(response(peer.scope, peer.receive, peer.send))
    await until(lambda: peer.sent)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await asyncio.wait_for(cancelled.wait(), WAIT)


async def test_a_server_that_refuses_the_start_cancels_the_app() -> None:
    """As the server does when the client left between the app's start and ours."""
    peer, cancelled = Peer(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def broken(message: Message) -> None:
        raise OSError("gone")

    response = await peer.handle(app)
    with pytest.raises(OSError, match="gone"):
        await response(peer.scope, peer.receive, broken)
    await asyncio.wait_for(cancelled.wait(), WAIT)


async def test_an_app_whose_whole_body_is_one_message_waits_for_nobody() -> None:
    peer, done = Peer(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"all"})
        done.set()

    response = await peer.handle(app)
    await asyncio.wait_for(done.wait(), WAIT)  # before anybody takes it
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    await response(peer.scope, peer.receive, keep)
    assert [message.get("body") for message in sent] == [None, b"all"]
