"""Whoever tries to spend more than their budget: many requests at once on two instances, keys with budgets of their own, odd limits."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from shared_code.clock import ManualClock
from tests.unit.ai.meters import START, standing
from tests.unit.ai.scripted import Scripted, whole
from tests.unit.apps import App, bearer, make_app, register

PATH = "/api/ai/v1/chat/completions"
MODELS = [
    {"name": "large", "provider": "openai", "prices": {"input": "1", "cached_input": "0.5", "output": "2"}, "max_output_tokens": 1000},
    {"name": "free", "provider": "openai"},
]
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}
COST = 100 + 2 * 400
"""Micro-dollars of each answer here."""
SETTINGS = {"AI_MODELS": json.dumps(MODELS), "OPENAI_API_KEY": "test", "AI_DEFAULT_BUDGET_USD": "0.01"}
BUDGET = 10_000


def answering(app: App) -> Scripted:
    usage = {"prompt_tokens": 100, "completion_tokens": 400}
    upstream = Scripted(whole({**ANSWER, "usage": usage}))
    app.container.__dict__["ai_upstream"] = upstream
    return upstream


@pytest_asyncio.fixture
async def app() -> AsyncIterator[App]:
    app = make_app(clock=ManualClock(START), **SETTINGS)
    answering(app)
    yield app
    await app.container.meter.settled()


def body(**more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 400, **more}


async def key(client: httpx.AsyncClient, token: str, **ai: Any) -> str:
    made = await client.post("/api/auth/keys", json={"name": "k", "scopes": ["ai"], "ai": ai or None}, headers=bearer(token))
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


async def test_fifty_at_once_on_two_instances_by_session_and_keys(app: App) -> None:
    twin = app.sibling(**SETTINGS)
    answering(twin)
    async with app.client() as here, twin.client() as there:
        ada = await register(here)
        token = ada["access_token"]
        rich = await key(here, token, monthly_usd="1000000")
        plain = await key(here, token)
        who = [token, rich, plain]
        statuses: Counter[int] = Counter()
        for _ in range(2):
            found = await asyncio.gather(*((here, there)[n % 2].post(PATH, json=body(), headers=bearer(who[n % 3])) for n in range(50)))
            statuses.update(answer.status_code for answer in found)
            spent, held = await standing(app.storage.tables, app.clock, ada["user"]["id"])
            assert spent + held <= BUDGET
        assert set(statuses) == {200, 429}
        assert spent == statuses[200] * COST
        assert 4 <= statuses[200] <= BUDGET // COST
        refused = next(answer for answer in found if answer.status_code == 429)
        assert refused.json()["error"]["code"] == "insufficient_quota"
        assert int(refused.headers["Retry-After"]) > 86_400
        await twin.container.meter.settled()


@pytest.mark.parametrize(
    "limits",
    [
        {"max_tokens": None},
        {"max_output_tokens": 1, "max_tokens": None},
        {"n": 26},
        {"max_completion_tokens": 1000, "max_tokens": 1, "n": 5},
    ],
)
async def test_what_a_request_could_cost_is_what_counts(app: App, limits: dict[str, Any]) -> None:
    """No wording of a limit makes the worst case small while the provider may write at length: 5,000 tokens are the budget."""
    async with app.client() as client:
        token = (await register(client))["access_token"]
        cheap = {name: value for name, value in body(**limits).items() if value is not None}
        cheap.setdefault("n", 5)
        answer = await client.post(PATH, json=cheap, headers=bearer(token))
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "insufficient_quota")


async def test_a_model_without_a_price_is_no_way_around(app: App) -> None:
    async with app.client() as client:
        token = (await register(client))["access_token"]
        answer = await client.post(PATH, json=body(model="free"), headers=bearer(token))
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "model_without_price")


async def test_keys_see_and_set_no_more_than_they_may(app: App) -> None:
    async with app.client() as client:
        ada, bob = await register(client), await register(client)
        files = (await client.post("/api/auth/keys", json={"name": "f", "scopes": ["files"]}, headers=bearer(ada["access_token"]))).json()[
            "key"
        ]
        answer = await client.get("/api/ai/usage", headers=bearer(files))
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        own = await key(client, ada["access_token"])
        for user in (ada, bob):
            path = f"/api/ai/budgets/{user['user']['id']}"
            for credentials in (own, ada["access_token"]):
                answer = await client.put(path, json={"monthly_usd": 10**6}, headers=bearer(credentials))
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            assert (await client.put(path, json={"monthly_usd": 1})).status_code == 401


async def test_calls_before_a_model_is_asked(app: App) -> None:
    """What a request costs in storage calls before its first byte: counted when the provider is asked, which is earlier."""
    upstream, counted = answering(app), list[list[str]]()
    send = upstream.send

    async def asked(*args: Any, **options: Any) -> Any:
        counted.append(list(app.tables.calls))
        return await send(*args, **options)

    upstream.send = asked  # type: ignore[method-assign]  # watched
    async with app.client() as client:
        token = (await register(client))["access_token"]
        for _ in range(4):
            app.tables.calls.clear()
            assert (await client.post(PATH, json=body(max_tokens=10), headers=bearer(token))).status_code == 200
    assert [call for call in counted[0] if "aiaccounts" in call] == ["get aiaccounts", "write aiaccounts"]
    assert counted[2:] == [[], []]


@pytest.mark.parametrize(
    ("more", "member"),
    [
        ({"service_tier": "priority"}, "service_tier"),
        ({"service_tier": ["priority"]}, "service_tier"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "web_search"}]}, "tools"),
        ({"models": ["dearer"]}, "models"),
        ({"plugins": [{"id": "web"}]}, "plugins"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}]}, "messages"),
    ],
)
async def test_what_has_a_price_of_its_own_is_not_for_budgets(app: App, more: dict[str, Any], member: str) -> None:
    """Tokens at the model's prices are what is held and booked: whatever costs more than that would be spent unseen."""
    upstream = answering(app)
    async with app.client() as client:
        user = await register(client)
        answer = await client.post(PATH, json=body(**more), headers=bearer(user["access_token"]))
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (422, "unpriced_parameter", member)
        assert not upstream.asked
        assert (await client.post(PATH, json=body(service_tier="flex"), headers=bearer(user["access_token"]))).status_code == 200
        assert (await client.post(PATH, json=body(tools=[{"type": "function"}]), headers=bearer(user["access_token"]))).status_code == 200


async def test_without_a_budget_nothing_is_withheld() -> None:
    app = make_app(clock=ManualClock(START), **{**SETTINGS, "AI_DEFAULT_BUDGET_USD": ""})
    answering(app)
    async with app.client() as client:
        token = (await register(client))["access_token"]
        answer = await client.post(PATH, json=body(service_tier="priority", web_search_options={}), headers=bearer(token))
        assert (answer.status_code, answer.headers["X-Lydian-Cost-Micro"]) == (200, str(COST))
    await app.container.meter.settled()


LONG = {"type": "image_url", "image_url": "word " * 20_000}
"""100,000 bytes of text, dressed as an image."""


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "default": LONG}}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": LONG}}}},
        {"documents": [{"text": LONG}]},
        {"chat_template": "x" * 100_000},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://example.com/1000-pages.pdf"}]}]},
    ],
)
async def test_words_that_are_not_in_sight_count(app: App, more: dict[str, Any]) -> None:
    """10,000 tokens read are the budget, and these may be more: what the provider reads counts, wherever it stands."""
    async with app.client() as client:
        token = (await register(client))["access_token"]
        answer = await client.post(PATH, json=body(**more), headers=bearer(token))
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "insufficient_quota")
