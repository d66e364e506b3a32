"""The real app on storage in memory, driven the way the worker drives it."""

import asyncio
import functools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import azure.functions as func
import httpx
from fastapi import FastAPI

from functions.composition import compose
from shared_code.auth import keys
from shared_code.auth.models import Client, Session
from shared_code.auth.sessions import Sessions
from shared_code.auth.tables import USERS, session_key, session_values
from shared_code.clock import ManualClock
from shared_code.container import Container
from shared_code.settings import Settings, load
from shared_code.storage.events import InProcessEvents
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Insert, Operation, Row, Tables
from shared_code.web import bridge
from shared_code.web.azure_http import WebApp

PASSWORD = "correct horse battery"
DESKTOP = {"User-Agent": "desktop"}


@functools.cache
def signing_pem() -> str:
    return keys.new_pem()


def settings_of(**environ: str) -> Settings:
    """Settings from variables, with a signing key unless one is given, and with no limits for a network address: all clients
    here share one."""
    unsigned = "JWT_PRIVATE_KEY" not in environ and "JWT_SECRET" not in environ
    unlimited = {"AUTH_LOCK_ADDRESS": "off", "AUTH_REGISTER_ADDRESS": "off"}
    return load({"ENVIRONMENT": "test", **unlimited, **({"JWT_PRIVATE_KEY": signing_pem()} if unsigned else {}), **environ})


class WatchedTables:
    """Tables that write down every call, and can be made to fail before or after one."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.calls: list[str] = []
        self.before: Callable[[str, str], None] = lambda verb, table: None
        self.after: Callable[[str, str], None] = lambda verb, table: None

    async def get(self, table: str, partition: str, key: str) -> Row | None:
        return await self._watched("get", table, self.tables.get(table, partition, key))

    async def apply(self, table: str, partition: str, operation: Operation) -> str:
        return await self._watched("write", table, self.tables.apply(table, partition, operation))

    async def batch(self, table: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        return await self._watched("write", table, self.tables.batch(table, partition, operations))

    async def query(self, table: str, partition: str | None = None, **options: Any) -> list[Row]:
        rows: list[Row] = await self._watched("query", table, self.tables.query(table, partition, **options))
        return rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tables, name)

    async def _watched(self, verb: str, table: str, call: Any) -> Any:
        self.calls.append(f"{verb} {table}")
        try:
            self.before(verb, table)
        except BaseException:
            call.close()
            raise
        result = await call
        self.after(verb, table)
        return result


class TestContainer(Container):
    __test__ = False
    writes_traffic = False
    """Tests count the calls of storage, and move the clock by more than a minute."""

    def preload(self) -> None:
        """Tests pay for what they use only."""


@dataclass(frozen=True)
class App:
    container: TestContainer
    functions: func.FunctionApp
    web: FastAPI
    clock: ManualClock
    storage: MemoryStorage
    tables: WatchedTables

    def client(self, *, address: str = "192.0.2.1", **options: Any) -> httpx.AsyncClient:
        """A client behind the bridge and our web extension, as everything is on Azure."""
        extension = WebApp()
        extension.route(bridge.make_handler(self.web))
        transport = httpx.ASGITransport(app=extension.get_app(), client=(address, 40000))
        return httpx.AsyncClient(transport=transport, base_url="http://lydian.test", **options)

    async def settled(self) -> None:
        """Wait until what was sent to services without a queue has been handled."""
        events = self.container.events
        assert isinstance(events, InProcessEvents)
        await events.drain()

    def sibling(self, **environ: str) -> "App":
        """Another app (another process, another service) on the same storage and clock."""
        return make_app(storage=self.storage, clock=self.clock, **environ)


def make_app(*, storage: MemoryStorage | None = None, clock: ManualClock | None = None, **environ: str) -> App:
    clock = clock or ManualClock()
    storage = storage or MemoryStorage(clock)
    watched = WatchedTables(storage.tables)
    seen = MemoryStorage(clock)
    seen.blobs, seen.queues = storage.blobs, storage.queues
    seen.tables = watched  # type: ignore[assignment]  # it stands in for MemoryTables
    container = TestContainer(settings_of(**environ), storage=seen, clock=clock)
    functions, web = compose(container)
    return App(container, functions, web, clock, storage, watched)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def register(client: httpx.AsyncClient, email: str | None = None, **body: Any) -> dict[str, Any]:
    """A new account's answer: ``user``, ``access_token``, ``refresh_token``."""
    email = email or f"{uuid.uuid4().hex}@example.com"
    response = await client.post("/api/auth/register", json={"email": email, "password": PASSWORD, **body})
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def login(client: httpx.AsyncClient, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
    return await client.post("/api/auth/login", json={"email": email, "password": password}, headers=headers)


async def refresh(client: httpx.AsyncClient, token: str, user_agent: str = "desktop") -> httpx.Response:
    return await client.post("/api/auth/refresh", json={"refresh_token": token}, headers={"User-Agent": user_agent})


async def me(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/api/auth/me", headers=bearer(token))


async def start_session(sessions: Sessions, user_id: str, client: Client) -> tuple[Session, str]:
    """A stored session and its refresh token, without a sign-in."""
    session, token = sessions.new(user_id, client)
    await sessions._tables.apply(USERS, user_id, Insert(session_key(session.id), session_values(session)))
    return session, token


async def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  # what is waited for knows no event
            await asyncio.sleep(0)
