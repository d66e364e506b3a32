"""Usage and budgets over HTTP: the caller's, anyone's, everybody's; keys with budgets of their own."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from functions.ai.spending import spender
from shared_code.ai.models import Usage
from shared_code.clock import ManualClock
from shared_code.web.callers import Caller
from tests.unit.ai.meters import MODEL, START
from tests.unit.apps import App, bearer, make_app, register

ADMIN = "root@example.com"


@dataclass(frozen=True)
class Api:
    app: App
    client: httpx.AsyncClient
    ada: dict[str, Any]
    root: dict[str, Any]

    async def get(self, who: dict[str, Any], **params: str) -> httpx.Response:
        return await self.client.get("/api/ai/usage", params=params, headers=bearer(who["access_token"]))

    async def put(self, who: dict[str, Any], user_id: str, body: object) -> httpx.Response:
        return await self.client.put(f"/api/ai/budgets/{user_id}", json=body, headers=bearer(who["access_token"]))

    async def use(self, credentials: str, usage: Usage, model: Any = MODEL) -> None:
        caller: Caller = await self.app.web.state.authenticator.authenticate(credentials)
        meter = self.app.container.meter
        hold = await meter.hold(spender(caller), [model], usage)
        await meter.settle(hold, model, usage)
        await meter.settled()

    async def key(self, **ai: object) -> httpx.Response:
        body = {"name": "bot", "scopes": ["ai"], "ai": ai}
        return await self.client.post("/api/auth/keys", json=body, headers=bearer(self.ada["access_token"]))


@pytest_asyncio.fixture
async def api() -> AsyncIterator[Api]:
    app = make_app(clock=ManualClock(START), ADMIN_EMAILS=ADMIN, AI_DEFAULT_BUDGET_USD="1.5", ENVIRONMENT="local")
    async with app.client() as client:
        yield Api(app, client, await register(client), await register(client, ADMIN))


async def test_own_usage(api: Api) -> None:
    await api.use(api.ada["access_token"], Usage(1_000, 200, 50))
    await api.use(api.ada["access_token"], Usage(10, 0, 5, estimated=True))
    found = (await api.get(api.ada)).json()
    counts = {
        "requests": 2,
        "input_tokens": 1_010,
        "cached_tokens": 200,
        "output_tokens": 55,
        "cost": 0.00102,
        "estimated_requests": 1,
    }
    assert found.pop("budget").items() >= {"budget": 1.5, "spent": 0.00102, "resets_at": "2026-12-01T00:00:00.000Z"}.items()
    assert found == {
        "from": "2026-11-01",
        "to": "2026-11-24",
        "items": [{"day": "2026-11-24", "model": "gpt-test", **counts}],
        "total": counts,
        "key_budget": None,
        "as_of": None,
    }


async def test_earlier_days_have_rows_of_their_own(api: Api) -> None:
    for _ in range(4):
        await api.use((await register_again(api))["access_token"], Usage(7))
        api.app.clock.advance(86_400)
    ada = await register_again(api)
    found = (await api.get(ada)).json()
    assert [(item["day"], item["cost"]) for item in found["items"]] == [(f"2026-11-{day}", 0.000007) for day in (27, 26, 25, 24)]
    found = (await api.get(ada, **{"from": "2026-11-25", "to": "2026-11-26"})).json()
    assert [item["day"] for item in found["items"]] == ["2026-11-26", "2026-11-25"]
    assert found["total"]["requests"] == 2
    account = [row.key for row in await api.app.storage.tables.query("aiaccounts", ada["user"]["id"])]
    assert account == ["account", "d:2026-11-24", "d:2026-11-25"]


async def register_again(api: Api) -> dict[str, Any]:
    """Ada, signed in anew: her token has expired."""
    response = await api.client.post("/api/auth/login", json={"email": api.ada["user"]["email"], "password": "correct horse battery"})
    return {"user": api.ada["user"], **response.json()}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"from": "2026-13-01"}, "invalid_day"),
        ({"to": "tomorrow"}, "invalid_day"),
        ({"from": "2026-11-25", "to": "2026-11-24"}, "invalid_period"),
        ({"from": "2020-01-01"}, "invalid_period"),
        ({"from": "２０２６-01-01"}, "invalid_day"),
    ],
)
async def test_bad_periods(api: Api, params: dict[str, str], code: str) -> None:
    response = await api.get(api.ada, **params)
    assert (response.status_code, response.json()["code"]) == (422, code)


async def test_others_usage_is_for_administrators(api: Api) -> None:
    await api.use(api.ada["access_token"], Usage(100))
    for params in ({"scope": "all"}, {"user_id": api.root["user"]["id"]}):
        response = await api.get(api.ada, **params)
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert (await api.get(api.root, user_id=api.ada["user"]["id"])).json()["total"]["requests"] == 1
    unknown = await api.get(api.root, user_id="nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "user_not_found"), "as their budget is"
    assert (await api.get(api.root, user_id=api.root["user"]["id"])).status_code == 200
    nobody = await api.client.get("/api/ai/usage")
    assert (nobody.status_code, nobody.headers["content-type"]) == (401, "application/problem+json")
    # As OpenAI's clients read it, who can be pointed at these routes too.
    assert nobody.json()["error"] == {
        "message": nobody.json()["detail"], "type": "authentication_error", "code": nobody.json()["code"], "param": None,
    }  # fmt: skip
    everybody = (await api.get(api.root, scope="all")).json()
    assert (everybody["as_of"], everybody["budget"], everybody["items"]) == (None, None, [])
    await api.app.container.ai_statistics.roll_up()
    reading = await api.app.container.figure_sources()["ai"]()  # as monitoring keeps it
    assert reading is not None
    assert reading.figures == {"ai_requests": 1, "ai_input_tokens": 100, "ai_output_tokens": 0, "ai_cost_micro": 100}
    everybody = (await api.get(api.root, scope="all")).json()
    assert everybody["as_of"] == "2026-11-24T12:00:00.000Z"
    assert [(item["day"], item["model"], item["cost"]) for item in everybody["items"]] == [("2026-11-24", "gpt-test", 0.0001)]


async def test_budgets(api: Api) -> None:
    ada = api.ada["user"]["id"]
    response = await api.put(api.root, ada, {"monthly_usd": 0.000250})
    assert response.json() == {"budget": 0.00025, "spent": 0, "held": 0, "resets_at": "2026-12-01T00:00:00.000Z"}
    await api.use(api.ada["access_token"], Usage(250))
    found = (await api.get(api.ada)).json()["budget"]
    assert (found["budget"], found["spent"], found["held"]) == (0.00025, 0.00025, 0)
    assert (await api.put(api.root, ada, {"monthly_usd": None})).json()["budget"] == 1.5
    assert (await api.put(api.root, ada, {"monthly_usd": "20"})).json()["budget"] == 20
    kinds = (await api.client.get("/api/auth/audit", params={"user_id": ada}, headers=bearer(api.root["access_token"]))).status_code
    assert kinds == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"monthly_usd": -1}, {"monthly_usd": "1e3"}, {"monthly_usd": 0.0000001}, {"monthly_usd": True}, {"monthly_usd": 10**9}, {"x": 1}],
)
async def test_bad_budgets(api: Api, body: dict[str, object]) -> None:
    response = await api.put(api.root, api.ada["user"]["id"], body)
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")


async def test_who_may_set_budgets(api: Api) -> None:
    response = await api.put(api.ada, api.ada["user"]["id"], {"monthly_usd": 1000})
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    response = await api.put(api.root, "01kdvdna00xn827bv9v92nwqsr", {"monthly_usd": 1})
    assert (response.status_code, response.json()["code"]) == (404, "user_not_found")


async def test_a_key_with_a_budget_of_its_own(api: Api) -> None:
    made = await api.key(monthly_usd="0.0005", models=["gpt-test"], requests_per_minute=60, tokens_per_minute=100_000)
    assert made.status_code == 201
    limits = {"monthly_usd": 0.0005, "models": ["gpt-test"], "requests_per_minute": 60, "tokens_per_minute": 100_000}
    assert made.json()["ai"] == limits
    listed = (await api.client.get("/api/auth/keys", headers=bearer(api.ada["access_token"]))).json()
    assert listed["items"][0]["ai"] == limits
    await api.use(made.json()["key"], Usage(300))
    await api.use(api.ada["access_token"], Usage(1_000))
    found = (await api.client.get("/api/ai/usage", headers=bearer(made.json()["key"]))).json()
    assert (found["budget"]["spent"], found["key_budget"]["budget"], found["key_budget"]["spent"]) == (0.0013, 0.0005, 0.0003)


@pytest.mark.parametrize(
    "ai", [{"monthly_usd": "-1"}, {"models": []}, {"requests_per_minute": 0}, {"tokens_per_minute": "x"}, {"budget": 1}]
)
async def test_bad_key_limits(api: Api, ai: dict[str, object]) -> None:
    assert (await api.key(**ai)).status_code == 422


async def test_a_key_without_limits_says_so(api: Api) -> None:
    assert (await api.key()).json()["ai"] is None


async def test_plans_set_budgets() -> None:
    app = make_app(clock=ManualClock(START), PLANS='{"price_pro": {"ai_monthly_usd": 20}}')

    class Entitlements:
        limits = {"ai_monthly_usd": 20}  # noqa: RUF012  # a stand-in's

        async def of(self, user_id: str) -> "Entitlements":
            return self

    app.container.__dict__["entitlements"] = Entitlements()
    async with app.client() as client:
        ada = await register(client)
        found = (await client.get("/api/ai/usage", headers=bearer(ada["access_token"]))).json()
    assert found["budget"]["budget"] == 20


async def test_the_archive_and_leaving(api: Api) -> None:
    await api.use(api.ada["access_token"], Usage(100))
    await api.app.container.ai_statistics.roll_up()
    archive = await api.client.get("/api/auth/export", headers=bearer(api.ada["access_token"]))
    with zipfile.ZipFile(io.BytesIO(archive.content)) as found:
        assert json.loads(found.read("ai_usage.json"))["usage"][0]["usd"] == 0.0001
    headers = bearer(api.ada["access_token"])
    left = await api.client.request("DELETE", "/api/auth/me", json={"password": "correct horse battery"}, headers=headers)
    assert left.status_code == 204
    await api.app.settled()
    assert await api.app.storage.tables.query("aiaccounts", api.ada["user"]["id"]) == []
    await api.app.container.ai_statistics.roll_up()
    assert (await api.get(api.root, scope="all")).json()["total"]["cost"] == 0.0001
