"""Storage in trouble: servers that answer from a script, or that stand before a real Azurite and spoil what passes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shared_code.storage.azure_storage import AzureStorage
from tests.azurite import ACCOUNT, AzuriteHandle, connection_string

BUSY = b"HTTP/1.1 503 Server Busy\r\nx-ms-error-code: ServerBusy\r\nContent-Length: 0\r\n\r\n"
CUT = b""
"""Instead of an answer the connection ends; the request reached nobody."""
LOST = b"lost"
"""The request is carried out, and the connection ends before its answer."""
CUT_WITHIN = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"

Say = Callable[[bytes], None]


def answer(status: int, body: str = "", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body.encode())}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@dataclass
class Server:
    """``script`` are the answers to come; behind its end requests pass on to Azurite, or the last answer is repeated."""

    port: int
    script: list[bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    def storage(self) -> AzureStorage:
        return AzureStorage.from_connection_string(connection_string(self.url, self.url, self.url))


@asynccontextmanager
async def scripted(*script: bytes) -> AsyncIterator[Server]:
    async with _serving(list(script), None) as server:
        yield server


@asynccontextmanager
async def before(azurite: AzuriteHandle) -> AsyncIterator[Server]:
    """A proxy to Azurite's tables: set its ``script`` to spoil the next requests."""
    async with _serving([], int(azurite.table_url.rsplit(":", 1)[1].partition("/")[0])) as server:
        yield server


@asynccontextmanager
async def _serving(script: Sequence[bytes], behind: int | None) -> AsyncIterator[Server]:
    open_ones: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones[task] = writer
        try:
            while await _one(server, behind, reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            await _closed(writer)
            del open_ones[task]

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server = Server(listener.sockets[0].getsockname()[1], list(script))
    try:
        yield server
    finally:
        listener.close()
        for writer in open_ones.values():
            writer.close()
        await asyncio.gather(*open_ones)
        await listener.wait_closed()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass  # closed by the other side, which will do


async def _one(server: Server, behind: int | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; False when the connection is to end."""
    request = await _message(reader)
    server.requests.append(request)
    planned = bool(server.script)
    said = (server.script.pop(0) if behind is not None or len(server.script) > 1 else server.script[0]) if planned else None
    if said is None or said == LOST:
        assert behind is not None, "a scripted server has a script"
        found = await _passed_on(request, behind)
        if said == LOST:
            return False
        said = found
    writer.write(said)
    await writer.drain()
    return said not in (CUT, CUT_WITHIN)


async def _passed_on(request: bytes, port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        return await _message(reader)
    finally:
        await _closed(writer)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if fields.get(b"transfer-encoding", b"").strip() == b"chunked":
        return head + await _chunks(reader)
    return head + await reader.readexactly(int(fields.get(b"content-length", b"0")))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = b""
    while True:
        size = await reader.readuntil(b"\r\n")
        found += size + await reader.readexactly(int(size, 16) + 2)
        if int(size, 16) == 0:
            return found
