"""The pages that links in mails lead to: opening them does nothing, and nothing leaks from them."""

import re

import httpx
import pytest

from functions.common.assets import FOLDER
from tests.unit.apps import App, register
from tests.unit.auth.letters import Letters

PAGES = ["/auth/verify-email", "/auth/reset-password"]


@pytest.mark.parametrize("path", PAGES)
async def test_it_is_strict(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, params={"token": '"><script>alert(1)</script>'})
    assert answer.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["frame-ancestors"], policy["form-action"], policy["base-uri"]) == ("'none'",) * 3
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert "alert" not in answer.text, "the token is not in the page"
    assert not re.search(r"<script(?! src=\"/static/)|\son\w+=|style=|https?://", answer.text), "nothing inline, nothing from elsewhere"
    assert re.findall(r"for=\"(\w+)\"", answer.text) == re.findall(r"input id=\"(\w+)\"", answer.text), "every field has its label"
    assert 'aria-live="polite"' in answer.text


async def test_opening_one_uses_nothing_up(app: App, client: httpx.AsyncClient) -> None:
    """A mail scanner follows the links; the owner comes later."""
    letters = Letters(app)
    await register(client, "ada@example.com")
    await client.post("/api/auth/forgot-password", json={"email": "ada@example.com"})
    links = [await letters.link(template) for template in ("verify_email", "reset_password")]
    app.tables.calls.clear()
    for link in links:
        for method in ("GET", "HEAD", "GET"):
            assert (await client.request(method, link)).status_code == 200
    assert app.tables.calls == []
    action, body = "/api/auth/verify-email", {"token": await letters.token("verify_email")}
    assert (await client.post(action, json=body)).status_code == 200
    body = {"token": await letters.token("reset_password"), "password": "another good password"}
    assert (await client.post("/api/auth/reset-password", json=body)).status_code == 204


@pytest.mark.parametrize("path", PAGES)
async def test_what_it_loads_and_asks_is_there(client: httpx.AsyncClient, path: str) -> None:
    page = (await client.get(path)).text
    assert f'data-action="/api{path}"' in page
    answer = await client.post(f"/api{path}", json={"token": "x", "password": "another good password"})
    assert answer.json()["code"] == "invalid_token"
    for asset in re.findall(r"/static/([\w./]+)", page):
        loaded = await client.get(f"/static/{asset}")
        assert loaded.content == (FOLDER / asset.rpartition("/")[2]).read_bytes()
        assert loaded.headers["content-type"] == {"css": "text/css", "js": "text/javascript"}[asset.rpartition(".")[2]] + "; charset=utf-8"
