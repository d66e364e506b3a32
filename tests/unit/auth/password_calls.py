"""What tests of passwords ask of the app, and what they look up behind its back."""

from typing import Any

import httpx

from shared_code.audit import tables as audit_rows
from shared_code.auth.tables import USERS
from tests.unit.apps import PASSWORD, App, bearer

EMAIL = "ada@example.com"
NEW = "another good password"


async def forgot(client: httpx.AsyncClient, email: object = EMAIL, **headers: str) -> httpx.Response:
    return await client.post("/api/auth/forgot-password", json={"email": email}, headers=headers)


async def reset(client: httpx.AsyncClient, token: str, password: str = NEW) -> httpx.Response:
    return await client.post("/api/auth/reset-password", json={"token": token, "password": password})


async def change(client: httpx.AsyncClient, token: str, current: str = PASSWORD, new: str = NEW) -> httpx.Response:
    body = {"current_password": current, "new_password": new}
    return await client.post("/api/auth/change-password", json=body, headers=bearer(token))


async def keys(app: App, user: Any) -> list[str]:
    await app.settled()
    return [row.key for row in await app.storage.tables.query(USERS, user["id"], limit=1000)]


async def kinds(app: App) -> list[str]:
    rows = await app.storage.tables.query("audit20260101", audit_rows.LOG)
    return sorted(str(row.values["kind"]) for row in rows if row.values.get("kind"))
