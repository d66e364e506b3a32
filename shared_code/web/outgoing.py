"""Answers that are sent as they are made: no faster than the client takes them, and none that hangs on its reader."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

log = structlog.get_logger("lydian")

PIECE = 256 * 1024
"""Bytes that are sent at a time, and taken within STALLED."""
STALLED = 60.0
"""Seconds in which a client that takes nothing has gone, whatever its connection says; nginx's ``send_timeout``. A player that was paused
for longer asks for the rest by its range."""
LONGEST = 575.0
"""Seconds for one that takes a little all the time. Of an invocation that outlives ``functionTimeout`` (ten minutes) the host restarts the
whole worker, with everybody's requests in it: none may hang on one reader."""


class Outgoing(Response):
    """Sends what ``chunks`` yields, to a client that is neither gone nor stalled, for LONGEST at most; else the connection is cut, and the
    client sees that the body is not whole.

    ``chunks`` is closed when it has ended and when the client has gone; ``close`` is called last, in any case.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        *,
        close: Callable[[], Awaitable[None]] | None = None,
        stalled: float = STALLED,
        longest: float = LONGEST,
    ) -> None:
        super().__init__(status_code=status_code, headers=headers, media_type=media_type)
        if not any(name.lower() == "content-length" for name in headers or ()):
            del self.headers["content-length"]
        del self.body  # there is none: who keeps answers (idempotency) would keep an empty one
        self._chunks, self._close, self._stalled, self._longest = chunks, close, stalled, longest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pump: asyncio.Task[None] | None = None
        left: asyncio.Task[None] | None = None
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            pump, left = asyncio.create_task(self._pump(send)), asyncio.create_task(_gone(receive))
            await asyncio.wait({pump, left}, timeout=self._longest, return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                pump.result()
            elif not left.done():
                log.warning("stream_too_long", seconds=self._longest)
        finally:
            if left is not None:
                left.cancel()
            if pump is not None and not pump.done():
                pump.cancel()
                await asyncio.wait({pump})
            await closed(self._chunks)
            if self._close is not None:
                await self._close()

    async def _pump(self, send: Send) -> None:
        async for chunk in self._chunks:
            for start in range(0, len(chunk), PIECE):
                if not await self._taken(send, chunk[start : start + PIECE]):
                    return
        await send({"type": "http.response.body", "body": b""})

    async def _taken(self, send: Send, piece: bytes) -> bool:
        """Whether the client takes it in time."""
        try:
            async with asyncio.timeout(self._stalled):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            log.warning("stream_reader_stalled", seconds=self._stalled)
            return False
        return True


async def closed(chunks: AsyncIterator[bytes]) -> None:
    """Close what can be closed."""
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
