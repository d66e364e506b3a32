"""Counts the storage calls of an app: a proxy between it and Azurite that passes bytes on and looks for the starts of requests.

What the host's queue triggers ask for every now and then is not the app's, and left out.
"""

import asyncio
import contextlib
import re
import threading
from collections.abc import Coroutine
from typing import Any

from support import AzuriteHandle

_TABLE = re.compile(rb"\r\n(?:PUT|POST|PATCH|MERGE|DELETE) https?://\S+/(\w+)[( ]")
"""Of the first change in a batch, whose own address names no table."""
_REQUEST = re.compile(rb"(?:^|\r\n\r\n)(GET|PUT|POST|DELETE|MERGE|PATCH|HEAD|OPTIONS) (\S+) HTTP/1\.1\r\n")
"""At the start of what one read gives, which is where a client that waits for each answer puts it; a batch's inner ones follow
more than an empty line."""


class CountingProxy:
    """In a thread of its own. ``connection_string`` is for the app; ``calls`` are what it asked for, in order."""

    def __init__(self, azurite: AzuriteHandle) -> None:
        self.calls: list[str] = []
        self.connection_string = azurite.connection_string
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        for url in (azurite.blob_url, azurite.queue_url, azurite.table_url):
            port = int(url.split(":")[2].split("/")[0])
            listening = self._run(self._listen(port))
            self.connection_string = self.connection_string.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{listening}/")

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, coroutine: Coroutine[Any, Any, int]) -> int:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self, port: int) -> int:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(self._pass(reader, onward, count=True), self._pass(onward_reader, writer, count=False))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if count:
                    self._note(data)
                writer.write(data)
                await writer.drain()
        writer.close()

    def _note(self, data: bytes) -> None:
        if (found := _REQUEST.match(data)) and not (call := _shown(found)).endswith(" messages"):
            self.calls.append(call)
        if self.calls and self.calls[-1].endswith("$batch") and (named := _TABLE.search(data)):
            self.calls[-1] += " " + named[1].decode()


def _shown(request: re.Match[bytes]) -> str:
    path = request[2].decode().partition("?")[0].partition("(")[0].removesuffix("/")
    return f"{request[1].decode()} {path.rpartition('/')[2]}"
