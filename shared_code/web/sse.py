"""Server-sent events on their way out: a comment in silence, and an end to the work when the client leaves."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

from starlette.types import Send

from .outgoing import LONGEST, Outgoing

BEAT = 15.0
"""Seconds of silence after which a comment is sent: Azure's front end ends a request that sends nothing for 230 s, and proxies sooner."""
COMMENT = b": still here\n\n"
STALLED = 20.0
"""Seconds in which a client that takes none of an event has gone."""

_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}


def event(name: str, data: Any, *, id: str | None = None) -> bytes:
    """One event, whose data is JSON on one line (HTML Living Standard, 9.2.6). ``id`` has no line end."""
    # Not line ends by the standard, but to many a client's line reader, Python's among them.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_LINE_ENDS)
    line = "" if id is None else f"id: {id}\n"
    return f"{line}event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")


class EventStream(Outgoing):
    """Sends what ``events`` yields, whole events each time. What is streamed here ends by itself before LONGEST is over."""

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
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})}
        super().__init__(events, headers=headers, close=close, stalled=stalled, longest=longest)
        self._beat = beat
        self._sending = False
        self._comments: set[asyncio.Task[None]] = set()

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
            async for event in self._chunks:
                self._sending = True
                if not await self._taken(send, event):
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
