"""What a request costs in storage calls, counted at the ports: every call is money and milliseconds on Azure."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from shared_code.clock import ManualClock
from shared_code.storage.memory import MemoryStorage
from tests.unit.files.apps import START, FilesApp, make_files_app, put_granted, shared, stored, upload
from tests.unit.files.faults import Watched
from tests.unit.files.test_files_direct import grant


@pytest_asyncio.fixture
async def watched() -> AsyncIterator[tuple[Watched, FilesApp, httpx.AsyncClient]]:
    clock = ManualClock(START)
    storage = Watched(MemoryStorage(clock))
    app = make_files_app(storage=storage, clock=clock, triggers=True)
    async with app.client() as client:
        yield storage, app, client


Watch = tuple[Watched, FilesApp, httpx.AsyncClient]


async def test_small_upload(watched: Watch) -> None:
    storage, app, alice = watched
    for most in (4, 3):  # the first one reads the totals; then they are remembered
        storage.calls.clear()
        assert (await upload(alice, b"x" * 100_000)).status_code == 201
        assert storage.cost <= most, storage.calls
    async with app.another().client() as elsewhere:
        await upload(elsewhere)
        storage.calls.clear()
        assert (await upload(alice)).status_code == 201
        assert storage.cost <= 5, storage.calls  # another process has written: one round more


async def test_large_upload(watched: Watch) -> None:
    storage, _, alice = watched
    await stored(alice)
    storage.calls.clear()
    await stored(alice, b"x" * 10 * 2**20)
    assert storage.calls.count("blobs.stage") == 5
    assert storage.cost <= 5 + 4, storage.calls


async def test_download(watched: Watch) -> None:
    storage, _, alice = watched
    file = await stored(alice, b"x" * 1000)
    path = f"/api/files/{file['id']}"
    for headers in ({}, {"Range": "bytes=1-2"}, {"Range": "bytes=-5"}):
        storage.calls.clear()
        assert (await alice.get(path, headers=headers)).is_success
        assert storage.cost <= 2, storage.calls
    for answer in (alice.head(path), alice.get(path, headers={"If-None-Match": "*"}), alice.get(path, headers={"Range": "bytes=1000-"})):
        storage.calls.clear()
        await answer
        assert storage.cost <= 1, storage.calls


async def test_large_download(watched: Watch) -> None:
    storage, _, alice = watched
    file = await stored(alice, b"x" * 9 * 2**20)
    storage.calls.clear()
    assert len((await alice.get(f"/api/files/{file['id']}")).content) == 9 * 2**20
    assert storage.cost <= 1 + 3, storage.calls


async def test_list_page(watched: Watch) -> None:
    storage, _, alice = watched
    for _ in range(30):
        await stored(alice)
    storage.calls.clear()
    page = (await alice.get("/api/files", params={"limit": 20})).json()
    assert storage.cost <= 1, storage.calls
    storage.calls.clear()
    assert len((await alice.get("/api/files", params={"cursor": page["next_cursor"], "folder": "/", "status": "active"})).text) > 0
    assert storage.cost <= 1, storage.calls


async def test_share_download(watched: Watch) -> None:
    storage, app, alice = watched
    file = await stored(alice)
    links = [
        await shared(alice, file["id"]),
        await shared(alice, file["id"], max_downloads=9),
        await shared(alice, file["id"], password="p"),
    ]
    async with app.client(None) as anyone:
        for link in links:
            storage.calls.clear()
            assert (await anyone.get(f"/share/{link['token']}", headers={"X-Share-Password": "p"})).status_code == 200
            assert storage.cost <= 4, storage.calls
            storage.calls.clear()
            await anyone.head(f"/share/{link['token']}", headers={"X-Share-Password": "p"})
            assert storage.cost <= 2, storage.calls


async def test_small_routes(watched: Watch) -> None:
    storage, app, alice = watched
    file = await stored(alice)
    path = f"/api/files/{file['id']}"
    costs = {
        "get metadata": (alice.get(f"{path}/metadata"), 1),
        "patch": (alice.patch(f"{path}/metadata", json={"filename": "b"}), 2),
        "share": (alice.post(f"{path}/share"), 4),
        "stats": (alice.get("/api/files/stats"), 1),
        "delete": (alice.delete(path), 2),
        "restore": (alice.post(f"{path}/restore"), 2),
        "delete for good": (alice.delete(path, params={"permanent": "true"}), 5),
    }
    for name, (request, most) in costs.items():
        storage.calls.clear()
        assert (await request).is_success
        assert storage.cost <= most, (name, storage.calls)
    storage.calls.clear()
    granted = await grant(alice)
    assert storage.cost <= 1, storage.calls
    put_granted(app, granted, b"hello")
    storage.calls.clear()
    await alice.post(f"/api/files/{granted['file_id']}/complete")
    assert storage.cost <= 4, storage.calls


async def test_what_statistics_follow_is_written_behind_the_answer(watched: Watch) -> None:
    storage, app, alice = watched
    await stored(alice)
    storage.calls.clear()
    assert (await upload(alice)).status_code == 201
    before = len(storage.calls)
    await app.container.changes("files").flush()
    assert storage.calls[before:] == ["tables.batch"], "one for all owners"
    await stored(alice)
    await app.container.changes("files").flush()
    assert "tables.batch" in storage.calls
    storage.calls.clear()
    await app.container.changes("files").flush()
    assert storage.calls == [], "once for an owner and window"
