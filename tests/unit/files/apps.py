"""The files service over memory: a whole app with callers made up by name, a clock that tests move, and a recount."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI

from functions.common import http as common_http
from functions.files import http as files_http
from shared_code import ids
from shared_code.clock import Clock, ManualClock
from shared_code.container import Container
from shared_code.errors import Unauthenticated
from shared_code.files.models import Usage
from shared_code.files.tables import FILES, to_file, to_pending
from shared_code.settings import load
from shared_code.storage.events import InProcessEvents
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Storage
from shared_code.web import app as web_app
from shared_code.web.callers import Caller

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGINALS, VARIANTS = "uploads", "uploads-variants"
BOUNDARY = "lydian-test-boundary"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def owner(name: str) -> str:
    """A user id that is the same for the same name."""
    return ids.encode(int.from_bytes(name.encode()[:16].ljust(16, b"\0")) & (2**130 - 1), ids.LENGTH)


class NamedCallers:
    """``Bearer alice`` is Alice; ``Bearer root admin`` an administrator."""

    async def authenticate(self, credentials: str) -> Caller:
        name, _, role = credentials.partition(" ")
        if name == "nobody":
            raise Unauthenticated("Nobody is signed in.")
        return Caller(owner(name), "admin" if role == "admin" else "user")


@dataclass
class FilesApp:
    """``web`` serves ``container``; a second one over the same storage is another process."""

    container: Container
    web: FastAPI
    storage: Storage
    clock: ManualClock

    def client(self, name: str | None = "alice", role: str = "user") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.web, client=("127.0.0.1", 50000))
        headers = {} if name is None else {"Authorization": f"Bearer {name} {role}"}
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)

    async def settled(self) -> None:
        """Wait until what was sent to services without a queue has been handled."""
        events = self.container.events
        assert isinstance(events, InProcessEvents)
        await events.drain()

    def another(self, storage: Storage | None = None) -> "FilesApp":
        """Another process over the same storage (or a wrapper of it), that remembers nothing."""
        return compose(self.container.settings, storage or self.storage, self.clock)


def make_files_app(
    *, storage: Storage | None = None, clock: ManualClock | None = None, triggers: bool = False, **environ: str | int
) -> FilesApp:
    """``triggers``: storage has them, as on Azure: then no image job starts by itself, and large files are hashed by a message.

    ``environ`` are settings by their variable, e.g. ``FILES_QUOTA_BYTES=1000``.
    """
    clock = clock or ManualClock(START)
    values = {"ENVIRONMENT": "test", "SERVICES": "files", **{name: str(value) for name, value in environ.items()}}
    settings = load(values)
    if triggers:
        settings = replace(settings, storage_connection_string="none is opened: the storage is given")
    return compose(settings, storage or MemoryStorage(clock), clock)


def compose(settings: Any, storage: Storage, clock: Clock) -> FilesApp:
    container = Container(settings, storage=storage, clock=clock)
    web = web_app.build(settings, [common_http.router, files_http.router])
    web.state.container = container
    web.state.authenticator = NamedCallers()
    web.state.idempotency = lambda: container.idempotency
    assert isinstance(clock, ManualClock)
    return FilesApp(container, web, storage, clock)


def part(name: str, data: bytes, *, filename: str | None = None, content_type: str | None = None) -> bytes:
    """One part of a multipart body, written by hand: no client library mends what a test wants broken."""
    disposition = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    kind = "" if content_type is None else f"Content-Type: {content_type}\r\n"
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n{kind}\r\n".encode() + data + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def upload(
    client: httpx.AsyncClient, data: bytes = b"hello", name: str = "a.txt", kind: str | None = None, **fields: str
) -> httpx.Response:
    extra = [part(field, value.encode()) for field, value in fields.items()]
    sent = body(*extra, part("file", data, filename=name, content_type=kind))
    return await client.post("/api/files/upload", content=sent, headers=MULTIPART)


async def stored(client: httpx.AsyncClient, data: bytes = b"hello", name: str = "a.txt", **fields: str) -> dict[str, Any]:
    answer = await upload(client, data, name, **fields)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def shared(client: httpx.AsyncClient, file_id: str, **wanted: Any) -> dict[str, Any]:
    answer = await client.post(f"/api/files/{file_id}/share", json=wanted)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer's problem, checked for what every problem has (SPEC §1)."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(answer.content)
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= found.keys()
    assert (found["status"], found["code"]) == (status, code), found
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


async def rows(storage: Storage, name: str, prefix: str) -> list[Any]:
    return await storage.tables.query(FILES, owner(name), prefix=prefix, limit=1000)


async def recount(storage: Storage, name: str) -> Usage:
    """What the owner's totals should be, counted from the rows."""
    files = [to_file(row) for row in await rows(storage, name, "f:")]
    pending = [to_pending(row) for row in await rows(storage, name, "p:")]
    return Usage(
        active_files=sum(file.status in ("active", "storing") for file in files),
        deleted_files=sum(file.status == "deleted" for file in files),
        bytes=sum(file.size for file in files),
        reserved_bytes=sum(each.file.size for each in pending),
        by_type=dict(Counter(file.content_type for file in files)),
    )


async def assert_counted(app: FilesApp, *names: str) -> None:
    for name in names:
        assert await app.another().container.files_ledger.usage(owner(name)) == await recount(app.storage, name)


async def blob_names(storage: Storage, container: str = ORIGINALS) -> list[str]:
    return [blob.name async for blob in storage.blobs.list(container)]


async def assert_no_orphans(app: FilesApp) -> None:
    """Every blob has a record, and every record's blob is there."""
    known = {file.id async for file in app.container.files_records.all_rows()}
    assert set(await blob_names(app.storage)) == known
    assert {name.partition("/")[0] for name in await blob_names(app.storage, VARIANTS)} <= known


def put_granted(app: FilesApp, grant: Mapping[str, Any], data: bytes) -> None:
    """What a client does with ``upload_url``, on memory."""
    storage: Any = app.storage
    getattr(storage, "inner", storage).blobs.put_granted(grant["upload_url"], data)


async def chunked(data: bytes, sizes: Iterable[int]) -> AsyncIterator[bytes]:
    """``data`` in pieces of these sizes, then the rest."""
    place = 0
    for size in sizes:
        if place < len(data):
            yield data[place : place + size]
        place += size
    if place < len(data):
        yield data[place:]


@asynccontextmanager
async def alice_and_app(**environ: Any) -> AsyncIterator[tuple[httpx.AsyncClient, FilesApp]]:
    app = make_files_app(**environ)
    async with app.client() as client:
        yield client, app


def extended(filename: str) -> str:
    return f"filename*=UTF-8''{quote(filename, safe='')}"
