"""An account and its API keys, for the tests of keys."""

from typing import Any

import httpx

from shared_code.auth.tables import USER_KEY, USERS
from shared_code.storage.ports import Merge
from tests.unit.apps import App, bearer


class Owner:
    """An account, and what it does with keys."""

    def __init__(self, app: App, client: httpx.AsyncClient, account: dict[str, Any]) -> None:
        self.app, self.client, self.id, self.token = app, client, account["user"]["id"], account["access_token"]
        app.container.api_keys.note_after = 0

    async def make(self, **body: Any) -> httpx.Response:
        return await self.client.post("/api/auth/keys", json={"name": "CI", "scopes": ["files"], **body}, headers=bearer(self.token))

    async def key(self, **body: Any) -> dict[str, Any]:
        answer = await self.make(**body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def list(self, query: str = "") -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/api/auth/keys{query}", headers=bearer(self.token))).json()
        return found

    async def revoke(self, key_id: str) -> httpx.Response:
        return await self.client.delete(f"/api/auth/keys/{key_id}", headers=bearer(self.token))

    async def set(self, **values: Any) -> None:
        """As an administrator on another instance does."""
        await self.app.container.notices.post(self.id)
        await self.app.storage.tables.apply(USERS, self.id, Merge(USER_KEY, values))


async def files(client: httpx.AsyncClient, key: str) -> httpx.Response:
    return await client.get("/api/files", headers=bearer(key))


async def refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await files(client, key)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"
