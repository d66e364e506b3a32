"""Direct uploads over memory: grants, ``complete`` and what it refuses, and what is held of the quota meanwhile."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest

from shared_code.files import uploads
from shared_code.storage import events
from tests import images
from tests.unit.files.apps import (
    ORIGINALS,
    FilesApp,
    alice_and_app,
    assert_counted,
    assert_no_orphans,
    blob_names,
    make_files_app,
    problem,
    put_granted,
    rows,
    stored,
)
from tests.unit.files.test_files_records import FOREIGN, listed


async def grant(client: httpx.AsyncClient, size: int = 5, kind: str = "text/plain", **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/files/upload-url", json={"filename": "größe.txt", "content_type": kind, "size": size, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def complete(client: httpx.AsyncClient, granted: dict[str, Any]) -> httpx.Response:
    return await client.post(f"/api/files/{granted['file_id']}/complete")


async def test_from_grant_to_file(app: FilesApp, alice: httpx.AsyncClient) -> None:
    granted = await grant(alice, folder="/a", metadata={"b": 1})
    assert granted.keys() == {"file_id", "upload_url", "method", "headers", "expires_at"}
    assert (granted["method"], granted["expires_at"]) == ("PUT", "2026-03-01T12:15:00.000Z")
    assert granted["headers"]["x-ms-blob-type"] == "BlockBlob"
    assert granted["headers"]["Content-Type"] == "text/plain"
    problem(await complete(alice, granted), 409, "upload_incomplete")
    put_granted(app, granted, b"hello")
    app.clock.advance(3)
    answer = await complete(alice, granted)
    file = answer.json()
    assert answer.status_code == 200
    assert (file["id"], file["filename"], file["size"], file["status"]) == (granted["file_id"], "größe.txt", 5, "active")
    assert (file["sha256"], file["folder"], file["metadata"]) == (hashlib.sha256(b"hello").hexdigest(), "/a", {"b": 1})
    assert file["created_at"] == "2026-03-01T12:00:03.000Z"
    assert (await alice.get(f"/api/files/{file['id']}")).content == b"hello"
    again = await complete(alice, granted)
    assert (again.status_code, again.json()) == (200, file)
    await assert_counted(app, "alice")
    assert (await alice.get("/api/files/stats")).json()["total_bytes"] == 5


@pytest.mark.parametrize(
    ("bad", "status", "code"),
    [
        ({"size": 0}, 422, "empty_file"),
        ({"size": -1}, 422, "validation_failed"),
        ({"size": "5"}, 422, "validation_failed"),
        ({"size": 5.5}, 422, "validation_failed"),
        ({"size": None}, 422, "validation_failed"),
        ({"size": 2**31 + 1}, 413, "file_too_large"),
        ({"size": 2**63}, 422, "validation_failed"),
        ({"content_type": "image/svg+xml"}, 415, "unsupported_file_type"),
        ({"content_type": "application/octet-stream"}, 415, "unsupported_file_type"),
        ({"content_type": ""}, 422, "validation_failed"),
        ({"filename": ""}, 422, "validation_failed"),
        ({"filename": None}, 422, "validation_failed"),
        ({"folder": ".."}, 422, "invalid_folder"),
        ({"metadata": []}, 422, "validation_failed"),
        ({"metadata": {"a": "x" * 8200}}, 422, "invalid_metadata"),
    ],
)
async def test_bad_grants(app: FilesApp, alice: httpx.AsyncClient, bad: dict[str, Any], status: int, code: str) -> None:
    sent = {"filename": "a.txt", "content_type": "text/plain", "size": 5, **bad}
    answer = await alice.post("/api/files/upload-url", json=sent)
    problem(answer, status, code)
    assert status != 422 or answer.json()["errors"]
    assert await rows(app.storage, "alice", "p:") == []
    await assert_counted(app, "alice")


async def test_the_largest_grant() -> None:
    async with alice_and_app(FILES_QUOTA_BYTES=2**40) as (alice, _):
        await grant(alice, 2**31)


async def test_an_idempotent_grant_is_one_grant(app: FilesApp, alice: httpx.AsyncClient) -> None:
    sent, headers = {"filename": "a", "content_type": "text/plain", "size": 5}, {"Idempotency-Key": "k"}
    first = await alice.post("/api/files/upload-url", json=sent, headers=headers)
    second = await alice.post("/api/files/upload-url", json=sent, headers=headers)
    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert len(await rows(app.storage, "alice", "p:")) == 1


@pytest.mark.parametrize(
    ("data", "size", "kind", "status", "code"),
    [
        (b"hell", 5, "text/plain", 422, "size_mismatch"),
        (b"hello!", 5, "text/plain", 422, "size_mismatch"),
        (b"", 5, "text/plain", 422, "empty_file"),
        (b"hello", 5, "image/png", 415, "unsupported_file_type"),
        (b"<svg>", 5, "text/plain", 415, "unsupported_file_type"),
        (b"\0\1\2\3\4", 5, "text/plain", 415, "unsupported_file_type"),
        (images.png_bomb(1, 1)[:40], 40, "image/jpeg", 415, "unsupported_file_type"),
    ],
)
async def test_other_bytes_than_announced(
    app: FilesApp, alice: httpx.AsyncClient, data: bytes, size: int, kind: str, status: int, code: str
) -> None:
    granted = await grant(alice, size, kind)
    put_granted(app, granted, data)
    problem(await complete(alice, granted), status, code)
    assert await blob_names(app.storage) == []
    problem(await complete(alice, granted), 404, "file_not_found")
    assert await rows(app.storage, "alice", "p:") == []
    await assert_counted(app, "alice")


@pytest.mark.parametrize(("method", "path"), [route for route in FOREIGN if not route[1].endswith("/complete")])
async def test_until_then_it_is_nowhere(app: FilesApp, alice: httpx.AsyncClient, method: str, path: str) -> None:
    granted = await grant(alice)
    for _ in range(2):
        sent: Any = {"json": {"filename": "x"}} if method in ("PATCH", "POST") else {}
        answer = await alice.request(method, path.format(id=granted["file_id"], share="0" * 26), **sent)
        assert answer.status_code == 404
        for status in ("active", "deleted", "all"):
            assert await listed(alice, status=status) == []
        assert (await alice.get("/api/files/stats")).json()["total_files"] == 0
        if not await blob_names(app.storage):
            put_granted(app, granted, b"hello")
    assert (await complete(alice, granted)).status_code == 200


async def test_anothers_grant(app: FilesApp, alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    granted = await grant(alice)
    problem(await complete(bob, granted), 404, "file_not_found")
    put_granted(app, granted, b"hello")
    problem(await complete(bob, granted), 404, "file_not_found")
    assert (await complete(alice, granted)).status_code == 200
    problem(await complete(bob, granted), 404, "file_not_found")


async def test_many_completes_at_once(app: FilesApp, alice: httpx.AsyncClient) -> None:
    elsewhere = app.another().client()
    for _ in range(5):
        granted = await grant(alice)
        put_granted(app, granted, b"hello")
        answers = await asyncio.gather(*(complete(client, granted) for client in [alice] * 5 + [elsewhere] * 3))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["etag"] for answer in answers}) == 1
    await elsewhere.aclose()
    assert len(await listed(alice)) == 5
    await assert_counted(app, "alice")


async def test_many_failing_completes_at_once(app: FilesApp, alice: httpx.AsyncClient) -> None:
    granted = await grant(alice)
    put_granted(app, granted, b"wrong size")
    answers = await asyncio.gather(*(complete(alice, granted) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {404, 409, 422}
    assert await blob_names(app.storage) == []
    await assert_counted(app, "alice")


async def test_a_grant_works_once_and_for_fifteen_minutes(app: FilesApp, alice: httpx.AsyncClient) -> None:
    granted = await grant(alice)
    put_granted(app, granted, b"hello")
    with pytest.raises(PermissionError):
        put_granted(app, granted, b"other")
    late = await grant(alice)
    app.clock.advance(15 * 60)
    with pytest.raises(PermissionError):
        put_granted(app, late, b"hello")
    problem(await complete(alice, late), 409, "upload_incomplete")


async def test_bytes_changed_afterwards_are_never_served(app: FilesApp, alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    granted = await grant(alice)
    put_granted(app, granted, b"hello")
    file = (await complete(alice, granted)).json()
    link = (await alice.post(f"/api/files/{file['id']}/share")).json()
    await app.storage.blobs.put(ORIGINALS, file["id"], b"EVIL!", content_type="text/html")
    for client, path in ((alice, f"/api/files/{file['id']}"), (anyone, f"/share/{link['token']}")):
        for headers in ({}, {"Range": "bytes=0-1"}):
            answer = await client.get(path, headers=headers)
            problem(answer, 404, "file_not_found")
            assert b"EVIL" not in answer.content


async def test_grants_hold_the_quota() -> None:
    async with alice_and_app(FILES_QUOTA_BYTES=100) as (alice, app):
        first = await grant(alice, 60)
        problem(
            await alice.post("/api/files/upload-url", json={"filename": "a", "content_type": "text/plain", "size": 41}),
            413,
            "quota_exceeded",
        )
        await grant(alice, 30)
        problem(
            await alice.post("/api/files/upload-url", json={"filename": "a", "content_type": "text/plain", "size": 11}),
            413,
            "quota_exceeded",
        )
        await stored(alice, b"x" * 10)
        put_granted(app, first, b"x" * 60)
        assert (await complete(alice, first)).status_code == 200
        await assert_counted(app, "alice")
        assert (await app.container.files.usage((await alice.get("/api/files")).json()["items"][0]["owner_id"])).reserved_bytes == 30
        app.clock.advance(15 * 60 + 3600 + 1)
        await app.container.files_purge.run()
        await stored(alice, b"x" * 30)
        await assert_counted(app, "alice")


async def test_large_files_are_hashed_by_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "HASHED_AT_ONCE", 1000)
    pdf = b"%PDF-1.7\n" + b"x" * 200_000
    app = make_files_app(triggers=True)
    async with app.client() as alice:
        granted = await grant(alice, len(pdf), "application/pdf")
        put_granted(app, granted, pdf)
        file = (await complete(alice, granted)).json()
        assert file["sha256"] is None
        queue = events.queue_of("files")
        [message] = await app.storage.queues.receive(queue)
        assert events.parse(message.text)["file_id"] == file["id"]
        assert (await alice.get(f"/api/files/{file['id']}")).content == pdf
        for _ in range(2):
            await app.container.files_uploads.hash(file["id"])
        hashed = (await alice.get(f"/api/files/{file['id']}/metadata")).json()
        assert hashed == {**file, "sha256": hashlib.sha256(pdf).hexdigest()}
        await app.container.files_uploads.hash("nonsense")

        # Text is looked at to its end, however long.
        bad = b"x" * 200_000 + b"\0"
        granted = await grant(alice, len(bad))
        put_granted(app, granted, bad)
        problem(await complete(alice, granted), 415, "unsupported_file_type")

        # The message is lost: the purge asks again. The blob is changed: it is never hashed.
        granted = await grant(alice, len(pdf), "application/pdf")
        put_granted(app, granted, pdf)
        lost = (await complete(alice, granted)).json()
        for message in await app.storage.queues.receive(queue, limit=32):
            await app.storage.queues.delete(queue, message)
        await app.container.files_purge.run()
        asked = [events.parse(message.text)["file_id"] for message in await app.storage.queues.receive(queue, limit=32)]
        assert lost["id"] in asked
        await app.storage.blobs.put(ORIGINALS, lost["id"], b"changed", content_type="text/plain")
        await app.container.files_uploads.hash(lost["id"])
        assert (await alice.get(f"/api/files/{lost['id']}/metadata")).json()["sha256"] is None


async def test_in_memory_large_files_are_hashed_without_a_queue(
    monkeypatch: pytest.MonkeyPatch, app: FilesApp, alice: httpx.AsyncClient
) -> None:
    monkeypatch.setattr(uploads, "HASHED_AT_ONCE", 3)
    granted = await grant(alice)
    put_granted(app, granted, b"hello")
    await complete(alice, granted)
    await app.settled()
    record = (await alice.get(f"/api/files/{granted['file_id']}/metadata")).json()
    assert record["sha256"] == hashlib.sha256(b"hello").hexdigest()
    await assert_no_orphans(app)


async def test_bytes_that_change_while_they_are_checked(app: FilesApp, alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    granted = await grant(alice)
    put_granted(app, granted, b"hello")
    properties = app.storage.blobs.properties

    async def then_changed(container: str, name: str) -> Any:
        found = await properties(container, name)
        await app.storage.blobs.put(container, name, b"other", content_type="text/plain")
        return found

    monkeypatch.setattr(app.storage.blobs, "properties", then_changed)
    problem(await complete(alice, granted), 409, "upload_incomplete")
    monkeypatch.undo()
    assert (await complete(alice, granted)).status_code == 200
