"""API keys over real HTTP, through the local host and a real Azurite."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx

from tests.integration.support import User, problem


def test_a_keys_life(client: httpx.Client, user: Callable[..., User]) -> None:
    owner, stranger = user(), user()
    sent, headers = {"name": "CI", "scopes": ["files"]}, {"Idempotency-Key": uuid4().hex}
    made: dict[str, Any] = owner.post("/api/auth/keys", json=sent, headers=headers).json()
    again = owner.post("/api/auth/keys", json=sent, headers=headers)
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, made, "true")
    bearer = {"Authorization": f"Bearer {made['key']}"}
    stored = client.post("/api/files/upload", files={"file": ("a.txt", b"by a key")}, headers=bearer)
    assert stored.status_code == 201, stored.text
    assert owner.get(f"/api/files/{stored.json()['id']}").content == b"by a key"
    problem(client.get("/api/auth/me", headers=bearer), 403, "insufficient_scope")
    problem(client.post("/api/auth/keys", json=sent, headers=bearer), 403, "insufficient_scope")
    problem(stranger.delete(f"/api/auth/keys/{made['id']}"), 404, "key_not_found")
    assert [key["id"] for key in owner.get("/api/auth/keys").json()["items"]] == [made["id"]]
    assert owner.delete(f"/api/auth/keys/{made['id']}").status_code == 204
    problem(client.get("/api/files", headers=bearer), 401, "invalid_api_key")
    assert owner.get("/api/auth/keys").json() == {"items": [], "next_cursor": None}


def test_a_gateway_asks_again(client: httpx.Client) -> None:
    first = client.get("/.well-known/jwks.json")
    again = client.get("/.well-known/jwks.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
