"""The OpenAPI document and our own pages."""

import asyncio
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.openapi.utils import get_openapi

from functions.common import openapi
from shared_code.errors import StorageUnavailable
from tests.unit.apps import App, make_app

OPEN = {
    ("get", "/"), ("get", "/health"), ("get", "/health/ready"), ("get", "/openapi.json"), ("get", "/docs"), ("get", "/static/{asset}"),
    ("get", "/static/{version}/{asset}"), ("get", "/monitor"), ("get", "/status"), ("get", "/status/feed.xml"),
    ("post", "/api/auth/register"), ("post", "/api/auth/login"), ("post", "/api/auth/refresh"), ("get", "/.well-known/jwks.json"),
    ("post", "/api/auth/login/mfa"),
    ("get", "/.well-known/openid-configuration"), ("get", "/share/{token}"), ("post", "/api/webhooks/sendgrid"),
    ("post", "/api/webhooks/stripe"),
    ("post", "/api/auth/verify-email"), ("post", "/api/auth/forgot-password"), ("post", "/api/auth/reset-password"),
    ("get", "/auth/verify-email"), ("get", "/auth/reset-password"), ("get", "/api/payments/config"),
}  # fmt: skip
EITHER = ("post", "/api/auth/verify-email/request")
"""Takes a token, or says in its body what it needs no token for."""


@pytest.fixture(scope="module")
def app() -> App:
    return make_app()


async def document(app: App) -> dict[str, Any]:
    async with app.client() as client:
        response = await client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): operation for path, methods in document["paths"].items() for method, operation in methods.items()}


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for part in value.values() for found in references(part)]
    return [found for part in value for found in references(part)] if isinstance(value, list) else []


async def test_it_is_openapi_3_1(app: App) -> None:
    found = await document(app)
    assert found["openapi"].startswith("3.1.")
    assert found["info"]["title"] == "Lydian"
    schemas = found["components"]["schemas"]
    for reference in references(found):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in schemas, reference
    for (_, path), operation in operations(found).items():
        named = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))
        assert operation["responses"]["default"]["content"]["application/problem+json"]
        assert "422" not in operation["responses"], "errors are problems, not FastAPI's own shape"


async def test_operations_are_the_functions(app: App) -> None:
    ids = [operation["operationId"] for operation in operations(await document(app)).values()]
    names = {function.get_function_name() for function in make_app().functions.get_functions()}
    assert len(ids) == len(set(ids))
    assert set(ids) - names == {"common_root"}, "which the fallback answers: the host has no empty route"


async def test_every_route_that_is_not_open_asks_for_a_token(app: App) -> None:
    found = operations(await document(app))
    assert {place for place, operation in found.items() if not operation.get("security")} == OPEN
    assert found.pop(EITHER)["security"] == [{"bearer": []}, {}]
    assert all(operation["security"] == [{"bearer": []}] for place, operation in found.items() if place not in OPEN)


async def test_what_the_document_says_is_what_is_asked(app: App) -> None:
    async with app.client() as client:
        for (method, path), operation in operations(await document(app)).items():
            response = await client.request(method.upper(), re.sub(r"\{\w+\}", "x", path))
            assert (response.status_code == 401) == bool(operation.get("security")), (method, path, response.status_code)


async def test_it_describes_the_registered_services_only() -> None:
    paths = (await document(make_app(SERVICES="payments")))["paths"]
    assert not any(path.startswith(("/api/auth/", "/api/files", "/share/")) for path in paths)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", ["/docs", "/"])
async def test_pages_need_no_script_and_no_network(app: App, path: str) -> None:
    async with app.client() as client:
        response = await client.get(path, headers={"Accept": "text/html"})
        page = Page(response.text)
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert {tag for tag, _ in page.tags} & {"script", "style", "iframe", "img"} == set()
        for tag, attributes in page.tags:
            assert not any(name.startswith("on") or name == "style" for name in attributes), tag
            for name in ("href", "src", "action"):
                target = attributes.get(name)
                if target:
                    assert target[0] in "/#", target
                    assert not target.startswith("//")
                    if target[0] == "/":
                        assert (await client.get(target)).status_code == 200, target


async def test_the_reference_shows_every_operation(app: App) -> None:
    async with app.client() as client:
        text = (await client.get("/docs")).text
    for (_, path), operation in operations(await document(app)).items():
        assert f'id="{operation["operationId"]}"' in text
        assert f"<code>{path}</code>" in text


async def test_the_reference_writes_code_as_code_and_shows_what_is_within(app: App) -> None:
    async with app.client() as client:
        text = (await client.get("/docs")).text
    assert "<code>ai.monthly_usd</code>" in text
    assert "<td>list of ai | chat | files | payments | monitoring</td>" in text
    assert "`" not in text


async def test_strangers_do_not_have_it_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making the document holds the process for a third of a second, and anybody may ask."""
    made: list[object] = []
    monkeypatch.setattr(openapi, "get_openapi", lambda **given: made.append(given) or get_openapi(**given))
    async with make_app().client() as client:
        answers = await asyncio.gather(*(client.get(path) for path in ["/docs", "/openapi.json"] * 5))
    assert {answer.status_code for answer in answers} == {200}
    assert len(made) == 2, "once for each"


async def test_the_front_door_shows_what_is_there() -> None:
    async with make_app().client() as client:
        text = (await client.get("/", headers={"Accept": "text/html"})).text
        assert (
            '<li class="not_configured"><b>payments</b> not configured <span class="hint">STRIPE_SECRET_KEY is not set</span></li>' in text
        )
        assert '<li class="ok"><b>files</b> works</li>' in text
    async with make_app(SERVICES="files").client() as client:
        text = (await client.get("/", headers={"Accept": "text/html"})).text
        assert "payments" not in text
        assert 'href="/monitor"' not in text, "another app's"


async def test_assets_under_their_version_may_be_kept(app: App) -> None:
    async with app.client() as client:
        page = Page((await client.get("/docs")).text)
        (style,) = [str(attributes["href"]) for tag, attributes in page.tags if attributes.get("rel") == "stylesheet"]
        assert re.fullmatch(r"/static/[0-9a-f]{12}/lydian\.css", style)
        kept = await client.get(style)
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
        other = await client.get("/static/0123456789ab/lydian.css")
        assert (other.content, other.headers["cache-control"]) == (kept.content, "no-cache")
        for name in ("uplot.LICENSE.txt", "README.md", "vendor", "..%2Flydian.css"):
            assert (await client.get(f"/static/0123456789ab/{name}")).status_code == 404


async def test_assets(app: App) -> None:
    async with app.client() as client:
        css = await client.get("/static/lydian.css")
        assert css.headers["content-type"] == "text/css; charset=utf-8"
        for name in ("nothing.css", "..%2Fhttp.py", "%2e%2e", "lydian.css.map", ".env"):
            assert (await client.get(f"/static/{name}")).status_code == 404


async def test_the_front_door_opens_while_storage_is_down() -> None:
    app = make_app()

    def refuse(verb: str, table: str) -> None:
        raise StorageUnavailable("The table storage does not answer.")

    app.tables.before = refuse
    async with app.client() as client:
        answer = await client.get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert '<li class="down"><b>files</b> does not work' in answer.text
