"""OpenAI's routes over HTTP: who may, what is refused before anybody is asked, and errors as its clients read them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog

from shared_code.errors import UpstreamFailed
from shared_code.web import openai_errors
from tests.unit.ai.scripted import DONE, HELLO, Refusal, Reply, Scripted, chat, whole
from tests.unit.apps import App, bearer, make_app, register

MODELS = json.dumps(
    [
        {"name": "large", "provider": "openai", "prices": {"input": "1", "output": "2"}, "max_output_tokens": 1000},
        {"name": "vectors", "provider": "azure", "endpoint": "https://a.test", "kind": "embedding"},
    ]
)
COMPLETIONS = "/api/ai/v1/chat/completions"
ADMIN = "admin@example.com"


def serving(*steps: Any, **environ: str) -> tuple[App, Scripted]:
    app = make_app(**{"AI_MODELS": MODELS, "ADMIN_EMAILS": ADMIN, "ENVIRONMENT": "local", **environ})
    scripted = Scripted(*(steps or [whole()]))
    app.container.__dict__["ai_upstream"] = scripted  # in the place of the cached property's
    return app, scripted


@pytest.fixture
async def signed_in() -> AsyncIterator[tuple[httpx.AsyncClient, Scripted]]:
    app, scripted = serving()
    async with app.client() as client:
        client.headers["Authorization"] = f"Bearer {(await register(client))['access_token']}"
        yield client, scripted


def assert_openai_error(response: httpx.Response, status: int, code: str, *, param: str | None = None) -> dict[str, Any]:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json"), response.text
    assert response.headers["x-request-id"]
    found: dict[str, Any] = response.json()
    assert found.keys() == {"error"}
    assert found["error"].keys() >= {"message", "type", "code", "param"}
    assert (found["error"]["code"], found["error"]["param"]) == (code, param), found
    assert found["error"]["message"]
    return found["error"]  # type: ignore[no-any-return]  # as it was just checked


async def test_an_answer(signed_in: tuple[httpx.AsyncClient, Scripted]) -> None:
    client, scripted = signed_in
    response = await client.post(COMPLETIONS, content=chat(model="large", unknown={"x": 1.50}))
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == "Hello"
    # 6 fresh and 4 cached tokens at a micro-dollar (no price of their own), 5 at two.
    assert (response.headers["x-lydian-model"], response.headers["x-lydian-cost-micro"]) == ("large", "20")
    assert scripted.asked[0].body["unknown"] == {"x": 1.5}


async def test_a_stream() -> None:
    app, _ = serving(Reply(HELLO))
    async with app.client() as client:
        token = (await register(client))["access_token"]
        response = await client.post(COMPLETIONS, content=chat(stream=True), headers=bearer(token))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert response.content == b"".join([*HELLO[:4], DONE])


async def test_embeddings_and_responses(signed_in: tuple[httpx.AsyncClient, Scripted]) -> None:
    client, scripted = signed_in
    assert (await client.post("/api/ai/v1/embeddings", json={"input": ["a"]})).status_code == 200
    assert (await client.post("/api/ai/v1/responses", json={"input": "a"})).status_code == 200
    assert [(each.model, each.operation) for each in scripted.asked] == [("vectors", "embeddings"), ("large", "responses")]


async def test_models(signed_in: tuple[httpx.AsyncClient, Scripted]) -> None:
    client, _ = signed_in
    listed = (await client.get("/api/ai/v1/models")).json()
    assert [model["id"] for model in listed["data"]] == ["large", "vectors"]
    assert listed["data"][0] == (await client.get("/api/ai/v1/models/large")).json()
    assert listed["data"][0]["pricing"] == {"input": 1.0, "cached_input": 1.0, "output": 2.0}
    assert listed["data"][1]["pricing"] is None
    assert_openai_error(await client.get("/api/ai/v1/models/nope"), 404, "model_not_found", param="model")


@pytest.mark.parametrize("path", [COMPLETIONS, "/api/ai/v1/responses", "/api/ai/v1/embeddings", "/api/ai/v1/models"])
async def test_strangers(path: str) -> None:
    app, scripted = serving()
    async with app.client() as client:
        response = await client.request("GET" if path.endswith("models") else "POST", path)
    error = assert_openai_error(response, 401, "unauthenticated")
    assert error["type"] == "authentication_error"
    assert response.headers["www-authenticate"] == "Bearer"
    assert scripted.asked == []


async def test_a_key_without_the_scope(signed_in: tuple[httpx.AsyncClient, Scripted]) -> None:
    client, _ = signed_in
    key = (await client.post("/api/auth/keys", json={"name": "k", "scopes": ["files"]})).json()["key"]
    error = assert_openai_error(await client.get("/api/ai/v1/models", headers=bearer(key)), 403, "insufficient_scope")
    assert error["type"] == "permission_error"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"", 400, "invalid_json", None),
        (b"[]", 422, "validation_failed", None),
        (b' "text"', 422, "validation_failed", None),
        (b"nul", 400, "invalid_json", None),
        (b"[] []", 400, "invalid_json", None),
        (b"\xff\xfe", 400, "invalid_json", None),
        (b'{"messages":' + b"[" * 1000 + b"]" * 1000 + b"}", 400, "invalid_json", None),
        (chat(model="nope"), 404, "model_not_found", "model"),
        (chat(model="vectors"), 404, "model_not_found", "model"),
        (chat(max_tokens=-1), 422, "validation_failed", "max_tokens"),
        (chat(max_completion_tokens=10**9), 422, "validation_failed", "max_completion_tokens"),
        (chat(n=1000, stream=True), 422, "validation_failed", "n"),
        (b"{}", 422, "validation_failed", "messages"),
    ],
)
async def test_bad_bodies(signed_in: tuple[httpx.AsyncClient, Scripted], body: bytes, status: int, code: str, param: str | None) -> None:
    client, scripted = signed_in
    error = assert_openai_error(await client.post(COMPLETIONS, content=body), status, code, param=param)
    assert error["type"] == "invalid_request_error"
    assert scripted.asked == []


@pytest.mark.parametrize(("levels", "status"), [(98, 200), (101, 400)])
async def test_how_deep_a_body_may_be(signed_in: tuple[httpx.AsyncClient, Scripted], levels: int, status: int) -> None:
    client, scripted = signed_in
    body = b'{"messages":[{"role":"user","content":"Hi"}],"x":' + b"[" * levels + b"]" * levels + b"}"
    assert (await client.post(COMPLETIONS, content=body)).status_code == status
    assert len(scripted.asked) == (status == 200)


async def test_a_prompt_of_ten_megabytes_is_not_read_on(signed_in: tuple[httpx.AsyncClient, Scripted]) -> None:
    client, scripted = signed_in
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while given < 10 * 1024 * 1024:
            given += 65536
            yield b" " * 65536

    response = await client.post(COMPLETIONS, content=chat(user="x" * 1024 * 1024))
    assert_openai_error(response, 413, "payload_too_large")
    assert response.headers["connection"] == "close"
    assert_openai_error(await client.post(COMPLETIONS, content=endless()), 413, "payload_too_large")
    assert scripted.asked == []


async def test_the_limit_is_a_setting() -> None:
    app, _ = serving(AI_MAX_BODY_BYTES="100")
    async with app.client() as client:
        token = (await register(client))["access_token"]
        assert_openai_error(await client.post(COMPLETIONS, content=chat(user="x" * 100), headers=bearer(token)), 413, "payload_too_large")


async def test_paths_and_methods_that_are_not_there(signed_in: tuple[httpx.AsyncClient, Scripted]) -> None:
    client, _ = signed_in
    assert_openai_error(await client.post("/api/ai/v1/images/generations"), 404, "not_found")
    response = await client.delete("/api/ai/v1/models/large")
    assert_openai_error(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD"
    other = await client.get("/api/ai/v2")
    assert other.headers["content-type"] == "application/problem+json", "ours everywhere else"


async def test_a_providers_refusal_keeps_its_status_and_its_words() -> None:
    theirs = {
        "message": "filtered", "type": None, "param": "prompt", "code": "content_filter",
        "innererror": {"content_filter_result": {"hate": {"filtered": True, "severity": "high"}}},
    }  # fmt: skip
    app, _ = serving(Refusal(400, theirs))
    async with app.client() as client:
        token = (await register(client))["access_token"]
        error = assert_openai_error(
            await client.post(COMPLETIONS, content=chat(), headers=bearer(token)), 400, "content_filter", param="prompt"
        )
    assert error["innererror"] == theirs["innererror"], "with the category"
    assert error["type"] == "invalid_request_error"


async def test_a_refusal_of_our_key_is_no_401() -> None:
    app, _ = serving(Refusal(401, {"message": "Incorrect API key provided: key-of-ours"}))
    async with app.client() as client:
        token = (await register(client))["access_token"]
        response = await client.post(COMPLETIONS, content=chat(), headers=bearer(token))
    error = assert_openai_error(response, 502, "upstream_failed")
    assert "key-of-ours" not in response.text
    assert error["type"] == "server_error"


async def test_over_the_budget() -> None:
    app, scripted = serving(AI_DEFAULT_BUDGET_USD="0.000001")
    async with app.client() as client:
        token = (await register(client))["access_token"]
        response = await client.post(COMPLETIONS, content=chat(), headers=bearer(token))
        error = assert_openai_error(response, 429, "insufficient_quota")
        unpriced = await client.post("/api/ai/v1/embeddings", json={"input": "a"}, headers=bearer(token))
    assert error["type"] == "insufficient_quota"
    assert int(response.headers["retry-after"]) > 0
    assert unpriced.status_code == 422
    assert scripted.asked == []


async def test_a_providers_limit_says_when_to_come_again() -> None:
    app, _ = serving(Refusal(429, {"message": "slow down", "code": "rate_limit_exceeded"}, 30))
    async with app.client() as client:
        token = (await register(client))["access_token"]
        response = await client.post(COMPLETIONS, content=chat(), headers=bearer(token))
    assert assert_openai_error(response, 429, "rate_limit_exceeded")["type"] == "rate_limit_error"
    assert response.headers["retry-after"] == "30"


async def test_a_mistake_of_ours_has_the_form_too() -> None:
    app, scripted = serving()

    async def broken() -> None:
        raise RuntimeError("secret")

    scripted.steps = [broken]
    async with app.client() as client:
        token = (await register(client))["access_token"]
        with structlog.testing.capture_logs():  # to print a trace prettily takes seconds
            response = await client.post(COMPLETIONS, content=chat(), headers=bearer(token))
    assert_openai_error(response, 500, "internal_error")
    assert "secret" not in response.text


async def test_nothing_configured() -> None:
    app = make_app()
    async with app.client() as client:
        token = (await register(client))["access_token"]
        for method, path in (("POST", COMPLETIONS), ("GET", "/api/ai/v1/models")):
            assert_openai_error(await client.request(method, path, headers=bearer(token)), 503, "ai_not_configured")
        services = (await client.get("/health")).json()["services"]
        assert services["ai"]["status"] == services["chat"]["status"] == "not_configured"
        assert "ai" not in (await client.get("/health/ready")).json()["checks"]


async def test_readiness_asks_each_endpoint() -> None:
    app, scripted = serving()
    async with app.client() as client:
        checks = (await client.get("/health/ready")).json()["checks"]
        assert checks["ai:large"]["status"] == checks["ai:vectors"]["status"] == "ok"
        scripted.down = UpstreamFailed("it answers 500")
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["ai:large"]["detail"] == "it answers 500"


async def test_a_model_is_switched_by_administrators_and_that_is_recorded() -> None:
    app, _ = serving()
    async with app.client() as client:
        admin, other = await register(client, ADMIN), await register(client)
        refused = await client.patch("/api/ai/models/large", json={"enabled": False}, headers=bearer(other["access_token"]))
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json", "no route of OpenAI's"
        switched = await client.patch("/api/ai/models/large", json={"enabled": False}, headers=bearer(admin["access_token"]))
        assert (switched.status_code, switched.json()["status"]) == (200, "disabled")
        response = await client.post(COMPLETIONS, content=chat(model="large"), headers=bearer(other["access_token"]))
        assert_openai_error(response, 404, "model_not_found", param="model")
        missing = await client.patch("/api/ai/models/nope", json={"enabled": False}, headers=bearer(admin["access_token"]))
        assert missing.status_code == 404
        events = (await client.get("/api/auth/audit", headers=bearer(admin["access_token"]))).json()["items"]
    assert "ai_model_switched" in [event["kind"] for event in events]


def test_the_place_of_a_mistake() -> None:
    def param(*loc: str | int) -> Any:
        return openai_errors.body(422, "c", "m", {"errors": [{"loc": list(loc)}]})["error"]["param"]

    assert param("body", "messages", 0, "role") == "messages.0.role"
    assert param("body") is None
    assert param("other") == "other"
    assert openai_errors.body(422, "c", "m", {"errors": "odd"})["error"]["param"] is None


async def test_a_repeated_request_is_answered_and_paid_once() -> None:
    app, scripted = serving()
    async with app.client() as client:
        headers = {**bearer((await register(client))["access_token"]), "Idempotency-Key": "k"}
        first = await client.post(COMPLETIONS, content=chat(), headers=headers)
        again = await client.post(COMPLETIONS, content=chat(), headers=headers)
        other = await client.post(COMPLETIONS, content=chat(user="x"), headers=headers)
        usage = (await client.get("/api/ai/usage", headers=headers)).json()
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert_openai_error(other, 422, "idempotency_key_reused", param="header.Idempotency-Key")
    assert len(scripted.asked) == 1
    assert usage["total"]["requests"] == 1


async def test_streams_take_no_key() -> None:
    app, scripted = serving(Reply(HELLO))
    async with app.client() as client:
        headers = {**bearer((await register(client))["access_token"]), "Idempotency-Key": "k"}
        for _ in range(2):
            assert (await client.post(COMPLETIONS, content=chat(stream=True), headers=headers)).content.endswith(DONE)
    assert len(scripted.asked) == 2


async def test_no_log_line_holds_a_prompt_or_a_providers_words() -> None:
    app, _ = serving(Refusal(400, {"message": "the secret prompt is bad", "code": "bad"}))
    with structlog.testing.capture_logs() as lines:
        async with app.client() as client:
            token = (await register(client))["access_token"]
            await client.post(COMPLETIONS, content=chat(user="secret"), headers=bearer(token))
    assert any(line["event"] == "ai_attempt_failed" for line in lines)
    assert "secret" not in str(lines)
    assert token not in str(lines)


@pytest.mark.parametrize("path", ["org/model-7b", "org%2Fmodel-7b"])
async def test_an_open_servers_model_whose_name_has_a_slash(path: str) -> None:
    app, scripted = serving(AI_MODELS="", OPENAI_BASE_URL="http://vllm.test/v1")
    scripted.listed = ["org/model-7b"]
    async with app.client() as client:
        client.headers["Authorization"] = f"Bearer {(await register(client))['access_token']}"
        assert (await client.get(f"/api/ai/v1/models/{path}")).json()["id"] == "org/model-7b"
        assert_openai_error(await client.get("/api/ai/v1/models/org/other"), 404, "model_not_found", param="model")


async def test_a_key_that_is_limited_to_some_models_sees_and_gets_those() -> None:
    small = {"name": "small", "provider": "openai"}
    app, scripted = serving(AI_MODELS=json.dumps([*json.loads(MODELS), small]))
    async with app.client() as client:
        token = (await register(client))["access_token"]
        made = await client.post("/api/auth/keys", json={"name": "k", "scopes": ["ai"], "ai": {"models": ["small"]}}, headers=bearer(token))
        client.headers["Authorization"] = f"Bearer {made.json()['key']}"
        assert [model["id"] for model in (await client.get("/api/ai/v1/models")).json()["data"]] == ["small"]
        assert (await client.get("/api/ai/v1/models/small")).status_code == 200
        assert_openai_error(await client.get("/api/ai/v1/models/large"), 404, "model_not_found", param="model")
        assert (await client.post(COMPLETIONS, content=chat())).status_code == 200
        assert_openai_error(await client.post(COMPLETIONS, content=chat(model="large")), 403, "model_not_allowed")
        assert_openai_error(await client.post("/api/ai/v1/embeddings", json={"input": "a"}), 404, "model_not_found", param="model")
    assert scripted.models == ["small"]
