"""An owner who leaves: nothing of theirs stays, nothing of others goes, whenever a run is cut off."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.files import removal
from shared_code.files.tables import FILES, SHARES
from shared_code.storage.events import Event
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Storage
from tests import images
from tests.unit.files.apps import START, VARIANTS, FilesApp, assert_counted, blob_names, make_files_app, owner, put_granted, shared, stored
from tests.unit.files.faults import Fault, ProcessDied, Watched
from tests.unit.files.test_files_direct import grant

PNG = images.encoded(images.photo(20, 20), "PNG")


async def furnish(app: FilesApp, name: str) -> dict[str, str]:
    """An active image with variants and links, a file in the bin, and a direct upload whose grant is over; a link's token."""
    async with app.client(name) as client:
        image = await stored(client, PNG, "photo.png")
        await app.container.images.process(image["id"])
        binned = await stored(client, b"binned")
        await shared(client, binned["id"])
        await client.delete(f"/api/files/{binned['id']}")
        granted = await grant(client)
        put_granted(app, granted, b"hello")
        return {"token": (await shared(client, image["id"], password="a password"))["token"], "image": image["id"]}


async def everything(storage: Storage, name: str) -> list[str]:
    """What is stored of a user, by name."""
    rows = [row.key for row in await storage.tables.query(FILES, owner(name), limit=1000)]
    shares = [row.partition for row in await storage.tables.query(SHARES, limit=1000) if row.values["owner_id"] == owner(name)]
    blobs = [each for container in ("uploads", VARIANTS) for each in await blob_names(storage, container)]
    return rows + shares + [each for each in blobs if each.partition("/")[0].endswith(owner(name))]


async def prepared() -> tuple[Watched, FilesApp]:
    clock = ManualClock(START)
    storage = Watched(MemoryStorage(clock))
    app = make_files_app(storage=storage, clock=clock, triggers=True)
    for name in ("alice", "bob"):
        await furnish(app, name)
    clock.advance(16 * 60)
    return storage, app


async def test_everything_of_one_owner_goes_and_a_second_run_finds_nothing() -> None:
    storage, app = await prepared()
    before = await everything(storage.inner, "bob")
    assert len(before) >= 12
    for _ in range(2):
        assert await app.container.files_removal.run(owner("alice"))
        assert await everything(storage.inner, "alice") == []
    assert await everything(storage.inner, "bob") == before
    await assert_counted(app, "bob")


async def test_links_answer_as_unknown(app: FilesApp, anyone: httpx.AsyncClient) -> None:
    given = await furnish(app, "alice")
    url = f"/share/{given['token']}"
    assert (await anyone.get(url, headers={"X-Share-Password": "a password"})).status_code == 200
    await app.container.files_removal.run(owner("alice"))
    assert (await anyone.get(url, headers={"X-Share-Password": "a password"})).status_code == 404


@pytest.mark.parametrize("fault", ["death", "refused", "lost answer"])
async def test_a_run_that_is_cut_off_at_any_write_is_completed_by_the_next(fault: Fault) -> None:
    at = 0
    while True:
        at += 1
        storage, app = await prepared()
        before = await everything(storage.inner, "bob")
        storage.arm(fault, at)
        try:
            done = await app.container.files_removal.run(owner("alice"))
        except (ProcessDied, StorageUnavailable):
            done = False
        met = storage.writes >= at
        fresh = app.another(storage.inner)
        assert await fresh.container.files_removal.run(owner("alice"))
        assert await everything(storage.inner, "alice") == []
        assert await everything(storage.inner, "bob") == before
        if done and not met:
            return


async def test_bytes_that_may_still_arrive_are_found_by_the_next_run(app: FilesApp, alice: httpx.AsyncClient) -> None:
    granted = await grant(alice)
    assert await app.container.files_removal.run(owner("alice"))
    put_granted(app, granted, b"hello")  # the grant holds for 15 minutes, whoever has gone
    app.clock.advance(16 * 60)
    assert await app.container.files_removal.run(owner("alice"))
    assert await everything(app.storage, "alice") == []
    assert await blob_names(app.storage) == []


async def test_an_upload_that_was_under_way_goes_with_the_next_run(app: FilesApp, alice: httpx.AsyncClient) -> None:
    """Also in a process that still remembers the totals that have gone."""
    await stored(alice)
    await app.another().container.files_removal.run(owner("alice"))
    await stored(alice)
    await assert_counted(app, "alice")
    await app.container.files_removal.run(owner("alice"))
    assert await everything(app.storage, "alice") == []


async def test_many_files(app: FilesApp, alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "PAGE", 3)
    for _ in range(10):
        await shared(alice, (await stored(alice))["id"])
    assert await app.container.files_removal.run(owner("alice"))
    assert await everything(app.storage, "alice") == []


class Sent:
    """Events that are written down, with what they do to the clock."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Event]] = []

    async def send(self, service: str, event: Event, *, delay: int = 0) -> None:
        self.events.append((service, event))


def slow(clock: ManualClock, work: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    async def remove(file_id: str) -> None:
        clock.advance(70)
        await work(file_id)

    return remove


async def test_a_long_run_stops_and_has_itself_told_again(app: FilesApp, alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "PAGE", 1)
    for _ in range(6):
        await stored(alice)
    sent = Sent()
    app.container.events = sent
    service = app.container.files_removal
    service._remove_bytes = slow(app.clock, service._remove_bytes)
    event = {"kind": "user_deleted", "user_id": owner("alice"), "round": 1}
    await app.container.files_events.handle(event)
    assert sent.events == [("files", event)]
    left = len(await blob_names(app.storage))
    assert 0 < left < 6
    await app.container.files_events.handle(event)
    assert sent.events[1:] == [("auth", {**event, "kind": "user_data_removed", "service": "files"})]
    assert await everything(app.storage, "alice") == []


async def test_of_a_user_who_had_nothing(app: FilesApp) -> None:
    assert await app.container.files_removal.run(owner("alice"))
