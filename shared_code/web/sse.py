"""Server-sent events on their way out: a comment in silence, and an end to the work when the client leaves."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

log = structlog.get_logger("lydian")

BEAT = 15.0
"""Seconds of silence after which a comment is sent: Azure's front end ends a request that sends nothing for 230 s, and proxies sooner."""
COMMENT = b": still here\n\n"
STALLED = 20.0
"""Seconds in which a client that takes nothing has gone, whatever its connection says. Of an invocation that outlives ``functionTimeout``
(ten minutes) the host restarts the whole worker, with everybody's requests in it: none may hang on one reader."""
LONGEST = 575.0
"""Seconds for one that takes a little all the time. What is streamed here ends earlier by itself."""


_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}


def event(name: str, data: Any, *, id: str | None = None) -> bytes:
    """One event, whose data is JSON on one line (HTML Living Standard, 9.2.6). ``id`` has no line end."""
    # Not line ends by the standard, but to many a client's line reader, Python's among them.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_LINE_ENDS)
    line = "" if id is None else f"id: {id}\n"
    return f"{line}event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")


class EventStream(Response):
    """Sends what ``events`` yields, whole events each time, and no faster than the client takes them.

    ``events`` is closed when it has ended and when the client has gone; ``close`` is called last, in any case.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        *,
        close: Callable[[], Awaitable[None]] | None = None,
        headers: Mapping[str, str] | None = None,
        beat: float = BEAT,
        stalled: float = STALLED,
        longest: float = LONGEST,
    ) -> None:
        # Neither caches nor proxies may keep back what they have (the second is nginx's).
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})})
        del self.headers["content-length"]
        del self.body  # there is none: who keeps answers (idempotency) would keep an empty one
        self._events, self._close, self._beat, self._stalled, self._longest = events, close, beat, stalled, longest
        self._sending = False
        self._comments: set[asyncio.Task[None]] = set()

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
            await self._events.aclose()
            if self._close is not None:
                await self._close()

    async def _pump(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        timer: asyncio.TimerHandle

        def beat() -> None:
            nonlocal timer
            due = last + self._beat
            if loop.time() >= due - 0.001:
                due = loop.time() + self._beat
                if not self._sending:  # a client that takes nothing needs no comment
                    comment = loop.create_task(_say(send))
                    self._comments.add(comment)
                    comment.add_done_callback(self._comments.discard)
            timer = loop.call_at(due, beat)

        timer = loop.call_at(last + self._beat, beat)
        try:
            async for event in self._events:
                self._sending = True
                try:
                    async with asyncio.timeout(self._stalled):
                        await send({"type": "http.response.body", "body": event, "more_body": True})
                except TimeoutError:
                    log.warning("stream_reader_stalled", seconds=self._stalled)
                    return
                self._sending, last = False, loop.time()
            for comment in self._comments:
                comment.cancel()
            await send({"type": "http.response.body", "body": b""})
        finally:
            timer.cancel()
            for comment in self._comments:
                comment.cancel()


async def _say(send: Send) -> None:
    await send({"type": "http.response.body", "body": COMMENT, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
