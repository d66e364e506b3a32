"""Identity over real HTTP, through the local host and a real Azurite."""

import json
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.integration.support import NO_TLS, PASSWORD, eventually, problem

DESKTOP = {"User-Agent": "desktop"}


def fresh() -> str:
    return f"user-{uuid4().hex}@example.com"


def register(client: httpx.Client, email: str | None = None, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/auth/register", json={"email": email or fresh(), "password": PASSWORD, **body}, headers=DESKTOP)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refresh(client: httpx.Client, token: str, user_agent: str = "desktop") -> httpx.Response:
    return client.post("/api/auth/refresh", json={"refresh_token": token}, headers={"User-Agent": user_agent})


def me(client: httpx.Client, token: str) -> httpx.Response:
    return client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})


def test_a_life(client: httpx.Client) -> None:
    email = fresh()
    account = register(client, email, name="Ada")
    assert me(client, account["access_token"]).json() == account["user"]
    problem(client.post("/api/auth/register", json={"email": email.upper(), "password": PASSWORD}), 409, "email_taken")
    problem(client.post("/api/auth/login", json={"email": email, "password": "not the password"}), 401, "invalid_credentials")
    signed_in = client.post("/api/auth/login", json={"email": f" {email.upper()} ", "password": PASSWORD}).json()
    assert signed_in["user"] == account["user"]
    bearer = {"Authorization": f"Bearer {signed_in['access_token']}"}
    assert client.patch("/api/auth/me", json={"name": "Countess"}, headers=bearer).json()["name"] == "Countess"
    renewed = refresh(client, signed_in["refresh_token"]).json()
    assert me(client, renewed["access_token"]).json()["name"] == "Countess"
    assert client.post("/api/auth/logout", headers=bearer).status_code == 204
    problem(me(client, renewed["access_token"]), 401, "session_ended")
    problem(refresh(client, renewed["refresh_token"]), 401, "invalid_refresh_token")
    assert me(client, account["access_token"]).status_code == 200


def test_twenty_at_once_make_one_account(base_url: str) -> None:
    email, together = fresh(), threading.Barrier(20)

    def ask(_: int) -> int:
        with httpx.Client(base_url=base_url, timeout=60, verify=NO_TLS) as client:
            together.wait(30)
            return client.post("/api/auth/register", json={"email": email, "password": PASSWORD}).status_code

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(ask, range(20))) == [201] + [409] * 19


def test_two_tabs_get_the_same_successor(base_url: str, client: httpx.Client) -> None:
    token, together = register(client)["refresh_token"], threading.Barrier(6)

    def ask(_: int) -> httpx.Response:
        with httpx.Client(base_url=base_url, timeout=60, verify=NO_TLS) as tab:
            together.wait(30)
            return refresh(tab, token)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_reuse_ends_the_session_and_its_access_tokens(client: httpx.Client) -> None:
    account = register(client)
    renewed = refresh(client, account["refresh_token"]).json()
    assert me(client, renewed["access_token"]).status_code == 200
    problem(refresh(client, account["refresh_token"], "a thief"), 401, "invalid_refresh_token")
    problem(refresh(client, renewed["refresh_token"]), 401, "invalid_refresh_token")
    for token in (account["access_token"], renewed["access_token"]):
        eventually(lambda token=token: me(client, token).status_code == 401, 10, "the session's end")  # type: ignore[misc]  # bound per turn


def test_a_gateway_can_verify(client: httpx.Client) -> None:
    discovery = client.get("/.well-known/openid-configuration").json()
    jwks = client.get(urlsplit(discovery["jwks_uri"]).path).json()
    token = register(client)["access_token"]
    header = jwt.get_unverified_header(token)
    if header["alg"] == "HS256":
        assert jwks == {"keys": []}
        return
    key = jwt.PyJWKSet(jwks["keys"])[header["kid"]]
    claims = jwt.decode(
        token, key.key, algorithms=discovery["id_token_signing_alg_values_supported"], audience="lydian", issuer=discovery["issuer"]
    )
    assert set(discovery["claims_supported"]) == set(claims)


def test_a_registration_is_replayed(client: httpx.Client) -> None:
    sent, key = {"email": fresh(), "password": PASSWORD}, {"Idempotency-Key": uuid4().hex}
    first = client.post("/api/auth/register", json=sent, headers=key)
    again = client.post("/api/auth/register", json=sent, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    problem(client.post("/api/auth/register", json={**sent, "name": "x"}, headers=key), 422, "idempotency_key_reused")


def test_a_registration_whose_client_left_is_finished(base_url: str, client: httpx.Client) -> None:
    """The answer is lost, the account is made once, and the retry gets its tokens."""
    sent = json.dumps({"email": fresh(), "password": PASSWORD})
    key, place = uuid4().hex, urlsplit(base_url)
    with socket.create_connection((place.hostname or "", place.port or 80), 10) as raw:
        head = f"POST /api/auth/register HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n"
        raw.sendall(f"{head}Content-Length: {len(sent)}\r\n\r\n{sent}".encode())

    def retry() -> httpx.Response | None:
        answer = client.post("/api/auth/register", content=sent, headers={"Idempotency-Key": key})
        return answer if answer.status_code != 409 or answer.json()["code"] != "idempotency_in_progress" else None

    answer = eventually(retry, 30, "the first request's end")
    assert answer is not None
    assert answer.status_code == 201, answer.text
    assert me(client, answer.json()["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/auth/login", 405, "method_not_allowed"),
        ("GET", "/api/auth/me", 401, "unauthenticated"),
        ("POST", "/api/auth/login", 422, "validation_failed"),
    ],
)
def test_problems(client: httpx.Client, method: str, path: str, status: int, code: str) -> None:
    answer = client.request(method, path, headers={"X-Request-ID": "find-me"})
    assert problem(answer, status, code)["request_id"] == "find-me"
    assert answer.headers["x-content-type-options"] == "nosniff"
    if status == 405:
        assert answer.headers["allow"] == "POST"
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"


def test_limits_while_reading(base_url: str, client: httpx.Client) -> None:
    problem(client.post("/api/auth/login", content=b"nope"), 400, "invalid_json")
    problem(client.post("/api/auth/login", content=b"[" * 101 + b"]" * 101), 400, "invalid_json")
    problem(client.post("/api/auth/login", content=b" " * (1024 * 1024 + 1)), 413, "payload_too_large")
    problem(client.post("/api/auth/login", content=iter([b" " * 65536] * 17)), 413, "payload_too_large")


@pytest.mark.parametrize("path", ["/", "/health", "/docs", "/openapi.json", "/.well-known/jwks.json"])
def test_head(client: httpx.Client, path: str) -> None:
    answer = client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert re.fullmatch(r"req_[0-9a-f]{24}", answer.headers["x-request-id"])


def test_health(client: httpx.Client) -> None:
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["checks"]["storage"]["status"]) == (200, "ok")
    assert client.get("/health").json()["services"]["auth"]["status"] == "ok"
