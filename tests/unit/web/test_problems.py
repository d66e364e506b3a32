"""What every route shares: errors as problem details, the request id, security headers, HEAD, CORS."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from shared_code import errors
from shared_code.web import json_body
from shared_code.web.problems import from_error, masked_path, problem, status_of
from tests.unit.apps import bearer, make_app, register

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id"}


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), response.text
    body = response.json()
    assert set(body) >= MEMBERS
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:lydian:problem:{code}"
    assert body["request_id"] == response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api/auth", "/api/auth/register/", "/health/", "/api/AUTH/me", "/%00", "/%ff%fe", "/api/files/a/b/c"]
)
async def test_an_unknown_route(client: httpx.AsyncClient, path: str) -> None:
    assert_problem(await client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/api/auth/register", "POST"),
        ("DELETE", "/health", "GET, HEAD"),
        ("PUT", "/api/auth/me", "DELETE, GET, HEAD, PATCH"),
        ("BREW", "/", "GET, HEAD"),
        ("OPTIONS", "/api/auth/login", "POST"),
        ("DELETE", "/api/files/upload", "POST"),
        ("POST", "/api/files/0123/metadata", "GET, HEAD, PATCH"),
        ("PATCH", "/api/files/0123", "DELETE, GET, HEAD"),
    ],
)
async def test_a_known_path_with_the_wrong_method(client: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    response = await client.request(method, path)
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allow


async def test_validation_names_each_place(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/auth/register", json={"email": 7, "name": ["x"]})
    assert_problem(response, 422, "validation_failed")
    found = response.json()["errors"]
    assert [error["loc"] for error in found] == [["body", "email"], ["body", "password"], ["body", "name"]]
    assert all(set(error) == {"loc", "msg", "type"} for error in found)
    assert "input" not in response.text, "what was sent may be a secret"


async def test_validation_of_a_query(client: httpx.AsyncClient) -> None:
    token = (await register(client))["access_token"]
    response = await client.get("/api/files?limit=0", headers=bearer(token))
    assert_problem(response, 422, "validation_failed")
    assert response.json()["errors"][0]["loc"] == ["query", "limit"]
    assert_problem(await client.get("/api/files?limit=101", headers=bearer(token)), 422, "validation_failed")


@pytest.mark.parametrize("cursor", ["", "x", "%ff", "AAAA", "a" * 5000, "e30", "é"])
async def test_a_forged_cursor(client: httpx.AsyncClient, cursor: str) -> None:
    token = (await register(client))["access_token"]
    assert_problem(await client.get(f"/api/files?cursor={cursor}", headers=bearer(token)), 400, "invalid_cursor")


@pytest.mark.parametrize("body", [b"nope", b'{"a":', b'{"email": NaN}', b'{"email": "\\ud800"}', b"\xff\xfe", b"[" * 101 + b"]" * 101])
async def test_what_is_not_json(client: httpx.AsyncClient, body: bytes) -> None:
    for path in ("/api/auth/register", "/api/auth/login", "/api/auth/refresh"):
        response = await client.post(path, content=body)
        assert_problem(response, 400, "invalid_json")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"text"', b"7", b"[" * 100 + b"]" * 100])
async def test_json_of_the_wrong_shape(client: httpx.AsyncClient, body: bytes) -> None:
    assert_problem(await client.post("/api/auth/login", content=body), 422, "validation_failed")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/problem+json; charset=utf-16", None])
async def test_a_json_body_is_read_whatever_it_calls_itself(client: httpx.AsyncClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    response = await client.post("/api/auth/login", content=b'{"email":"a@example.com","password":"x"}', headers=headers)
    assert_problem(response, 401, "invalid_credentials")


async def test_a_body_of_another_type_where_a_file_is_wanted(client: httpx.AsyncClient) -> None:
    token = (await register(client))["access_token"]
    response = await client.post("/api/files/upload", json={}, headers=bearer(token))
    assert_problem(response, 415, "unsupported_media_type")


async def test_a_body_that_is_too_large_is_refused_by_its_length(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/auth/login", content=b" " * (json_body.MAX_BYTES + 1))
    assert_problem(response, 413, "payload_too_large")
    assert response.headers["connection"] == "close"


async def test_a_body_that_is_too_large_is_refused_while_it_is_read(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_code.web.linger.MAX_BYTES", 0)  # nothing is read after the refusal
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while given < 100 * json_body.MAX_BYTES:
            given += 65536
            yield b" " * 65536

    response = await client.post("/api/auth/login", content=endless())
    assert_problem(response, 413, "payload_too_large")
    assert given <= json_body.MAX_BYTES + 4 * 65536


async def test_a_strangers_body_is_not_read(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_code.web.linger.MAX_BYTES", 0)
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while given < 100:
            given += 1
            yield b" "

    response = await client.patch("/api/auth/me", content=endless())
    assert_problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"
    assert given <= 1


@pytest.mark.parametrize("given", ["a", "req-1", "!~", "x" * 128, "{id}", "\\\"'"])
async def test_a_request_id_is_taken(client: httpx.AsyncClient, given: str) -> None:
    assert (await client.get("/", headers={"X-Request-ID": given})).headers["x-request-id"] == given
    refused = await client.get("/nowhere", headers={"X-Request-ID": given})
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == given


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 129, b"caf\xc3\xa9", b"a\tb", b"\x7f", b"a\x00b"])
async def test_a_request_id_is_made(client: httpx.AsyncClient, given: bytes) -> None:
    made = (await client.get("/", headers=[(b"X-Request-ID", given)])).headers["x-request-id"]
    assert re.fullmatch(r"req_[0-9a-f]{24}", made)


async def test_of_several_request_ids_the_first_counts(client: httpx.AsyncClient) -> None:
    response = await client.get("/nowhere", headers=[("X-Request-ID", "one"), ("X-Request-ID", "two")])
    assert response.headers.get_list("x-request-id") == ["one"]
    assert response.json()["request_id"] == "one"


async def test_of_several_credentials_the_first_counts(client: httpx.AsyncClient) -> None:
    token = (await register(client))["access_token"]
    good, bad = ("Authorization", f"Bearer {token}"), ("Authorization", "Bearer other")
    assert (await client.get("/api/auth/me", headers=[good, bad])).status_code == 200
    assert (await client.get("/api/auth/me", headers=[bad, good])).status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/health", "/health/ready", "/openapi.json", "/docs", "/static/lydian.css", "/.well-known/jwks.json", "/nowhere"]
)
async def test_head_answers_as_get_without_the_body(client: httpx.AsyncClient, path: str) -> None:
    with_body, without = await client.get(path), await client.head(path)
    assert (without.status_code, without.content) == (with_body.status_code, b"")
    assert without.headers["content-type"] == with_body.headers["content-type"]
    if path in ("/openapi.json", "/docs", "/static/lydian.css", "/.well-known/jwks.json"):
        assert without.headers["content-length"] == with_body.headers["content-length"]
    assert without.headers["x-content-type-options"] == "nosniff"


async def test_head_where_there_is_no_get(client: httpx.AsyncClient) -> None:
    response = await client.head("/api/auth/login")
    assert (response.status_code, response.headers["allow"], response.content) == (405, "POST", b"")


async def test_security_headers_are_everywhere(client: httpx.AsyncClient) -> None:
    for method, path in [("GET", "/"), ("GET", "/docs"), ("POST", "/api/auth/login"), ("GET", "/nowhere"), ("PUT", "/"), ("OPTIONS", "/")]:
        headers = (await client.request(method, path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def preflight(origin: str) -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}


PRODUCTION = {
    "ENVIRONMENT": "production",
    "PUBLIC_BASE_URL": "https://api.contoso.com",
    "AZURE_STORAGE_ACCOUNT_URL": "https://contoso.blob.core.windows.net",
}


@pytest.mark.parametrize("origin", ["http://localhost:5173", "https://www.contoso.com", "null"])
@pytest.mark.parametrize("environ", [PRODUCTION, {"ENVIRONMENT": "test"}], ids=["production", "test"])
async def test_cors_is_off_by_default(origin: str, environ: dict[str, str]) -> None:
    async with make_app(**environ).client() as client:
        assert_problem(await client.options("/api/auth/me", headers=preflight(origin)), 405, "method_not_allowed")
        assert "access-control-allow-origin" not in (await client.get("/", headers={"Origin": origin})).headers


async def test_configured_origins_and_no_others() -> None:
    async with make_app(**PRODUCTION, CORS_ORIGINS="https://www.contoso.com, https://app.contoso.com").client() as client:
        allowed = await client.options("/api/auth/me", headers=preflight("https://app.contoso.com"))
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://app.contoso.com"
        assert "PATCH" in allowed.headers["access-control-allow-methods"]
        for origin in ("http://localhost:5173", "https://evil.example", "https://app.contoso.com.evil.example", "http://app.contoso.com"):
            assert "access-control-allow-origin" not in (await client.options("/api/auth/me", headers=preflight(origin))).headers
            assert "access-control-allow-origin" not in (await client.get("/health", headers={"Origin": origin})).headers
        refused = await client.get("/api/auth/me", headers={"Origin": "https://www.contoso.com"})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://www.contoso.com", "a page must be able to read a refusal"
        assert "X-Request-ID" in refused.headers["access-control-expose-headers"]
        assert refused.headers["vary"] == "Origin"


async def test_any_localhost_when_local() -> None:
    async with make_app(ENVIRONMENT="local").client() as client:
        for origin in ("http://localhost:5173", "http://localhost", "http://127.0.0.1:8000"):
            assert (await client.get("/", headers={"Origin": origin})).headers["access-control-allow-origin"] == origin
        for origin in (
            "http://localhost.evil.example",
            "http://evil.example:80",
            "https://notlocalhost:1",
            "http://localhost:80@evil.example",
        ):
            assert "access-control-allow-origin" not in (await client.get("/", headers={"Origin": origin})).headers


async def test_a_share_token_stands_in_no_answer(client: httpx.AsyncClient) -> None:
    response = await client.get("/share/lys_s3cret?download=true&x=s3cret")
    assert response.status_code == 404
    assert response.json()["instance"] == "/share/…"
    assert "s3cret" not in response.text
    assert "s3cret" not in (await client.post("/share/s3cret")).text


def test_only_a_share_is_masked() -> None:
    assert masked_path("/api/files/1") == "/api/files/1"
    assert masked_path("/share/abc/def") == "/share/…"


class Special(errors.Gone):
    pass


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Special(), 410),
        (errors.InvalidCursor(), 400),
        (errors.Busy("later"), 503),
        (errors.LydianError(), 500),
        (errors.NotConfigured(), 503),
    ],
)
def test_the_nearest_class_decides_the_status(error: errors.LydianError, status: int) -> None:
    assert status_of(error) == status
    assert from_error({"type": "http", "path": "/"}, error).status_code == status


def test_headers_that_a_status_asks_for() -> None:
    scope = {"type": "http", "path": "/"}
    assert from_error(scope, errors.RateLimited("slow down", retry_after=7)).headers["retry-after"] == "7"
    assert from_error(scope, errors.Busy("later", retry_after=2)).headers["retry-after"] == "2"
    assert from_error(scope, errors.RangeNotSatisfiable(9)).headers["content-range"] == "bytes */9"
    assert from_error(scope, errors.Unauthenticated()).headers["www-authenticate"] == "Bearer"
    basic = errors.Unauthenticated(extra={"challenge": 'Basic realm="share"'})
    assert from_error(scope, basic).headers["www-authenticate"] == 'Basic realm="share"'


def test_a_problem_survives_any_text() -> None:
    scope = {"type": "http", "path": "/\udcff", "headers": []}
    response = problem(scope, 400, "odd", "\ud800 ☃", extra={"code": "never", "more": "kept"})
    assert b'"code": "odd"' in response.body
    assert b'"more": "kept"' in response.body
