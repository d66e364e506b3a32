"""A process that ends after any of its writes, and storage that fails at any of them: what the purge finds, and what nobody sees."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.files.models import Usage
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Storage
from tests import images
from tests.unit.files.apps import (
    MULTIPART,
    START,
    FilesApp,
    assert_counted,
    assert_no_orphans,
    body,
    make_files_app,
    owner,
    part,
    put_granted,
    recount,
    rows,
    shared,
    stored,
    upload,
)
from tests.unit.files.faults import Fault, ProcessDied, Watched
from tests.unit.files.test_files_direct import grant
from tests.unit.files.test_files_records import paged

Prepare = Callable[[FilesApp, httpx.AsyncClient], Awaitable[Any]]
Act = Callable[[FilesApp, httpx.AsyncClient, Any], Awaitable[Any]]
PNG = images.encoded(images.photo(20, 20), "PNG")


async def nothing(app: FilesApp, alice: httpx.AsyncClient) -> None:
    """No preparation."""


async def a_file(app: FilesApp, alice: httpx.AsyncClient) -> str:
    return str((await stored(alice, b"kept"))["id"])


async def an_image(app: FilesApp, alice: httpx.AsyncClient) -> str:
    file = await stored(alice, PNG)
    await app.container.images.process(file["id"])
    await shared(alice, file["id"])
    return str(file["id"])


async def bytes_put(app: FilesApp, alice: httpx.AsyncClient) -> str:
    granted = await grant(alice)
    put_granted(app, granted, b"hello")
    return str(granted["file_id"])


async def wrong_bytes_put(app: FilesApp, alice: httpx.AsyncClient) -> str:
    granted = await grant(alice)
    put_granted(app, granted, b"hello, but longer")
    return str(granted["file_id"])


async def upload_small(app: FilesApp, alice: httpx.AsyncClient, _: Any) -> Any:
    return await upload(alice)


async def upload_large(app: FilesApp, alice: httpx.AsyncClient, _: Any) -> Any:
    return await upload(alice, b"x" * 5_000_000)


async def upload_several(app: FilesApp, alice: httpx.AsyncClient, _: Any) -> Any:
    sent = body(*(part("files", b"x" * 9, filename=f"{n}") for n in range(3)))
    return await alice.post("/api/files/upload/multiple", content=sent, headers=MULTIPART)


async def get_grant(app: FilesApp, alice: httpx.AsyncClient, _: Any) -> Any:
    return await alice.post("/api/files/upload-url", json={"filename": "a", "content_type": "text/plain", "size": 9})


async def complete(app: FilesApp, alice: httpx.AsyncClient, file_id: str) -> Any:
    return await alice.post(f"/api/files/{file_id}/complete")


async def soft_delete(app: FilesApp, alice: httpx.AsyncClient, file_id: str) -> Any:
    return await alice.delete(f"/api/files/{file_id}")


async def delete_for_good(app: FilesApp, alice: httpx.AsyncClient, file_id: str) -> Any:
    return await alice.delete(f"/api/files/{file_id}", params={"permanent": "true"})


async def share(app: FilesApp, alice: httpx.AsyncClient, file_id: str) -> Any:
    return await alice.post(f"/api/files/{file_id}/share")


async def upload_and_optimize(app: FilesApp, alice: httpx.AsyncClient, _: Any) -> Any:
    answer = await upload(alice, PNG)
    if answer.status_code == 201:
        await app.container.images.process(answer.json()["id"])
    return answer


CASES = [
    (nothing, upload_small), (a_file, upload_small), (a_file, upload_large), (a_file, upload_several), (nothing, get_grant),
    (bytes_put, complete), (wrong_bytes_put, complete), (a_file, soft_delete), (a_file, delete_for_good), (an_image, delete_for_good),
    (a_file, share), (nothing, upload_and_optimize),
]  # fmt: skip


async def prepared(prepare: Prepare) -> tuple[Watched, FilesApp, httpx.AsyncClient, Any]:
    clock = ManualClock(START)
    storage = Watched(MemoryStorage(clock))
    app = make_files_app(storage=storage, clock=clock, triggers=True)
    client = app.client()
    return storage, app, client, await prepare(app, client)


async def visible(app: FilesApp) -> set[str]:
    """The ids of all files that can be seen, each of which can be read whole."""
    async with app.client() as alice:
        items, _ = await paged(alice, "/api/files", limit=100)
        for item in items:
            answer = await alice.get(item["url"], params={"variant": "original"})
            assert (answer.status_code, len(answer.content)) == (200, item["size"])
        everything, _ = await paged(alice, "/api/files", status="all", limit=100)
        return {item["id"] for item in everything}


async def check(app: FilesApp, inner: Storage) -> None:
    """What must hold in a new process, at once and after the purge."""
    fresh = app.another(inner)
    before = await visible(fresh)
    await assert_counted(fresh, "alice")
    fresh.clock.advance(3 * 86_400)
    fresh = app.another(inner)
    await fresh.container.files_purge.run()
    assert await visible(fresh) == before
    assert await rows(inner, "alice", "p:") == []
    assert {row.values["status"] for row in await rows(inner, "alice", "f:")} <= {"active", "deleted"}
    await assert_counted(fresh, "alice")
    await assert_no_orphans(fresh)
    again = await app.another(inner).container.files_purge.run()
    assert set(again.values()) == {0}
    # An index row of a share that was never written goes when the share's time is over.
    fresh.clock.advance(60 * 86_400)
    await app.another(inner).container.files_purge.run()
    assert await rows(inner, "alice", "s:") == []
    assert (await recount(inner, "alice")).deleted_files == 0
    assert await app.another(inner).container.files_ledger.usage(owner("alice")) == await recount(inner, "alice")


@pytest.mark.parametrize(("prepare", "act"), CASES, ids=lambda function: function.__name__)
@pytest.mark.parametrize("fault", ["death", "refused", "lost answer"])
async def test_a_fault_at_any_write(prepare: Prepare, act: Act, fault: Fault) -> None:
    at = 0
    while True:
        at += 1
        storage, app, alice, given = await prepared(prepare)
        before = await visible(app)
        storage.arm(fault, at)
        done = False
        try:
            answer = await act(app, alice, given)
            done = answer.is_success
            assert done or answer.status_code in (422, 503), answer.text
        except ProcessDied:
            assert fault == "death"
        except StorageUnavailable:  # the image job's: the host tries again
            await app.container.images.process((await visible(app)).pop())
        met = storage.writes >= at
        await check(app, storage.inner)
        after = await visible(app.another(storage.inner))
        if done and act in (upload_small, upload_large):
            assert len(after - before) == 1
        if not done and act in (upload_small, upload_large) and fault != "death":
            assert after == before  # what was told to have failed is not there
        await alice.aclose()
        if not met:
            return  # every write has had its turn


async def test_the_next_try_succeeds_after_any_fault() -> None:
    for at in range(1, 4):
        for fault in ("refused", "lost answer"):
            storage, app, alice, _ = await prepared(nothing)
            storage.arm(fault, at)  # type: ignore[arg-type]  # the two literals
            first = await upload(alice)
            assert first.status_code in (201, 503)
            if first.status_code == 503:
                assert first.headers["retry-after"]
            assert (await upload(alice)).status_code == 201
            app.clock.advance(3 * 86_400)
            await app.container.files_purge.run()
            count = 2 if first.status_code == 201 else 1
            assert await app.container.files.usage(owner("alice")) == Usage(
                active_files=count, bytes=5 * count, by_type={"text/plain": count}
            )
            await alice.aclose()
