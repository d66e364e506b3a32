"""Answers that are sent as they are made: at the reader's pace, and left when the reader does not take them."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Message

from shared_code.web.outgoing import PIECE, Outgoing


class Reader:
    """One end of ASGI, that takes as many pieces as ``takes`` says, and then none for ever."""

    def __init__(self, takes: int = 1_000_000) -> None:
        self.takes, self.got, self.ended = takes, list[bytes](), False
        self.headers: dict[bytes, bytes] = {}

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody leaves")

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.headers = dict(message["headers"])
            return
        if len(self.got) == self.takes:
            await asyncio.Event().wait()
        self.got.append(message["body"])
        self.ended = not message.get("more_body", False)

    async def read(self, answer: Outgoing) -> None:
        async with asyncio.timeout(5):
            await answer({"type": "http"}, self.receive, self.send)


class Source:
    def __init__(self, *chunks: bytes) -> None:
        self.chunks, self.closed = chunks, list[str]()

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            for chunk in self.chunks:
                yield chunk
        finally:
            self.closed.append("chunks")

    async def close(self) -> None:
        self.closed.append("all")


async def test_large_chunks_are_sent_in_pieces() -> None:
    """What is taken in time is a piece, whatever storage gives at once."""
    reader, body = Reader(), bytes(range(256)) * 1024 * 3
    source = Source(body + b"end", b"more")
    await reader.read(Outgoing(source(), 206, {"Content-Length": str(len(body) + 7)}, "text/plain", close=source.close))
    assert b"".join(reader.got) == body + b"endmore"
    assert max(map(len, reader.got)) == PIECE
    assert reader.ended
    assert reader.headers[b"content-length"] == str(len(body) + 7).encode()
    assert reader.headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert source.closed == ["chunks", "all"]


async def test_a_length_that_is_not_known_is_not_told() -> None:
    reader = Reader()
    await reader.read(Outgoing(Source(b"x")()))
    assert b"content-length" not in reader.headers
    assert reader.ended


async def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    reader, source = Reader(takes=1), Source(b"1", b"2", b"3")
    await reader.read(Outgoing(source(), stalled=0.01, close=source.close))
    assert reader.got == [b"1"]
    assert not reader.ended
    assert source.closed == ["chunks", "all"]


async def test_a_reader_that_takes_a_little_all_the_time_is_cut_off_at_last() -> None:
    async def forever() -> AsyncGenerator[bytes, None]:
        while True:
            await asyncio.sleep(0.001)
            yield b"1"

    reader = Reader()
    await reader.read(Outgoing(forever(), longest=0.05))
    assert reader.got
    assert not reader.ended
