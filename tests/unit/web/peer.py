"""A server's side of one request, for tests of the bridge."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from shared_code.web import bridge

WAIT = 5.0


class Peer:
    """A server's side of one request: what the client sends is fed, what the app sends is kept."""

    def __init__(self, *, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": headers or [], "query_string": b""}
        self.inbound: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.receiving = 0

    async def receive(self) -> Message:
        self.receiving += 1
        assert self.receiving == 1, "two receives at once"
        try:
            return await self.inbound.get()
        finally:
            self.receiving -= 1

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def feed(self, body: bytes = b"", *, more: bool = False) -> None:
        self.inbound.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        self.inbound.put_nowait({"type": "http.disconnect"})

    async def handle(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> Response:
        return await asyncio.wait_for(bridge.make_handler(app)(Request(self.scope, self.receive)), WAIT)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def start(send: Send, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})


async def turns() -> None:
    """Enough turns of the loop for everything that can happen now to happen."""
    for _ in range(30):
        await asyncio.sleep(0)
