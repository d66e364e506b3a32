"""``Idempotency-Key`` of the real routes."""

import httpx

from tests.unit.apps import PASSWORD, App, bearer, register


async def test_a_registration_is_replayed_with_its_tokens(app: App, client: httpx.AsyncClient) -> None:
    body, key = {"email": "ada@example.com", "password": PASSWORD}, {"Idempotency-Key": "reg-1"}
    first = await client.post("/api/auth/register", json=body, headers=key)
    again = await client.post("/api/auth/register", json=body, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["cache-control"] == "no-store"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    other = await client.post("/api/auth/register", json={**body, "name": "Ada"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    malformed = await client.post("/api/auth/register", json=body, headers={"Idempotency-Key": ""})
    assert (malformed.status_code, malformed.json()["code"]) == (400, "invalid_idempotency_key")
    names = await app.storage.tables.list_tables()
    at_rest = repr([await app.storage.tables.query(name) for name in names])
    assert first.json()["access_token"] not in at_rest
    assert first.json()["refresh_token"] not in at_rest
    assert "reg-1" not in at_rest


async def test_callers_do_not_share_keys(client: httpx.AsyncClient) -> None:
    """The same key of two people for the same path."""
    key = {"Idempotency-Key": "same"}
    for _ in range(2):
        token = (await register(client))["access_token"]
        response = await client.post("/api/files/nothing/share", headers={**key, **bearer(token)})
        assert response.status_code == 404


async def test_a_refused_registration_may_be_tried_again(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "reg-2"}
    bad = await client.post("/api/auth/register", json={"email": "ada@example.com", "password": "short"}, headers=key)
    assert bad.status_code == 422
    assert (
        await client.post("/api/auth/register", json={"email": "ada@example.com", "password": PASSWORD}, headers=key)
    ).status_code == 201


async def test_login_takes_no_key(client: httpx.AsyncClient) -> None:
    await register(client, "ada@example.com")
    body = {"email": "ada@example.com", "password": PASSWORD}
    answers = [await client.post("/api/auth/login", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert answers[0].json()["refresh_token"] != answers[1].json()["refresh_token"]


async def test_strangers_keys_are_their_own(app: App) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD}
    async with app.client(address="192.0.2.1") as ada, app.client(address="203.0.113.9") as mallory:
        headers = {"Idempotency-Key": "1"}
        await mallory.post("/api/auth/register", json={**body, "email": "mallory@example.com"}, headers=headers)
        first = await ada.post("/api/auth/register", json=body, headers=headers)
        assert first.status_code == 201
        assert (await ada.post("/api/auth/register", json=body, headers=headers)).json() == first.json()
        assert (await ada.post("/api/auth/register", json={**body, "name": "A"}, headers=headers)).status_code == 422
