"""The archive of what is stored about a user: all of it, one's own, and never half of one that opens."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from shared_code.auth.models import Client
from shared_code.errors import Conflict, StorageUnavailable
from shared_code.files.models import new_file_id
from shared_code.files.tables import FILES, file_key, file_values
from shared_code.storage.ports import BlobRead, Insert, Merge, Missing
from shared_code.web.outgoing import Outgoing
from tests.unit.apps import App, bearer, register
from tests.unit.files.apps import shared, stored
from tests.unit.files.test_files_direct import grant

CLIENT = Client("test", "192.0.2.1")


def opened(data: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive


@pytest.fixture
async def client(app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        client.headers.update(bearer((await register(client, "ada@example.com", name="Ada"))["access_token"]))
        yield client


async def export(client: httpx.AsyncClient) -> zipfile.ZipFile:
    answer = await client.get("/api/auth/export")
    assert answer.status_code == 200, answer.text
    return opened(answer.content)


def document(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(archive.read(name))
    return found


async def test_an_empty_account(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/auth/export")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="lydian-export-2026-01-01.zip"'
    assert answer.headers["cache-control"] == "no-store"
    archive = opened(answer.content)
    assert archive.namelist() == ["README.txt", "account.json", "sessions.json", "keys.json", "audit.json", "files/files.json"]
    me = (await client.get("/api/auth/me")).json()
    assert document(archive, "account.json").items() >= {**me, "disabled": False, "provider": None, "identity": None}.items()
    assert [session["current"] for session in document(archive, "sessions.json")["sessions"]] == [True]
    assert document(archive, "files/files.json") == {"files": [], "incomplete_uploads": [], "shares": []}
    assert {"register", "data_exported"} <= {event["kind"] for event in document(archive, "audit.json")["events"]}


async def test_everything_of_one_and_nothing_of_others(app: App, client: httpx.AsyncClient) -> None:
    key = (await client.post("/api/auth/keys", json={"name": "k", "scopes": ["files"]})).json()
    kept, binned = await stored(client, b"kept", "kept.txt"), await stored(client, b"binned", "binned.txt")
    share = await shared(client, kept["id"], password="a password")
    await client.delete(f"/api/files/{binned['id']}")
    pending = await grant(client)
    async with app.client() as other:
        bob = await register(other, "bob@example.com")
        other.headers.update(bearer(bob["access_token"]))
        theirs = await stored(other, b"bob's", "secret.txt")
        await shared(other, theirs["id"])
    archive = await export(client)
    files = document(archive, "files/files.json")
    assert [(file["id"], file["status"]) for file in files["files"]] == [(binned["id"], "deleted"), (kept["id"], "active")]
    assert archive.read(f"files/{kept['id']}/kept.txt") == b"kept"
    assert archive.read(files["files"][0]["archive_name"]) == b"binned"
    assert [each["file_id"] for each in files["incomplete_uploads"]] == [pending["file_id"]]
    assert [(each["id"], each["has_password"]) for each in files["shares"]] == [(share["id"], True)]
    assert [each["id"] for each in document(archive, "keys.json")["keys"]] == [key["id"]]
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    for secret in (key["key"], share["token"], "hash", bob["user"]["id"], "bob", "secret.txt"):
        assert secret not in everything.replace("only hashes of those", "").replace("only as hashes", ""), secret


@pytest.mark.parametrize(
    ("filename", "found"),
    [
        ("../../etc/passwd", "passwd"),
        ("..", "file"),
        ("C:\\windows\\system32", "system32"),
        ("a:b|c?.txt", "a_b_c_.txt"),
        ("CON.txt", "_CON.txt"),
        ("trailing. ", "trailing"),
        ("ü\u202egpj.exe", "ügpj.exe"),
        ("x" * 300, "x" * 255),
    ],
)
async def test_hostile_names(app: App, client: httpx.AsyncClient, filename: str, found: str) -> None:
    file = await stored(client, b"hello")
    # As an older version, or somebody else, might have written it.
    values = {"filename": filename}
    await app.storage.tables.apply(FILES, file["owner_id"], Merge(file_key(file["id"]), values))
    assert f"files/{file['id']}/{found}" in (await export(client)).namelist()


async def test_a_thousand_files_are_read_page_by_page(app: App, client: httpx.AsyncClient) -> None:
    file = await stored(client, b"hello")
    records, container = app.container.files_records, app.container.settings.files_container
    (first,) = await records.page(file["owner_id"], after=None, limit=2, folder=None, content_type=None, status=None)
    for _ in range(1000):
        each = replace(first, id=new_file_id(first.owner_id, app.clock.now()))
        blob = await app.storage.blobs.put(container, each.id, b"hello", content_type="text/plain")
        values = file_values(replace(each, blob_etag=blob.etag))
        await app.storage.tables.apply(FILES, first.owner_id, Insert(file_key(each.id), values))
    app.tables.calls.clear()
    archive = await export(client)
    assert len(document(archive, "files/files.json")["files"]) == 1001
    assert len({name for name in archive.namelist() if name.endswith("/a.txt")}) == 1001
    assert app.tables.calls.count("query files") <= 2 * 12 + 2


async def test_what_is_deleted_meanwhile_is_noted(app: App, client: httpx.AsyncClient) -> None:
    gone, half = await stored(client, b"gone", "gone.txt"), await stored(client, b"half", "half.txt")
    await app.storage.blobs.delete("uploads", gone["id"])
    reading = app.storage.blobs.read

    async def torn(container: str, name: str, **options: Any) -> BlobRead:
        found = await reading(container, name, **options)

        async def chunks() -> AsyncGenerator[bytes, None]:
            yield b"ha"
            raise Missing

        return BlobRead(found.properties, chunks()) if name == half["id"] else found

    app.storage.blobs.read = torn  # type: ignore[method-assign]
    archive = await export(client)
    assert f"files/{gone['id']}/gone.txt" not in archive.namelist()
    assert archive.read(f"files/{half['id']}/half.txt") == b"ha"
    notes = archive.read("files/notes.txt").decode().splitlines()
    assert [note.partition(":")[0] for note in notes] == [half["id"], gone["id"]]


async def test_storage_that_fails_on_the_way_cuts_the_connection(app: App, client: httpx.AsyncClient) -> None:
    await stored(client)

    async def down(*args: Any, **options: Any) -> BlobRead:
        raise StorageUnavailable("down")

    app.storage.blobs.read = down  # type: ignore[method-assign]
    with pytest.raises((RuntimeError, StorageUnavailable)):
        await client.get("/api/auth/export")
    del app.storage.blobs.read
    await export(client)


async def test_storage_that_fails_at_once_is_an_answer(app: App, client: httpx.AsyncClient) -> None:
    await client.get("/api/auth/me")

    def down(verb: str, table: str) -> None:
        raise StorageUnavailable("down")

    app.tables.before = down
    assert (await client.get("/api/auth/export")).status_code == 503
    app.tables.before = lambda verb, table: None
    await export(client)


async def test_one_at_a_time(app: App, client: httpx.AsyncClient) -> None:
    user_id = (await client.get("/api/auth/me")).json()["id"]
    other = (await register(client))["user"]["id"]
    running = await app.container.export.open(user_id, None, CLIENT)
    await anext(running.chunks)
    answer = await client.get("/api/auth/export")
    assert (answer.status_code, answer.json()["code"]) == (409, "export_in_progress")
    await (await app.container.export.open(other, None, CLIENT)).aclose()
    await running.aclose()
    await export(client)
    abandoned = await app.container.export.open(user_id, None, CLIENT)
    with pytest.raises(Conflict):
        await app.container.export.open(user_id, None, CLIENT)
    del abandoned  # its answer never began
    await export(client)


async def test_a_client_that_leaves_stops_it(app: App, client: httpx.AsyncClient) -> None:
    """Cancelled where it waits to send: the next one may begin at once."""
    user_id = (await client.get("/api/auth/me")).json()["id"]
    running = await app.container.export.open(user_id, None, CLIENT)
    sending = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        if message.get("body"):
            sending.set()
            await asyncio.Event().wait()

    answer = Outgoing(running.chunks, close=running.aclose)
    answering = asyncio.ensure_future(answer({"type": "http"}, receive, send))
    await sending.wait()
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    assert running.closed
    await export(client)


async def test_head_and_who_may_not(app: App, client: httpx.AsyncClient) -> None:
    answer = await client.head("/api/auth/export")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", "application/zip")
    made = await client.post("/api/auth/keys", json={"name": "k", "scopes": ["files", "monitoring"]})
    assert (await client.get("/api/auth/export", headers=bearer(made.json()["key"]))).status_code == 403
    async with app.client() as nobody:
        assert (await nobody.get("/api/auth/export")).status_code == 401
    kinds = {event["kind"] for event in document(await export(client), "audit.json")["events"]}
    assert "data_exported" in kinds


async def test_the_auth_app_alone_exports_files_too(app: App, client: httpx.AsyncClient) -> None:
    file = await stored(client, b"hello")
    async with app.sibling(SERVICES="auth").client(headers=dict(client.headers)) as alone:
        assert (await alone.get("/api/files")).status_code == 404
        assert (await export(alone)).read(f"files/{file['id']}/a.txt") == b"hello"
