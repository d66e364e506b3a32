"""Streams of events: whole ones, at the reader's pace, with comments in silence, and closed when the reader leaves."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from shared_code.web.sse import COMMENT, EventStream
from tests.unit.apps import until


class Client:
    """One end of ASGI. ``takes`` holds it back while it is not set."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.left, self.takes = asyncio.Event(), asyncio.Event()
        self.takes.set()
        self.ended = False

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            assert headers[b"content-type"].startswith(b"text/event-stream")
            assert b"content-length" not in headers
            return
        await self.takes.wait()
        if message["body"]:
            self.got.append(message["body"])
        self.ended = not message.get("more_body", False)

    async def gets(self, stream: EventStream) -> None:
        await stream({"type": "http"}, self.receive, self.send)


class Events:
    def __init__(self, *events: bytes | None) -> None:
        """None: wait for ``go``."""
        self.events, self.go, self.closed, self.given = events, asyncio.Event(), 0, 0

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            for event in self.events:
                if event is None:
                    await self.go.wait()
                else:
                    self.given += 1
                    yield event
        finally:
            self.closed += 1

    async def close(self) -> None:
        self.closed += 10


async def test_all_of_it() -> None:
    client, events = Client(), Events(b"1\n\n", b"2\n\n")
    await client.gets(EventStream(events(), close=events.close))
    assert client.got == [b"1\n\n", b"2\n\n"]
    assert client.ended
    assert events.closed == 11


async def test_a_client_that_leaves_closes_it_at_once() -> None:
    client, events = Client(), Events(b"1\n\n", None, b"2\n\n")
    serving = asyncio.ensure_future(client.gets(EventStream(events(), close=events.close)))
    await until(lambda: client.got)
    client.left.set()
    await serving
    assert events.closed == 11
    assert not client.ended


async def test_a_request_that_is_cancelled_closes_it() -> None:
    client, events = Client(), Events(b"1\n\n", None)
    serving = asyncio.ensure_future(client.gets(EventStream(events(), close=events.close)))
    await until(lambda: client.got)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert events.closed == 11


async def test_what_was_never_begun_is_closed_too() -> None:
    client, events = Client(), Events(b"1\n\n")

    async def fails(message: Message) -> None:
        raise OSError

    with pytest.raises(OSError):
        await EventStream(events(), close=events.close)({"type": "http"}, client.receive, fails)
    assert events.closed == 10


async def test_a_slow_reader_holds_it_back() -> None:
    client, events = Client(), Events(*[b"x\n\n"] * 100)
    client.takes.clear()
    serving = asyncio.ensure_future(client.gets(EventStream(events(), beat=0.001)))
    await until(lambda: events.given)
    for _ in range(50):
        await asyncio.sleep(0)
    assert events.given == 1, "one is on its way, and no more are asked for"
    await asyncio.sleep(0.01)  # several beats: nothing is piled up behind what is not taken
    client.takes.set()
    await serving
    assert client.got == [b"x\n\n"] * 100


async def test_silence_is_broken_by_comments() -> None:
    client, events = Client(), Events(b"1\n\n", None, b"2\n\n")
    serving = asyncio.ensure_future(client.gets(EventStream(events(), beat=0.005)))
    await until(lambda: client.got.count(COMMENT) >= 2)
    events.go.set()
    await serving
    assert client.got[0] == b"1\n\n"
    assert client.got[-1] == b"2\n\n"
    assert set(client.got[1:-1]) == {COMMENT}


async def test_who_talks_needs_no_comment() -> None:
    client = Client()

    async def chatty() -> AsyncGenerator[bytes, None]:
        for _ in range(20):
            await asyncio.sleep(0.001)  # the pace of a model, far below the beat
            yield b"x\n\n"

    await client.gets(EventStream(chatty(), beat=5))
    assert client.got == [b"x\n\n"] * 20


async def test_a_mistake_cuts_the_connection() -> None:
    client = Client()

    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"1\n\n"
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError):
        await client.gets(EventStream(broken()))
    assert not client.ended


async def test_a_client_that_takes_nothing_has_gone() -> None:
    """Else its invocation lives until the host restarts the worker."""
    client, events = Client(), Events(b"1\n\n", b"2\n\n")
    client.takes.clear()
    async with asyncio.timeout(5):
        await client.gets(EventStream(events(), close=events.close, stalled=0.01))
    assert events.closed == 11
    assert client.got == []
    assert not client.ended


async def test_a_client_that_takes_a_little_all_the_time_is_left_at_last() -> None:
    async def forever() -> AsyncGenerator[bytes, None]:
        while True:
            await asyncio.sleep(0.001)
            yield b"1\n\n"

    client = Client()
    async with asyncio.timeout(5):
        await client.gets(EventStream(forever(), longest=0.05))
    assert client.got
    assert not client.ended
