"""From image to variants over memory: the record, the downloads, repeated and late events, and giving up."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from shared_code.errors import StorageUnavailable
from tests import images
from tests.unit.files.apps import (
    ORIGINALS,
    VARIANTS,
    FilesApp,
    assert_counted,
    assert_no_orphans,
    blob_names,
    make_files_app,
    problem,
    put_granted,
    shared,
    stored,
)
from tests.unit.files.test_files_direct import complete, grant
from tests.unit.files.test_files_records import listed

JPEG = images.jpeg(images.photo(900, 600), exif=images.exif(6))


@pytest.fixture
def app() -> FilesApp:
    """With triggers: the job runs when a test says so."""
    return make_files_app(triggers=True)


@pytest_asyncio.fixture
async def alice(app: FilesApp) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        yield client


async def record(client: httpx.AsyncClient, file_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/files/{file_id}/metadata")).json()
    return found


async def test_from_pending_to_ready(app: FilesApp, alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    file = await stored(alice, JPEG, "Foto.JPG")
    path = f"/api/files/{file['id']}"
    original = await alice.get(path)
    assert (original.content, original.headers["content-type"]) == (JPEG, "image/jpeg")
    for variant in ("optimized", "thumbnail"):
        problem(await alice.get(path, params={"variant": variant}), 404, "variant_not_found")
    app.clock.advance(10)
    await app.container.images.process(file["id"])
    ready = await record(alice, file["id"])
    image = ready["image"]
    assert (image["status"], image["width"], image["height"], image["error"]) == ("ready", 600, 900, None)
    assert image["saved_bytes"] == file["size"] - image["variants"]["optimized"]["size"]
    assert ready == {**file, "image": image, "etag": ready["etag"]}
    assert ready["etag"] != file["etag"]
    etags = set()
    for variant, kind, name in (
        ("optimized", "image/jpeg", "Foto.JPG"),
        ("thumbnail", "image/webp", "Foto.webp"),
        ("original", "image/jpeg", "Foto.JPG"),
    ):
        answer = await alice.get(path, params={"variant": variant})
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert answer.headers["content-disposition"] == f'inline; filename="{name}"'
        etags.add(answer.headers["etag"])
        assert not answer.headers["etag"].startswith("W/")
        if variant != "original":
            described = image["variants"][variant]
            assert len(answer.content) == described["size"] == int(answer.headers["content-length"])
            picture = Image.open(io.BytesIO(answer.content))
            assert picture.size == (described["width"], described["height"])
            assert images.GPS_MARK not in answer.content
            assert answer.headers["last-modified"] == "Sun, 01 Mar 2026 12:00:10 GMT"
        part = await alice.get(path, params={"variant": variant}, headers={"Range": "bytes=3-5"})
        assert (part.status_code, part.content) == (206, answer.content[3:6])
        same = await alice.get(path, params={"variant": variant}, headers={"If-None-Match": answer.headers["etag"]})
        assert same.status_code == 304
        forced = await alice.get(path, params={"variant": variant, "download": "true"})
        assert forced.headers["content-disposition"].startswith("attachment; ")
    assert len(etags) == 3
    default = await alice.get(path)
    assert default.content == (await alice.get(path, params={"variant": "optimized"})).content
    link = await shared(alice, file["id"])
    assert (await anyone.get(f"/share/{link['token']}")).content == default.content
    thumbnail = await anyone.get(f"/share/{link['token']}", params={"variant": "thumbnail"})
    assert thumbnail.headers["content-type"] == "image/webp"
    assert (await alice.get(path, params={"variant": "huge"})).status_code == 422


async def test_what_people_edit_is_not_disturbed(app: FilesApp, alice: httpx.AsyncClient) -> None:
    """If-Match names what a person saw; the image job edits nothing that people edit."""
    file = await stored(alice, JPEG)
    await app.container.images.process(file["id"])
    answer = await alice.patch(f"/api/files/{file['id']}/metadata", json={"filename": "b"}, headers={"If-Match": f'"{file["etag"]}"'})
    assert answer.status_code == 200
    assert answer.json()["image"]["status"] == "ready"


@pytest.mark.parametrize("bad", ["broken", "truncated", "pixels", "frames", "polyglot"])
async def test_images_that_are_no_images(app: FilesApp, alice: httpx.AsyncClient, bad: str) -> None:
    data = {
        "broken": JPEG[:200] + bytes(2000),
        "truncated": JPEG[: len(JPEG) // 2],
        "pixels": images.png_bomb(50_000, 50_000),
        "frames": images.gif_bomb(5_000),
        "polyglot": b"GIF89a/*" + b"\n*/=1;alert(document.domain)//<script>" * 40,
    }[bad]
    file = await stored(alice, data, "a.jpg")
    await app.container.images.process(file["id"])
    failed = await record(alice, file["id"])
    assert failed["image"]["status"] == "failed"
    assert failed["image"]["error"]
    assert "/" not in failed["image"]["error"].replace("n/a", "")
    assert (failed["image"]["variants"], failed["image"]["saved_bytes"]) == ({}, None)
    assert await blob_names(app.storage, VARIANTS) == []
    answer = await alice.get(f"/api/files/{file['id']}")
    assert (answer.content, answer.headers["x-content-type-options"]) == (data, "nosniff")
    for _ in range(2):
        await app.container.images.process(file["id"])
        await app.container.images.give_up(file["id"])
        assert await record(alice, file["id"]) == failed


async def test_the_same_event_twice(app: FilesApp, alice: httpx.AsyncClient) -> None:
    file = await stored(alice, JPEG)
    await asyncio.gather(*(app.container.images.process(file["id"]) for _ in range(3)))
    ready = await record(alice, file["id"])
    blobs = [(blob.name, blob.etag) async for blob in app.storage.blobs.list(VARIANTS)]
    app.clock.advance(100)
    await app.container.images.process(file["id"])
    await app.another().container.images.process(file["id"])
    assert await record(alice, file["id"]) == ready
    assert [(blob.name, blob.etag) async for blob in app.storage.blobs.list(VARIANTS)] == blobs
    optimized = await alice.get(f"/api/files/{file['id']}")
    assert optimized.status_code == 200


@pytest.mark.parametrize("name", ["nonsense", "a/b", "0" * 52, ""])
async def test_a_blob_without_a_record_is_ignored(app: FilesApp, name: str) -> None:
    if name:
        await app.storage.blobs.put(ORIGINALS, name, JPEG, content_type="image/jpeg")
    await app.container.images.process(name)
    await app.container.images.give_up(name)
    assert await blob_names(app.storage, VARIANTS) == []


async def test_text_has_no_variants(app: FilesApp, alice: httpx.AsyncClient) -> None:
    file = await stored(alice)
    await app.container.images.process(file["id"])
    await app.container.images.give_up(file["id"])
    assert (await record(alice, file["id"]))["image"] is None
    problem(await alice.get(f"/api/files/{file['id']}", params={"variant": "thumbnail"}), 404, "variant_not_found")


async def test_an_event_before_complete(app: FilesApp, alice: httpx.AsyncClient) -> None:
    for event_between in (False, True):
        granted = await grant(alice, len(JPEG), "image/jpeg")
        put_granted(app, granted, JPEG)
        if event_between:  # the job sees the pending upload, ``complete`` has read it already
            answer, _ = await asyncio.gather(complete(alice, granted), app.container.images.process(granted["file_id"]))
        else:
            await app.container.images.process(granted["file_id"])
            assert await listed(alice) == []
            assert (await alice.get(f"/api/files/{granted['file_id']}")).status_code == 404
            answer = await complete(alice, granted)
        assert answer.status_code == 200
        assert (await record(alice, granted["file_id"]))["image"]["status"] == "ready"
        await alice.delete(f"/api/files/{granted['file_id']}", params={"permanent": "true"})
    await assert_no_orphans(app)


async def test_deleting_races_the_job(app: FilesApp, alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    put = app.storage.blobs.put
    for moment in ("first put", "second put", "after"):
        file = await stored(alice, JPEG)
        moments = iter(["first put", "second put"])

        async def then_deleted(*args: Any, file: Any = file, moments: Any = moments, moment: str = moment, **options: Any) -> Any:
            result = await put(*args, **options)
            if args[0] == VARIANTS and next(moments, "") == moment:
                assert (await alice.delete(f"/api/files/{file['id']}", params={"permanent": "true"})).status_code == 204
            return result

        monkeypatch.setattr(app.storage.blobs, "put", then_deleted)
        await app.container.images.process(file["id"])
        if moment == "after":
            await alice.delete(f"/api/files/{file['id']}", params={"permanent": "true"})
        assert await blob_names(app.storage, VARIANTS) == await blob_names(app.storage) == []
        monkeypatch.setattr(app.storage.blobs, "put", put)
    await assert_counted(app, "alice")


async def test_a_blob_that_goes_before_it_is_read(app: FilesApp, alice: httpx.AsyncClient) -> None:
    file = await stored(alice, JPEG)
    await app.storage.blobs.delete(ORIGINALS, file["id"])
    await app.container.images.process(file["id"])
    assert (await record(alice, file["id"]))["image"]["status"] == "pending"


async def test_storage_trouble_is_raised_and_giving_up_is_told(
    app: FilesApp, alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await stored(alice, JPEG)

    async def down(*args: Any, **options: Any) -> Any:
        raise StorageUnavailable("storage is down")

    for method in ("read", "put"):
        with monkeypatch.context() as patch:
            patch.setattr(app.storage.blobs, method, down)
            for _ in range(5):
                with pytest.raises(StorageUnavailable):
                    await app.container.images.process(file["id"])
        assert (await record(alice, file["id"]))["image"]["status"] == "pending"
    await app.container.images.give_up(file["id"])
    failed = (await record(alice, file["id"]))["image"]
    assert failed["status"] == "failed"
    assert "again" in failed["error"]
    assert (await alice.get(f"/api/files/{file['id']}")).content == JPEG
    # Somebody delivers the event by hand: what was no fault of the image may still come right.
    await app.container.images.process(file["id"])
    assert (await record(alice, file["id"]))["image"]["status"] == "ready"
    await app.container.images.give_up(file["id"])
    assert (await record(alice, file["id"]))["image"]["status"] == "ready"


async def test_in_memory_the_job_starts_by_itself() -> None:
    app = make_files_app()
    async with app.client() as alice:
        file = await stored(alice, JPEG)
        granted = await grant(alice, len(JPEG), "image/jpeg")
        put_granted(app, granted, JPEG)
        await complete(alice, granted)
        async with asyncio.timeout(20):
            for file_id in (file["id"], granted["file_id"]):
                while (await record(alice, file_id))["image"]["status"] == "pending":  # noqa: ASYNC110  # the job tells nobody else
                    await asyncio.sleep(0.01)  # between looks; the timeout bounds them
        assert (await record(alice, file["id"]))["image"]["status"] == "ready"
        assert await listed(alice, type="image") == ["größe.txt", "a.txt"]


async def test_soft_deleted_images_are_finished_too(app: FilesApp, alice: httpx.AsyncClient) -> None:
    file = await stored(alice, JPEG)
    await alice.delete(f"/api/files/{file['id']}")
    await app.container.images.process(file["id"])
    assert (await record(alice, file["id"]))["image"]["status"] == "ready"
    assert (await alice.post(f"/api/files/{file['id']}/restore")).json()["image"]["status"] == "ready"
