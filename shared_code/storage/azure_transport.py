"""The connection pool under the SDK clients. Imported with the first call, never before."""

import logging
import ssl
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.settings import settings

from .. import telemetry

CONNECTIONS = 256
_LARGE = 1024 * 1024

# Below the 5 s after which Azurite closes an idle connection, so that none is reused as it closes; Azure waits longer.
_IDLE_LOCAL, _IDLE_AZURE = 4, 30


class PieceByPieceTransport(AioHttpTransport):  # type: ignore[misc]  # exported lazily, so without a type
    """Writes large bodies to the socket in pieces: aiohttp would hand it all of the bytes at once, which blocks the loop."""

    async def send(self, request: Any, **config: Any) -> Any:
        with telemetry.dependency(_service(request.url), request.method) as span:
            response = await self._send(request, **config)
            span.set({"http.response.status_code": response.status_code})
            return response

    async def _send(self, request: Any, **config: Any) -> Any:
        data = request.data
        if not isinstance(data, bytes) or len(data) <= _LARGE:
            return await super().send(request, **config)
        request.data = BytesIO(data)
        try:
            return await super().send(request, **config)
        finally:
            request.data = data  # a retry starts from the first byte


def _service(url: str) -> str:
    """``blob``, ``queue`` or ``table``; an emulator's ports do not tell."""
    names = (urlsplit(url).hostname or "").split(".")
    return next((name for name in names[1:2] if name in ("blob", "queue", "table")), "storage")


def open_session(*, local: bool) -> ClientSession:
    """One pool for the three services. It is the caller's to close."""
    settings.tracing_enabled = False  # else each call asks the environment
    # At INFO the SDK writes every request's headers, and blob URLs name users' files.
    logging.getLogger("azure").setLevel(logging.WARNING)
    connector = TCPConnector(
        limit=CONNECTIONS,
        keepalive_timeout=_IDLE_LOCAL if local else _IDLE_AZURE,
        ttl_dns_cache=30,
        ssl=True if local else ssl.create_default_context(),
    )
    # The SDK's own session looks up proxies in a thread for every request (trust_env): half the cost of a call.
    return ClientSession(connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False, trust_env=False)
