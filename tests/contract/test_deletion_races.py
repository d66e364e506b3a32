"""Accounts that are deleted while they are used, on both adapters, with several processes at once."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

from shared_code.auth.deletion import DELETIONS
from shared_code.auth.models import Client
from shared_code.auth.tables import EMAIL_KEY, EMAILS, USER_KEY, USERS
from shared_code.auth.user_index import INDEX
from shared_code.clock import ManualClock
from shared_code.container import Container
from shared_code.errors import LydianError
from shared_code.files.tables import FILES
from shared_code.storage.events import InProcessEvents
from shared_code.storage.ports import Storage
from tests.contract.conftest import outcomes
from tests.unit.apps import PASSWORD, settings_of

CLIENT = Client("test", "192.0.2.1")


async def drained(*processes: Container) -> None:
    for each in processes:
        events = each.events
        assert isinstance(events, InProcessEvents)
        await events.drain()


async def text() -> AsyncIterator[bytes]:
    yield b"hello"


async def test_deletion_sign_in_and_upload_at_once(storage: Storage) -> None:
    clock, email = ManualClock(), f"{uuid4().hex}@example.com"
    processes = [Container(settings_of(), storage=storage, clock=clock) for _ in range(3)]
    user = (await processes[0].registration.register(email, PASSWORD, None, CLIENT, "http://links")).user

    async def upload(process: Container) -> None:
        received = await process.files_uploads.receive(user.id, None, text())
        await process.files_uploads.store(user.id, received, "a.txt")

    attempts = [
        *(each.sign_in.login(email, PASSWORD, CLIENT) for each in processes for _ in range(2)),
        *(each.deletion.request(user.id, PASSWORD, CLIENT) for each in processes),
        *(upload(each) for each in processes),
    ]
    failures = [each for each in await outcomes(*attempts) if isinstance(each, BaseException)]
    assert all(isinstance(each, LydianError) for each in failures), failures
    await drained(*processes)
    assert [row.key for row in await storage.tables.query(USERS, user.id) if row.key.startswith(("session:", USER_KEY))] == [USER_KEY]
    again = (await processes[1].registration.register(email, PASSWORD, None, CLIENT, "http://links")).user
    clock.advance(17 * 60)
    for _ in range(2):
        await asyncio.gather(*(each.deletion.run() for each in processes))
        await drained(*processes)
    assert await storage.tables.get(DELETIONS, "pending", user.id) is None
    assert await storage.tables.query(USERS, user.id) == []
    assert await storage.tables.query(FILES, user.id) == []
    assert [blob.name async for blob in storage.blobs.list("uploads") if blob.name.endswith(user.id)] == []
    address = await storage.tables.get(EMAILS, email, EMAIL_KEY)
    assert address is not None
    assert address.values["user_id"] == again.id
    index = [row for row in await storage.tables.query(INDEX, "all", limit=1000) if row.values["user_id"] in (user.id, again.id)]
    assert {row.values["user_id"] for row in index} == {again.id}
    assert len(index) == 2
    found = (await processes[2].directory.page(email=email[:20], after=None, limit=5)).users
    assert [each.id for each in found] == [again.id]
    assert await processes[2].user_index.repair(found) == 0
