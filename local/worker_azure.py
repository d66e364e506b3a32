"""The azure worker: Microsoft's own Python worker library runs the functions, in this process (Python >= 3.13).

This module is the host around it: it has the app indexed, sends invocations, and proxies each HTTP request to the
worker's own HTTP server, streaming both ways, as the real host does.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from yarl import URL

from . import azure_protocol as rpc
from . import log
from .settings import StartError
from .worker import Function, InvocationFailed, ParamsOf, TriggerData, trigger_of

logger = logging.getLogger("local.worker")

_ADDRESS = "127.0.0.1"
# Hop by hop (RFC 9110, section 7.6.1): they describe one connection, and there are two.
_HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"proxy-connection"}
_INVOCATION_ID = b"x-ms-invocation-id"
_UNASKED = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")  # what the client library would add of its own


class AzureWorker:
    def __init__(self, app_dir: Path) -> None:
        self._directory = app_dir
        self._ids: dict[str, str] = {}
        self._running: set[asyncio.Task[bool]] = set()
        self._runtime: Any = None
        self._session: aiohttp.ClientSession | None = None
        self._url = ""

    async def start(self) -> list[Function]:
        import azure_functions_runtime  # type: ignore[import-not-found]  # installed on Python >= 3.13 only

        self._runtime = azure_functions_runtime
        request = rpc.Message(capabilities={}, function_app_directory=str(self._directory))
        answer = await self._runtime.worker_init_request(rpc.streaming_message(_ADDRESS, worker_init_request=request))
        if answer.result.status != rpc.StatusResult.Success:
            raise StartError(f"Microsoft's worker can't index the app: {rpc.explain(answer.result)}")
        self._url = answer.capabilities.get("HttpUri", "")
        listed = await self._runtime.functions_metadata_request(rpc.streaming_message(_ADDRESS))
        functions = [await self._load(metadata) for metadata in listed.function_metadata_results or ()]
        if any(function.kind == "httptrigger" for function in functions):
            if not self._url:
                raise StartError("the app imports no web extension: HTTP streaming is off")
            await self._wait_for_server()
            self._session = aiohttp.ClientSession(
                # The worker's server drops an idle connection after 5 s: never reuse one that it is about to close.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                skip_auto_headers=_UNASKED,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return functions

    async def _load(self, metadata: Any) -> Function:
        request = rpc.Message(function_id=metadata.function_id, metadata=metadata)
        await self._runtime.function_load_request(rpc.streaming_message(_ADDRESS, function_load_request=request))
        self._ids[metadata.name] = metadata.function_id
        try:
            return trigger_of(metadata.name, metadata.raw_bindings)
        except ValueError as error:
            raise StartError(str(error)) from error

    async def _wait_for_server(self) -> None:
        url = URL(self._url)
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection(url.host, url.port)
                except OSError:
                    await asyncio.sleep(0.01)
                else:
                    return writer.close()

    async def invoke(self, function: Function, data: TriggerData) -> None:
        value = rpc.TypedData(**{data.type: data.value})
        metadata = {name: rpc.TypedData(json=text) for name, text in data.metadata.items()}
        if not await self._invoke(function, str(uuid.uuid4()), value, metadata):
            raise InvocationFailed(function.name)

    async def _invoke(self, function: Function, invocation_id: str, value: Any, metadata: dict[str, Any]) -> bool:
        request = rpc.Message(
            invocation_id=invocation_id,
            function_id=self._ids[function.name],
            input_data=[rpc.ParameterBinding(name=function.trigger["name"], data=value)],
            trigger_metadata=metadata,
            trace_context=rpc.Message(trace_parent="", trace_state="", attributes={}),
            retry_context=_NoRetry(),
        )
        answer = await self._runtime.invocation_request(rpc.streaming_message(_ADDRESS, invocation_request=request))
        if answer.result.status == rpc.StatusResult.Success:
            return True
        logger.error("%s failed: %s", function.name, rpc.explain(answer.result))
        return False

    def http_app(self, function: Function, params: ParamsOf) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            invocation_id = str(uuid.uuid4())
            http = rpc.Message(
                method=scope["method"], url=scope["path"], headers={}, query={}, params=params(scope["path"]), body=rpc.TypedData()
            )
            running = asyncio.create_task(self._invoke(function, invocation_id, rpc.TypedData(http=http), {}))
            self._running.add(running)  # it may outlive the exchange: the worker has no way to cancel an invocation
            running.add_done_callback(self._running.discard)
            assert self._session is not None
            await Proxy(self._session, self._url, invocation_id).forward(scope, receive, send)

        return app

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        if self._session is not None:
            await self._session.close()


class _NoRetry:
    retry_count = 0
    max_retry_count = 0
    exception = None


class Proxy:
    """Forwards one exchange to the worker's HTTP server. Whoever leaves, the other side learns it at once."""

    def __init__(self, session: aiohttp.ClientSession, url: str, invocation_id: str) -> None:
        self._session = session
        self._url = url
        self._invocation_id = invocation_id
        self._body_sent = asyncio.Event()
        self._left = False

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        relaying = asyncio.create_task(self._relay(scope, receive, send))
        watching = asyncio.create_task(self._client_left(receive))
        try:
            await asyncio.wait({relaying, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (relaying, watching):
                task.cancel()
            await asyncio.wait({relaying, watching})
        error = None if relaying.cancelled() else relaying.exception()
        if error is None or self._left:
            return
        if isinstance(error, aiohttp.ClientPayloadError):
            raise log.Cut from error  # the worker cut its response, and has said why
        raise error

    async def _client_left(self, receive: Receive) -> None:
        await self._body_sent.wait()
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _relay(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.decode("latin-1"), _header_text(value)) for name, value in self._request_headers(scope)]
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        if not has_body:
            self._body_sent.set()
        target = self._url + scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        async with self._session.request(
            scope["method"],
            URL(target, encoded=True),
            headers=headers,
            data=self._body(receive) if has_body else None,
            allow_redirects=False,
        ) as answer:
            await send(_start_of(answer))
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _request_headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        kept = [(name, value) for name, value in scope["headers"] if name not in _HOP_BY_HOP and name != _INVOCATION_ID]
        return [*kept, (_INVOCATION_ID, self._invocation_id.encode())]

    async def _body(self, receive: Receive) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._left = True
                raise ConnectionResetError("the client left before its body was whole")
            if message.get("body"):
                yield message["body"]
            more = message.get("more_body", False)
        self._body_sent.set()


def _start_of(answer: aiohttp.ClientResponse) -> Message:
    kept = [(name.lower(), value) for name, value in answer.raw_headers if name.lower() not in _HOP_BY_HOP]
    return {"type": "http.response.start", "status": answer.status, "headers": kept}


def _header_text(value: bytes) -> str:
    """As text that aiohttp, which writes headers in UTF-8, turns into the same bytes again wherever that is possible."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
