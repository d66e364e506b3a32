"""Bodies on their way in: a client that stops sending has left, and a refusal is heard: the answer goes out at once, and what the client is
still sending is read and dropped.

A server that closes a connection with unread bytes resets it, and the client may never see why (RFC 9112, 9.6). This is
what nginx calls a lingering close.
"""

import asyncio
import contextlib

import structlog
from starlette.types import Message, Receive, Scope, Send

from .outgoing import LONGEST

log = structlog.get_logger("lydian")

SILENT = 60.0
"""Seconds without a byte of a body that is waited for, after which its client has gone; nginx's ``client_body_timeout``. All of it has
LONGEST, as an answer has: an invocation must not hang on its client."""
MAX_BYTES = 256 * 1024 * 1024
MAX_SECONDS = 5.0


class Linger:
    """Stands between the app and the server for one request that has a body."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        # Who waits for "100 Continue" sends nothing before we read: there is nothing to drop.
        self._expects = any(name == b"expect" for name, _ in scope["headers"])
        self._begun = self._ended = False
        self._refused = False
        self._until = asyncio.get_running_loop().time() + LONGEST

    @staticmethod
    def concerns(scope: Scope) -> bool:
        return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in scope["headers"])

    async def receive(self) -> Message:
        message = await (self._receive() if self._ended else self._in_time())
        self._begun = True
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._ended = True
        return message

    async def _in_time(self) -> Message:
        try:
            async with asyncio.timeout_at(min(self._until, asyncio.get_running_loop().time() + SILENT)):
                return await self._receive()
        except TimeoutError:
            log.warning("body_too_slow", seconds=SILENT)
            return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._refused = message["status"] >= 400
        unread = not self._ended and (self._begun or not self._expects)
        if not (self._refused and unread) or message["type"] == "http.response.start" or message.get("more_body", False):
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._drop()
        await self._send({"type": "http.response.body", "body": b""})

    async def _drop(self) -> None:
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MAX_SECONDS):
                while not self._ended and size < MAX_BYTES:
                    size += len((await self.receive()).get("body", b""))
