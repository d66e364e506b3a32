"""The nightly purge over memory: what goes, when it goes, what stays, and that a second run finds nothing."""

from typing import Any

import httpx
import pytest

from shared_code.storage.ports import BlobProperties
from tests.unit.files.apps import (
    ORIGINALS,
    VARIANTS,
    FilesApp,
    alice_and_app,
    assert_counted,
    assert_no_orphans,
    blob_names,
    put_granted,
    rows,
    shared,
    stored,
)
from tests.unit.files.test_files_direct import complete, grant

DAY = 86_400


async def purged(app: FilesApp) -> dict[str, int]:
    """What a run removed; a second one removes nothing."""
    counts = await app.another().container.files_purge.run()
    assert set((await app.another().container.files_purge.run()).values()) == {0}
    return {name: count for name, count in counts.items() if count}


async def test_deleted_files_are_kept_for_their_time(app: FilesApp, alice: httpx.AsyncClient) -> None:
    kept, gone = await stored(alice), await stored(alice, name="gone")
    await alice.delete(f"/api/files/{gone['id']}")
    app.clock.advance(30 * DAY)
    assert await purged(app) == {}
    assert (await alice.post(f"/api/files/{gone['id']}/restore")).status_code == 200
    await alice.delete(f"/api/files/{gone['id']}")
    app.clock.advance(30 * DAY + 1)
    assert await purged(app) == {"deleted": 1}
    assert (await alice.get(f"/api/files/{gone['id']}/metadata")).status_code == 404
    assert (await alice.get(f"/api/files/{kept['id']}")).status_code == 200
    assert await blob_names(app.storage) == [kept["id"]]
    await assert_counted(app, "alice")


async def test_the_time_is_a_setting() -> None:
    async with alice_and_app(FILES_RETENTION_DAYS=1) as (alice, app):
        file = await stored(alice)
        await alice.delete(f"/api/files/{file['id']}")
        app.clock.advance(DAY + 1)
        assert await purged(app) == {"deleted": 1}


async def test_a_file_that_is_restored_while_the_purge_runs_stays(
    app: FilesApp, alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await stored(alice)
    await alice.delete(f"/api/files/{file['id']}")
    app.clock.advance(31 * DAY)
    purge = app.another().container.files_purge
    get = purge._records.get

    async def restored_first(*args: Any, **options: Any) -> Any:
        await alice.post(f"/api/files/{file['id']}/restore")
        return await get(*args, **options)

    monkeypatch.setattr(purge._records, "get", restored_first)
    assert (await purge.run())["deleted"] == 0
    assert (await alice.get(f"/api/files/{file['id']}")).content == b"hello"


async def test_uploads_that_were_never_completed(app: FilesApp, alice: httpx.AsyncClient) -> None:
    put, empty, done = await grant(alice), await grant(alice), await grant(alice)
    put_granted(app, put, b"hello")
    put_granted(app, done, b"hello")
    app.clock.advance(15 * 60 + 3600)
    assert await purged(app) == {}
    assert (await complete(alice, done)).status_code == 200
    app.clock.advance(1)
    assert await purged(app) == {"pending": 2}
    for granted in (put, empty):
        assert (await complete(alice, granted)).status_code == 404
    assert await blob_names(app.storage) == [done["file_id"]]
    await assert_counted(app, "alice")


async def test_orphans_go_after_a_day(app: FilesApp, alice: httpx.AsyncClient) -> None:
    file = await stored(alice)
    put = app.storage.blobs.put
    orphan = file["id"][:10] + "0" * 16 + file["owner_id"]
    await put(ORIGINALS, orphan, b"x", content_type="text/plain")
    await put(ORIGINALS, "not-an-id", b"x", content_type="text/plain")
    await put(VARIANTS, f"{orphan}/optimized", b"x", content_type="image/webp")
    await put(VARIANTS, f"{file['id']}/thumbnail", b"x", content_type="image/webp")
    app.clock.advance(DAY)
    assert await purged(app) == {}
    app.clock.advance(1)
    assert await purged(app) == {"blobs": 3}
    assert await blob_names(app.storage) == [file["id"]]
    assert await blob_names(app.storage, VARIANTS) == [f"{file['id']}/thumbnail"]


async def test_an_old_id_with_fresh_bytes_is_no_orphan_yet(app: FilesApp, alice: httpx.AsyncClient) -> None:
    file = await stored(alice)
    app.clock.advance(10 * DAY)
    await app.storage.blobs.put(ORIGINALS, file["id"][:10] + "0" * 16 + file["owner_id"], b"x", content_type="text/plain")
    assert await purged(app) == {}
    app.clock.advance(DAY + 1)
    assert await purged(app) == {"blobs": 1}


async def test_an_orphan_that_another_run_removed(app: FilesApp, alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = app.storage.blobs.list

    async def one_more(container: str, prefix: str = "") -> Any:
        async for blob in listed(container, prefix):
            yield blob
        yield BlobProperties("gone", 1, "0x1", None, app.clock.now())

    monkeypatch.setattr(app.storage.blobs, "list", one_more)
    await stored(alice)
    app.clock.advance(2 * DAY)
    assert await purged(app) == {}


async def test_shares_go_a_month_after_their_end(app: FilesApp, alice: httpx.AsyncClient) -> None:
    file = await stored(alice)
    for hours in (1, 2, 100):
        await shared(alice, file["id"], expires_in=hours * 3600)
    app.clock.advance(30 * DAY + 2 * 3600)
    assert await purged(app) == {"shares": 1}
    app.clock.advance(1)
    assert await purged(app) == {"shares": 1}
    assert len((await alice.get(f"/api/files/{file['id']}/shares")).json()["items"]) == 1
    assert len(await rows(app.storage, "alice", "s:")) == 1


async def test_many_rows_of_many_owners(app: FilesApp, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        async with app.client(f"user{n}") as client:
            for _ in range(4):
                file = await stored(client)
                await shared(client, file["id"])
                await grant(client)
                await client.delete(f"/api/files/{file['id']}")
    app.clock.advance(100 * DAY)
    query = app.storage.tables.query

    async def small_pages(*args: Any, **options: Any) -> Any:
        if args[1:] or options.get("limit") != 500:
            return await query(*args, **options)
        return await query(*args, **{**options, "limit": 5})

    monkeypatch.setattr("shared_code.files.records.SCAN", 5)
    monkeypatch.setattr(app.storage.tables, "query", small_pages)
    assert await purged(app) == {"deleted": 12, "pending": 12, "shares": 12}
    await assert_counted(app, "user0", "user1", "user2")
    await assert_no_orphans(app)
