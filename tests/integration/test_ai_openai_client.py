"""OpenAI's own Python client, unchanged, against `/api/ai/v1` of a running host, whose model is aimock with the answers of local runs."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionToolParam
from pydantic import BaseModel

from tests.images import jpeg, photo
from tests.integration.support import User, eventually, register

HELLO = [{"role": "user", "content": "Hello"}]
STAND_IN = "I am Lydian's local stand-in"
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    },
}


@pytest.fixture(scope="module")
def key(base_url: str) -> str:
    """An API key, as such a client has."""
    with register(base_url) as user:
        answer = user.post("/api/auth/keys", json={"name": "openai", "scopes": ["ai"]})
        assert answer.status_code == 201, answer.text
        found: str = answer.json()["key"]
        return found


@pytest.fixture
def sync(base_url: str, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=key, base_url=f"{base_url}/api/ai/v1", max_retries=0) as client:
        yield client


@pytest.fixture
async def client(base_url: str, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=key, base_url=f"{base_url}/api/ai/v1", max_retries=0) as client:
        yield client


def test_a_chat_completion(sync: openai.OpenAI) -> None:
    answer = sync.chat.completions.create(model="local-large", messages=HELLO, user="u", seed=7)  # type: ignore[arg-type]
    assert (answer.choices[0].message.content or "").startswith(STAND_IN)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 10


def test_a_streamed_chat_completion(sync: openai.OpenAI) -> None:
    chunks = list(sync.chat.completions.create(model="local-large", messages=HELLO, stream=True))  # type: ignore[call-overload]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).startswith(STAND_IN)
    assert chunks[-1].choices[0].finish_reason == "stop", "no chunk without choices: nobody asked for the usage"


async def test_a_stream_with_its_usage(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="local-large",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},  # type: ignore[call-overload]
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 10


async def test_the_streaming_helper(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(model="local-small", messages=HELLO) as stream:  # type: ignore[arg-type]
        kinds = {event.type async for event in stream}
        final = await stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert (final.choices[0].message.content or "").startswith(STAND_IN)


def test_tools(sync: openai.OpenAI) -> None:
    asked = [{"role": "user", "content": "Weather in Paris?"}]
    first = sync.chat.completions.create(model="local-large", messages=asked, tools=[WEATHER])  # type: ignore[arg-type]
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    [call] = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    result = {"role": "tool", "tool_call_id": call.id, "content": "Sunny"}
    second = sync.chat.completions.create(
        model="local-large",
        messages=[*asked, message.model_dump(exclude_none=True), result],
        tools=[WEATHER],  # type: ignore[list-item]
    )
    assert "Your tool has answered" in (second.choices[0].message.content or "")


def test_streamed_tools(sync: openai.OpenAI) -> None:
    asked = [{"role": "user", "content": "Weather in Paris?"}]
    with sync.chat.completions.stream(model="local-large", messages=asked, tools=[WEATHER]) as stream:  # type: ignore[arg-type]
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.arguments == '{"location":"Paris, France"}'


def test_an_image(sync: openai.OpenAI) -> None:
    url = f"data:image/jpeg;base64,{base64.b64encode(jpeg(photo(32, 32))).decode()}"
    content = [{"type": "text", "text": "What is on this photo?"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = sync.chat.completions.create(model="local-large", messages=[{"role": "user", "content": content}])  # type: ignore[list-item]
    assert "your photo" in (answer.choices[0].message.content or "")


class Fair(BaseModel):
    name: str
    date: str
    participants: list[str]


def test_structured_output(sync: openai.OpenAI) -> None:
    asked = [{"role": "user", "content": "Alice and Bob go to a science fair on Friday."}]
    answer = sync.chat.completions.parse(model="local-large", messages=asked, response_format=Fair)  # type: ignore[arg-type]
    assert answer.choices[0].message.parsed == Fair(name="Science fair", date="Friday", participants=["Alice", "Bob"])


def test_a_response(sync: openai.OpenAI) -> None:
    answer = sync.responses.create(model="local-large", input="Hello", instructions="Be brief.")
    assert answer.output_text.startswith(STAND_IN)


async def test_a_streamed_response(client: openai.AsyncOpenAI) -> None:
    events = [event async for event in await client.responses.create(model="local-large", input="Hello", stream=True)]
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta").startswith(STAND_IN)


def test_embeddings(sync: openai.OpenAI) -> None:
    answer = sync.embeddings.create(model="local-embedding", input=["one", "two"])
    assert [each.index for each in answer.data] == [0, 1]
    assert len(answer.data[0].embedding) > 100
    assert answer.data[0].embedding != answer.data[1].embedding


def test_models(sync: openai.OpenAI) -> None:
    models = list(sync.models.list())
    assert [model.id for model in models] == ["local-large", "local-small", "local-embedding"]
    one = sync.models.retrieve("local-small")
    assert one.model_extra is not None
    assert one.model_extra["pricing"] == {"input": 0.15, "cached_input": 0.075, "output": 0.6}
    assert (one.model_extra["provider"], one.model_extra["context_window"], one.model_extra["status"]) == ("openai", 32000, "available")


@pytest.mark.parametrize(
    ("call", "kind", "code"),
    [
        (lambda c: c.chat.completions.create(model="nope", messages=HELLO), openai.NotFoundError, "model_not_found"),
        (lambda c: c.models.retrieve("nope"), openai.NotFoundError, "model_not_found"),
        (lambda c: c.chat.completions.create(model="local-embedding", messages=HELLO), openai.NotFoundError, "model_not_found"),
        (lambda c: c.chat.completions.create(model="local-large", messages=[]), openai.UnprocessableEntityError, "validation_failed"),
        (
            lambda c: c.chat.completions.create(model="local-large", messages=HELLO, max_tokens=-1),
            openai.UnprocessableEntityError,
            "validation_failed",
        ),
        (
            lambda c: c.responses.create(model="local-large", input="Hi", previous_response_id="resp_1"),
            openai.UnprocessableEntityError,
            "unsupported_parameter",
        ),
        (
            lambda c: c.chat.completions.create(model="local-large", messages=[{"role": "user", "content": "simulate:filter"}]),
            openai.BadRequestError,
            "content_filter",
        ),
        (
            lambda c: c.chat.completions.create(model="local-large", messages=[{"role": "user", "content": "x" * 2_000_000}]),
            openai.APIStatusError,
            "payload_too_large",
        ),
        (lambda c: c.images.generate(prompt="x"), openai.NotFoundError, "not_found"),
        (lambda c: c.with_options(api_key="sk-nobody").models.list(), openai.AuthenticationError, "invalid_token"),
    ],
)
def test_errors_are_the_clients_own(
    sync: openai.OpenAI, call: Callable[[openai.OpenAI], object], kind: type[openai.APIStatusError], code: str
) -> None:
    with pytest.raises(kind) as raised:
        call(sync)
    assert raised.value.code == code
    assert raised.value.request_id
    assert isinstance(raised.value.body, dict)
    assert set(raised.value.body) >= {"message", "type", "code", "param"}


def test_a_cut_stream_raises(sync: openai.OpenAI) -> None:
    asked = [{"role": "user", "content": "simulate:cut"}]
    chunks = sync.chat.completions.create(model="local-large", messages=asked, stream=True)  # type: ignore[call-overload]
    assert next(chunks).choices
    with pytest.raises(openai.APIError, match="no whole answer"):
        list(chunks)


async def test_who_leaves_pays_for_what_was_generated(base_url: str, alice: User) -> None:
    token = alice.headers["authorization"].removeprefix("Bearer ")
    asked = [{"role": "user", "content": "Tell me a story"}]
    async with openai.AsyncOpenAI(api_key=token, base_url=f"{base_url}/api/ai/v1", max_retries=0) as client:
        stream = await client.chat.completions.create(model="local-large", messages=asked, stream=True)  # type: ignore[call-overload]
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()

    def items() -> list[dict[str, object]]:
        found: list[dict[str, object]] = alice.get("/api/ai/usage").json()["items"]
        return found

    [item] = await asyncio.to_thread(eventually, items, 10, "the usage")
    assert (item["requests"], item["estimated_requests"]) == (1, 1)
    assert 0 < int(str(item["output_tokens"])) < 250


def test_a_model_out_of_service(user: Callable[..., User], sync: openai.OpenAI) -> None:
    admin = user("admin@example.com")
    try:
        switched = admin.patch("/api/ai/models/local-small", json={"enabled": False})
        assert switched.status_code == 200, switched.text
        assert switched.json()["status"] == "disabled"
        with pytest.raises(openai.NotFoundError) as raised:
            sync.chat.completions.create(model="local-small", messages=HELLO)  # type: ignore[arg-type]
        assert raised.value.code == "model_not_found"
        assert {model.id: model.model_extra and model.model_extra["status"] for model in sync.models.list()}["local-small"] == "disabled"
    finally:
        assert admin.patch("/api/ai/models/local-small", json={"enabled": True}).status_code == 200
    assert sync.chat.completions.create(model="local-small", messages=HELLO).choices  # type: ignore[arg-type]


def test_only_administrators_switch(alice: User) -> None:
    assert alice.patch("/api/ai/models/local-small", json={"enabled": False}).status_code == 403
