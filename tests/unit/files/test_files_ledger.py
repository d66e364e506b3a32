"""The totals of an owner: exact under concurrency, between processes, and after any sequence of changes."""

import asyncio
import random

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_code.errors import StorageUnavailable
from shared_code.files.models import Usage
from shared_code.files.tables import FILES, USAGE_KEY
from shared_code.files.usage import Change, UsageLedger
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import AlreadyExists, Delete, Insert, Missing
from tests.unit.files.apps import (
    FilesApp,
    assert_counted,
    assert_no_orphans,
    make_files_app,
    put_granted,
    recount,
    stored,
    upload,
)
from tests.unit.files.faults import Watched
from tests.unit.files.test_files_direct import complete, grant


@pytest.mark.parametrize("processes", [1, 3])
async def test_parallel_uploads_at_the_edge_of_a_quota(processes: int) -> None:
    app = make_files_app(FILES_QUOTA_BYTES=10_500)
    apps = [app, *(app.another() for _ in range(processes - 1))]
    clients = [each.client() for each in apps]
    answers = await asyncio.gather(*(upload(clients[n % processes], b"x" * 1000) for n in range(30)))
    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [413] * 20
    assert {answer.json()["code"] for answer in answers if answer.status_code == 413} == {"quota_exceeded"}
    await assert_counted(app, "alice")
    await assert_no_orphans(app)
    assert (await upload(clients[0], b"x" * 501)).status_code == 413
    assert (await upload(clients[0], b"x" * 500)).status_code == 201
    for client in clients:
        await client.aclose()


async def test_several_files_at_the_edge_of_a_quota() -> None:
    from tests.unit.files.apps import part
    from tests.unit.files.test_files_uploads import several

    app = make_files_app(FILES_QUOTA_BYTES=1000)
    async with app.client() as alice:
        answer = await several(alice, *(part("files", b"x" * 300, filename=f"{n}") for n in range(5)))
        assert answer.status_code == 207
        assert len(answer.json()["items"]) == 3
        assert {error["problem"]["code"] for error in answer.json()["errors"]} == {"quota_exceeded"}
        answer = await several(alice, part("files", b"x" * 300, filename="a"))
        assert (answer.status_code, answer.json()["code"]) == (413, "quota_exceeded")
        await assert_counted(app, "alice")
        await assert_no_orphans(app)


async def test_freed_elsewhere(app: FilesApp) -> None:
    """A refusal is judged by what is stored, not by what this process remembers."""
    app = make_files_app(FILES_QUOTA_BYTES=10)
    async with app.client() as here, app.another().client() as there:
        file = await stored(here, b"x" * 10)
        assert (await upload(here, b"x")).status_code == 413
        assert (await there.delete(f"/api/files/{file['id']}")).status_code == 204
        assert (await upload(here, b"x")).status_code == 413  # a soft-deleted file still takes its place
        assert (await there.delete(f"/api/files/{file['id']}", params={"permanent": "true"})).status_code == 204
        assert (await upload(here, b"x" * 10)).status_code == 201


async def test_one_bad_change_of_a_group_harms_no_other() -> None:
    storage = MemoryStorage()
    ledger = UsageLedger(storage.tables, 100)
    await ledger.apply("o", Change([Insert("there", {"a": 1})]))
    results = await asyncio.gather(
        ledger.apply("o", Change([Insert("a", {})], bytes=1)),
        ledger.apply("o", Change([Insert("there", {})], bytes=1)),
        ledger.apply("o", Change([Delete("missing")], bytes=1)),
        ledger.apply("o", Change([Insert("b", {}), Insert("c", {})], bytes=1)),
        ledger.apply("o", Change([Delete("b")], bytes=1)),
        ledger.apply("o", Change([Insert("b", {})], bytes=1)),
        ledger.apply("o", Change(bytes=200, within_quota=True)),
        ledger.apply("o", Change()),
        return_exceptions=True,
    )
    kinds = [type(result).__name__ for result in results]
    assert kinds == ["list", "AlreadyExists", "Missing", "list", "list", "list", "TooLarge", "list"]
    assert [len(result) for result in results if isinstance(result, list)] == [1, 2, 1, 1, 0]
    assert (await ledger.usage("o")).bytes == 4
    for error in (AlreadyExists, Missing):
        assert any(isinstance(result, error) for result in results)


async def test_an_unsure_write_is_told_to_those_it_concerns() -> None:
    storage = Watched(MemoryStorage())
    ledger = UsageLedger(storage.tables, 100)
    await ledger.apply("o", Change([Insert("x", {})], bytes=1))
    storage.arm("refused", 2)
    first = [ledger.apply("o", Change([Insert("a", {})], bytes=1)), ledger.apply("o", Change([Delete("a")], bytes=2))]
    results = await asyncio.gather(*first, return_exceptions=True)
    assert [type(result) for result in results] == [list, StorageUnavailable]
    assert (await ledger.usage("o")).bytes == 2


async def test_memory_of_totals_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from shared_code.files import usage

    monkeypatch.setattr(usage, "REMEMBERED", 3)
    ledger = UsageLedger(MemoryStorage().tables, 100)
    for n in range(10):
        await ledger.apply(f"o{n}", Change(bytes=1))
    assert len(ledger._known) == 3


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["upload", "upload", "grant", "put", "put wrong", "complete", "delete", "restore", "permanent", "purge", "another"]
        ),
        st.integers(0, 5),
    ),
    min_size=4,
    max_size=40,
)


@given(STEPS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_leaves_totals_that_equal_a_recount(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_play(steps, at_once=False))


@given(STEPS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_so_does_any_sequence_at_once(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_play(steps, at_once=True))


async def _play(steps: list[tuple[str, int]], *, at_once: bool) -> None:
    app = make_files_app(FILES_QUOTA_BYTES=60, triggers=True)
    client = app.client()
    files: list[str] = []
    grants: list[dict[str, object]] = []
    running: list[asyncio.Future[httpx.Response]] = []
    for action, number in steps:
        file = f"/api/files/{files[number % len(files)]}" if files else ""
        granted = grants[number % len(grants)] if grants else None
        request = None
        match action:
            case "upload":
                data = (b"%PDF-1.7" if number % 2 else b"text") + b"x" * number
                answer = await upload(client, data)
                assert answer.status_code in (201, 413)
                files += [answer.json()["id"]] if answer.status_code == 201 else []
            case "grant":
                answer = await client.post(
                    "/api/files/upload-url", json={"filename": "g", "content_type": "text/plain", "size": number + 1}
                )
                assert answer.status_code in (201, 413)
                grants += [answer.json()] if answer.status_code == 201 else []
                files += [answer.json()["file_id"]] if answer.status_code == 201 else []
            case "put" | "put wrong" if granted:
                try:
                    put_granted(app, granted, b"x" * (number + 1 + (action == "put wrong")))
                except PermissionError:
                    pass  # it was there, or its time is over
            case "complete" if granted:
                request = client.post(f"/api/files/{granted['file_id']}/complete")
            case "delete" if file:
                request = client.delete(file)
            case "restore" if file:
                request = client.post(f"{file}/restore")
            case "permanent" if file:
                request = client.delete(file, params={"permanent": "true"})
            case "purge":
                app.clock.advance(random.Random(number).choice([60, 5000, 100_000, 3_000_000]))
                await app.container.files_purge.run()
            case "another":
                app = app.another()
                client = app.client()
        if request is not None:
            running.append(asyncio.ensure_future(request))
            if not at_once:
                await running[-1]
                assert await app.another().container.files_ledger.usage(_alice()) == await recount(app.storage, "alice")
    for answer in await asyncio.gather(*running):
        assert answer.status_code < 500 or answer.json()["code"] == "busy", answer.text
    usage = await app.another().container.files_ledger.usage(_alice())
    assert usage == await recount(app.storage, "alice")
    assert usage.bytes + usage.reserved_bytes <= 60
    app.clock.advance(3_000_000)
    await app.container.files_purge.run()
    await app.container.files_purge.run()
    usage = await app.another().container.files_ledger.usage(_alice())
    assert usage == await recount(app.storage, "alice")
    assert (usage.reserved_bytes, usage.deleted_files) == (0, 0)
    await assert_no_orphans(app)


def _alice() -> str:
    from tests.unit.files.apps import owner

    return owner("alice")


async def test_a_row_of_totals_stands_beside_the_files(app: FilesApp, alice: httpx.AsyncClient) -> None:
    await stored(alice)
    granted = await grant(alice)
    row = await app.storage.tables.get(FILES, _alice(), USAGE_KEY)
    assert row is not None
    assert row.values["reserved_bytes"] == 5
    put_granted(app, granted, b"hello")
    await complete(alice, granted)
    assert await app.container.files.usage(_alice()) == Usage(active_files=2, bytes=10, by_type={"text/plain": 2})
