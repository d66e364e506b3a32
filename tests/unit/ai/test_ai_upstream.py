"""The SDK's requests as they leave the house, and what comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import httpx2
import pytest

from shared_code.ai.models import Model, Operation
from shared_code.ai.ports import NoAnswer, Refusal
from shared_code.ai.upstream import Keys, OpenAIUpstream
from shared_code.errors import UpstreamFailed

KEYS = Keys("https://api.test/v1", "key-of-openai", "https://acme.azure.test", "key-of-azure", {"other": "key-of-other"})
OPENAI = Model("m", "openai", "m-2", "https://api.test/v1")
AZURE = Model("a", "azure", "my deployment", "https://acme.azure.test", api_version="2024-10-21")
BODY = b'{"model":"m-2","x":1.0}'

Handler = Callable[[httpx2.Request], httpx2.Response]


class Wire:
    """Takes requests, and answers them as ``answer`` says."""

    def __init__(self, answer: Handler | None = None) -> None:
        self.requests: list[httpx2.Request] = []
        self.answer: Handler = answer or (lambda _: httpx2.Response(200, content=b"{}", headers={"content-type": "application/json"}))
        self.transport = httpx2.MockTransport(self._handle)

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.answer(request)

    def upstream(self, keys: Keys = KEYS, token: Any = None) -> OpenAIUpstream:
        return OpenAIUpstream(keys, token, transport=self.transport)


async def sent(model: Model, operation: Operation = "chat", **options: Any) -> httpx2.Request:
    wire = Wire()
    upstream = wire.upstream(**options)
    answer = await upstream.send(model, operation, BODY, within=5)
    assert await answer.read(10) == b"{}"
    await answer.aclose()
    await upstream.aclose()
    [request] = wire.requests
    assert request.content == BODY, "as it was, byte for byte"
    return request


@pytest.mark.parametrize(("operation", "path"), [("chat", "chat/completions"), ("responses", "responses"), ("embeddings", "embeddings")])
async def test_openai(operation: Operation, path: str) -> None:
    request = await sent(OPENAI, operation)
    assert str(request.url) == f"https://api.test/v1/{path}"
    assert request.headers["authorization"] == "Bearer key-of-openai"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity", "bytes are relayed as they come"


@pytest.mark.parametrize(
    ("operation", "url"),
    [
        ("chat", "https://acme.azure.test/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"),
        ("embeddings", "https://acme.azure.test/openai/deployments/my%20deployment/embeddings?api-version=2024-10-21"),
        ("responses", "https://acme.azure.test/openai/v1/responses"),
    ],
)
async def test_azure(operation: Operation, url: str) -> None:
    request = await sent(AZURE, operation)
    assert str(request.url) == url
    assert "key-of-azure" in (request.headers.get("api-key", ""), request.headers.get("authorization", "").removeprefix("Bearer "))


@pytest.mark.parametrize("operation", ["chat", "responses"])
async def test_azure_with_a_managed_identity(operation: Operation) -> None:
    async def token() -> str:
        return "entra-token"

    request = await sent(AZURE, operation, keys=Keys(azure_url="https://acme.azure.test"), token=token)
    assert request.headers["authorization"] == "Bearer entra-token"
    assert "api-key" not in request.headers


async def test_a_key_goes_to_its_own_address_only() -> None:
    elsewhere = await sent(replace(OPENAI, base_url="https://elsewhere.test/v1"))
    assert "key-of-openai" not in str(elsewhere.headers.raw)
    named = await sent(replace(OPENAI, base_url="https://elsewhere.test/v1", key="other"))
    assert named.headers["authorization"] == "Bearer key-of-other"


async def test_another_azure_account_gets_no_key_of_this_one() -> None:
    async def token() -> str:
        return "entra-token"

    request = await sent(replace(AZURE, base_url="https://other.azure.test"), token=token)
    assert request.headers["authorization"] == "Bearer entra-token"
    assert "key-of-azure" not in str(request.headers.raw)


def test_keys_are_in_no_representation() -> None:
    assert "key-of" not in repr(KEYS)


async def test_an_identity_without_token_is_a_failure_without_details() -> None:
    async def token() -> str:
        raise RuntimeError("secret tenant")

    for given in (token, None):
        upstream = Wire().upstream(Keys(azure_url="https://acme.azure.test"), given)
        with pytest.raises(UpstreamFailed) as raised:
            await upstream.send(AZURE, "chat", BODY, within=5)
        assert "tenant" not in raised.value.message


@pytest.mark.parametrize(
    ("response", "error", "after"),
    [
        (
            httpx2.Response(429, json={"error": {"message": "slow", "code": "c"}}, headers={"retry-after": "3"}),
            {"message": "slow", "code": "c"},
            3,
        ),
        (httpx2.Response(429, json={"error": {}}, headers={"retry-after-ms": "250", "retry-after": "9"}), {}, 0.25),
        (httpx2.Response(500, text="<html>nginx</html>", headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), {}, None),
        (httpx2.Response(400, json={"error": "plain"}), {"message": "plain"}, None),
        (httpx2.Response(400, json=["no object"], headers={"retry-after": "-1"}), {}, None),
        (httpx2.Response(302, headers={"location": "https://evil.test"}), {}, None),
        (httpx2.Response(400, json={"object": "error", "message": "no", "code": 1}), {"message": "no", "code": 1}, None),
        (httpx2.Response(422, json={"detail": [{"loc": ["x"]}]}), {"message": '[{"loc": ["x"]}]'}, None),
        (httpx2.Response(422, json={"object": "error", "message": {"detail": "d"}}), {"message": '{"detail": "d"}'}, None),
        (httpx2.Response(400, json={"message": "a proxy's"}), {}, None),
    ],
)
async def test_a_refusal(response: httpx2.Response, error: dict[str, str], after: float | None) -> None:
    wire = Wire(lambda _: response)
    with pytest.raises(Refusal) as raised:
        await wire.upstream().send(OPENAI, "chat", BODY, within=5)
    assert (raised.value.status, raised.value.error, raised.value.retry_after) == (response.status_code, error, after)
    assert len(wire.requests) == 1, "neither the SDK's retries nor redirects"


async def test_a_refusal_of_the_option_that_asks_for_the_usage() -> None:
    detail = {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options", "include_usage"]}]}
    for body, names in ((detail, True), ({"detail": "temperature"}, False)):
        with pytest.raises(Refusal) as raised:
            await Wire(lambda _, body=body: httpx2.Response(422, json=body)).upstream().send(OPENAI, "chat", BODY, within=5)  # type: ignore[misc]  # its default
        assert raised.value.names_usage is names


@pytest.mark.parametrize(("date", "within"), [("in a minute", (50, 61)), ("Wed, 99 Oct", None)])
async def test_a_date_says_when_to_come_again(date: str, within: tuple[float, float] | None) -> None:
    if within is not None:
        date = formatdate(time.time() + 60, usegmt=True)  # now: between collection and run may lie minutes
    wire = Wire(lambda _: httpx2.Response(429, json={}, headers={"retry-after": date}))
    with pytest.raises(Refusal) as raised:
        await wire.upstream().send(OPENAI, "chat", BODY, within=5)
    after = raised.value.retry_after
    assert after is None if within is None else within[0] < (after or 0) <= within[1]


@pytest.mark.parametrize(
    ("failure", "timed_out"),
    [(httpx2.ConnectError("refused"), False), (httpx2.ReadTimeout("silent"), True), (httpx2.RemoteProtocolError("closed"), False)],
)
async def test_no_answer(failure: Exception, timed_out: bool) -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise failure

    with pytest.raises(NoAnswer) as raised:
        await Wire(fail).upstream().send(OPENAI, "chat", BODY, within=5)
    assert raised.value.timed_out == timed_out


async def test_an_attempt_has_its_time() -> None:
    class Silent(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            await asyncio.Event().wait()
            raise AssertionError

    upstream = OpenAIUpstream(KEYS, transport=Silent())
    with pytest.raises(NoAnswer, match="within 0 s") as raised:
        await upstream.send(OPENAI, "chat", BODY, within=0.01)
    assert raised.value.timed_out


class Body(httpx2.AsyncByteStream):
    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts, self.closed = parts, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("failure", "timed_out"),
    [(httpx2.ReadError("reset"), False), (httpx2.ReadTimeout("silent"), True), (ConnectionResetError(), False)],
)
async def test_a_body_that_breaks_off(failure: Exception, timed_out: bool) -> None:
    body = Body(b"data: 1\n\n", failure)
    upstream = Wire(lambda _: httpx2.Response(200, stream=body, headers={"content-type": "text/event-stream"})).upstream()
    answer = await upstream.send(OPENAI, "chat", BODY, within=5)
    assert answer.content_type == "text/event-stream"
    chunks = answer.chunks()
    assert await anext(chunks) == b"data: 1\n\n"
    with pytest.raises(NoAnswer) as raised:
        await anext(chunks)
    assert raised.value.timed_out == timed_out
    await answer.aclose()
    assert body.closed


async def test_a_mistake_of_ours_is_not_the_providers() -> None:
    body = Body(KeyError("ours"))
    upstream = Wire(lambda _: httpx2.Response(200, stream=body)).upstream()
    with pytest.raises(KeyError):
        await anext((await upstream.send(OPENAI, "chat", BODY, within=5)).chunks())


async def test_a_body_is_read_up_to_a_limit() -> None:
    upstream = Wire(lambda _: httpx2.Response(200, stream=Body(b"12345", b"67890"))).upstream()
    with pytest.raises(NoAnswer, match="too large"):
        await (await upstream.send(OPENAI, "chat", BODY, within=5)).read(9)


async def test_the_names_of_an_open_server() -> None:
    wire = Wire(lambda _: httpx2.Response(200, json={"data": [{"id": "llama3"}, {"id": "nomic-embed-text"}]}))
    assert await wire.upstream().names("https://api.test/v1") == ["llama3", "nomic-embed-text"]
    assert str(wire.requests[0].url) == "https://api.test/v1/models"
    with pytest.raises(NoAnswer):
        await Wire(lambda _: httpx2.Response(200, json={"models": []})).upstream().names("https://api.test/v1")


@pytest.mark.parametrize(("status", "well"), [(200, True), (404, True), (401, False), (403, False), (500, False)])
async def test_a_check_asks_once_in_a_while(status: int, well: bool) -> None:
    wire = Wire(lambda _: httpx2.Response(status, json={}))
    upstream = wire.upstream()
    for _ in range(3):
        if well:
            await upstream.check(OPENAI)
        else:
            with pytest.raises(UpstreamFailed, match=str(status)):
                await upstream.check(OPENAI)
    assert len(wire.requests) == 1
    await (upstream.check(AZURE) if well else asyncio.sleep(0))
    if well:
        assert str(wire.requests[1].url) == "https://acme.azure.test/openai/models?api-version=2024-10-21"


async def test_a_check_of_what_is_not_there() -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    with pytest.raises(UpstreamFailed, match="no connection"):
        await Wire(fail).upstream().check(OPENAI)
    with pytest.raises(UpstreamFailed, match="no key"):
        await Wire().upstream(Keys(azure_url="https://acme.azure.test")).check(AZURE)
