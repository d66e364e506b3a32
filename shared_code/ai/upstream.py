"""Models through OpenAI's SDK, which nothing else imports. It is loaded when first asked, in a thread, since that takes half a second.

Bodies go through it as bytes, both ways: its models would cost more than all the rest of a request
(docs/decisions/0011-raw-bytes-through-the-sdk.md).
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog

from shared_code import telemetry
from shared_code.errors import LydianError, UpstreamFailed

from .models import Model, Operation
from .ports import NoAnswer, Refusal

if TYPE_CHECKING:
    import httpx2

log = structlog.get_logger("lydian.ai")

CONNECT = 5.0
SILENCE = 120.0
"""Seconds between two pieces of an answer."""
CHECKED_FOR = 5.0
_IDLE = 60.0
"""Seconds that an unused connection is kept: a new one costs two or three round trips."""
_PATHS: Mapping[Operation, str] = {"chat": "/chat/completions", "responses": "/responses", "embeddings": "/embeddings"}
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}

Token = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Keys:
    """A provider's key goes to the address that was configured with it, and to no other that an entry of AI_MODELS may name."""

    openai_url: str = ""
    openai: str = field(default="", repr=False)
    azure_url: str = ""
    azure: str = field(default="", repr=False)
    named: Mapping[str, str] = field(default_factory=dict, repr=False)

    def of(self, model: Model) -> str:
        if model.key:
            return self.named[model.key]
        if model.provider == "azure":
            return self.azure if model.base_url == self.azure_url else ""
        return self.openai if model.base_url == self.openai_url else ""


class Received:
    """The port's Answer."""

    def __init__(self, response: "httpx2.Response") -> None:
        self._response = response

    @property
    def content_type(self) -> str:
        return str(self._response.headers.get("content-type", ""))

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in self._response.aiter_bytes():
                yield chunk
        except Exception as error:
            raise _no_answer(error) from None

    async def read(self, limit: int, growing: Callable[[int], None] | None = None) -> bytes:
        parts, size = [], 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise NoAnswer("its answer is too large")
            if growing is not None:
                growing(size)
            parts.append(chunk)
        return b"".join(parts)

    async def aclose(self) -> None:
        await self._response.aclose()


class OpenAIUpstream:
    """The port Upstream. ``token`` gives an Entra ID token for Azure endpoints without a key."""

    def __init__(self, keys: Keys, token: Token | None = None, *, transport: "httpx2.AsyncBaseTransport | None" = None) -> None:
        """``transport``: other than the network, for tests."""
        self._keys, self._token, self._transport = keys, token, transport
        self._http: asyncio.Future[Any] | None = None
        self._clients: dict[tuple[str, str, str, str], Any] = {}
        self._checks: dict[str, tuple[float, LydianError | None]] = {}
        self._checking = asyncio.Lock()

    async def send(self, model: Model, operation: Operation, body: bytes, *, within: float) -> Received:
        http = await self._opened()
        path = _PATHS[operation]
        by_version = model.provider == "azure" and operation != "responses"
        if by_version:
            path = f"/deployments/{quote(model.deployment, safe='')}{path}"
        client = self._client(http, model, by_version=by_version)
        try:
            with telemetry.dependency(model.provider, operation, {"gen_ai.request.model": model.name}):  # until the answer begins
                async with asyncio.timeout(within):
                    return Received(await self._call(client, "POST", path, body))
        except TimeoutError:
            raise NoAnswer(f"no answer within {within:.0f} s", timed_out=True) from None

    async def names(self, base_url: str) -> Sequence[str]:
        answer = await self._get(Model("", "openai", "", base_url), "/models")
        try:
            found = json.loads(answer)["data"]
            return [str(each["id"]) for each in found]
        except (ValueError, LookupError, TypeError):
            raise NoAnswer("its list of models is not OpenAI's") from None

    async def check(self, model: Model) -> None:
        """At most one request in CHECKED_FOR seconds to an endpoint: anyone may ask whether we are well."""
        async with self._checking:
            now = asyncio.get_running_loop().time()
            known = self._checks.get(model.base_url)
            if known is None or now - known[0] > CHECKED_FOR:
                known = (now, await self._check(model))
                self._checks[model.base_url] = known
        if known[1] is not None:
            raise known[1]

    async def aclose(self) -> None:
        if self._http is not None:
            await (await self._http).aclose()

    async def _check(self, model: Model) -> LydianError | None:
        try:
            await self._get(model, "/models")
        except Refusal as refusal:
            # Whoever says that there is no such list is there.
            if refusal.status in (401, 403) or refusal.status >= 500:
                return UpstreamFailed(f"it answers {refusal.status}")
        except NoAnswer as error:
            return UpstreamFailed(str(error))
        except LydianError as error:
            return error
        return None

    async def _get(self, model: Model, path: str) -> bytes:
        http = await self._opened()
        answer = Received(await self._call(self._client(http, model, by_version=model.provider == "azure"), "GET", path))
        try:
            return await answer.read(4 * 1024 * 1024)
        finally:
            await answer.aclose()

    async def _call(self, client: Any, method: str, path: str, body: bytes | None = None) -> "httpx2.Response":
        import openai

        options = {"headers": _HEADERS, "follow_redirects": False}
        try:
            if method == "GET":
                found = await client.get(path, cast_to=self._response_type, stream=True, options=options)
            else:
                found = await client.post(path, cast_to=self._response_type, content=body, stream=True, options=options)
        except openai.APIStatusError as error:
            refused, names_usage = error.response, b"stream_options" in error.response.content
            raise Refusal(error.status_code, _error_of(refused), _retry_after(refused.headers), names_usage=names_usage) from None
        except openai.APITimeoutError:
            # The time for a connection is over, or an answer stays away for longer than any attempt may take.
            raise NoAnswer("no answer", timed_out=True) from None
        except openai.APIConnectionError as error:
            log.debug("ai_no_connection", error=type(error.__cause__).__name__)
            raise NoAnswer("no connection") from None
        response: httpx2.Response = found
        return response

    async def _opened(self) -> Any:
        if self._http is None:
            self._http = asyncio.ensure_future(asyncio.to_thread(self._open))
        return await asyncio.shield(self._http)

    def _open(self) -> Any:
        import httpx2
        import openai

        self._response_type = httpx2.Response
        limits = httpx2.Limits(max_connections=1_000, max_keepalive_connections=200, keepalive_expiry=_IDLE)
        timeout = httpx2.Timeout(SILENCE, connect=CONNECT)
        return openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, transport=self._transport)

    def _client(self, http: Any, model: Model, *, by_version: bool) -> Any:
        """One of the SDK's for each endpoint and key; all share the connections."""
        import openai

        key = self._keys.of(model)
        name = (model.provider, model.base_url, key, model.api_version if by_version else "")
        client = self._clients.get(name)
        if client is None:
            common: dict[str, Any] = {"http_client": http, "max_retries": 0, "timeout": http.timeout}
            token = None if key or model.provider != "azure" else self._entra_token
            if by_version:
                endpoint = f"{model.base_url}/openai"
                client = openai.AsyncAzureOpenAI(
                    base_url=endpoint, api_version=model.api_version, api_key=key or None, azure_ad_token_provider=token, **common
                )
            else:
                url = f"{model.base_url}/openai/v1" if model.provider == "azure" else model.base_url
                # Servers of one's own often ask for no key; the SDK does.
                client = openai.AsyncOpenAI(base_url=url, api_key=token or key or "none", **common)
            self._clients[name] = client
        return client

    async def _entra_token(self) -> str:
        if self._token is None:
            raise UpstreamFailed("There is no key for this endpoint, and no managed identity.")
        try:
            return await self._token()
        except Exception as error:  # azure.identity's and whatever is below it: none of their words are for callers
            log.error("ai_token_failed", error=type(error).__name__)  # noqa: TRY400  # its text may name what no log should hold
            raise UpstreamFailed("The managed identity gives no token for this endpoint.") from None


def _no_answer(error: Exception) -> Exception:
    """Ours in the place of the HTTP client's errors; any other as it is."""
    if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in ("httpx2", "httpcore2", "anyio"):
        return error
    timed_out = "Timeout" in type(error).__name__
    return NoAnswer("it fell silent" if timed_out else "it broke off", timed_out=timed_out)


def _error_of(response: "httpx2.Response") -> Mapping[str, Any]:
    """OpenAI's ``error`` object, or what Mistral and vLLM (the same without a name), or FastAPI (``detail``) have in its place; of
    anything else nothing, since a proxy's page is nobody's business."""
    try:
        body = response.json()
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    error = body.get("error")
    if error is None and body.get("object") == "error":
        error = {name: body[name] for name in ("message", "type", "param", "code") if body.get(name) is not None}
    elif error is None:
        error = body.get("detail")
    if error is None:
        return {}
    if not isinstance(error, dict):
        error = {"message": error}
    message = error.get("message")
    if message is not None and not isinstance(message, str):
        error = {**error, "message": json.dumps(message, ensure_ascii=False)[:500]}
    return error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds: Azure and OpenAI also say milliseconds."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if name not in headers:
            continue
        try:
            seconds = float(headers[name]) * unit
        except ValueError:
            found = _seconds_until(headers[name])
            if found is None:
                continue  # the next attempt's own pause will do
            seconds = found
        if 0 <= seconds < 86_400:
            return seconds
    return None


def _seconds_until(date: str) -> float | None:
    """Proxies in front of providers say when, instead of how long (RFC 9110, 10.2.3)."""
    try:
        seconds = parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
