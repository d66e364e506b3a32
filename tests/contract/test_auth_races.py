"""What auth decides by one insert, one ETag or one count, on both adapters, with several processes at once."""

import asyncio
from uuid import uuid4

import pytest

from shared_code import ids
from shared_code.auth import api_keys
from shared_code.auth.accounts import Accounts
from shared_code.auth.api_keys import ApiKeys
from shared_code.auth.identities import IDENTITY_KEY, Identities
from shared_code.auth.models import Client
from shared_code.auth.tables import USER_KEY, USERS
from shared_code.clock import ManualClock
from shared_code.errors import Conflict
from shared_code.quick_limit import QuickLimiter
from shared_code.storage.notices import Notices
from shared_code.storage.ports import Storage, Where
from tests.contract.conftest import eventually, outcomes

CLIENT = Client("test", "192.0.2.1")


class NoTrail:
    async def record(self, kind: str, *, user_id: str | None, **details: str | int | bool | None) -> None:
        """What is written there is another test's."""


def process(storage: Storage, clock: ManualClock) -> ApiKeys:
    accounts = Accounts(storage.tables, clock, admin_emails=frozenset(), trust_admin_emails=False)
    limiter = QuickLimiter(storage.tables, clock)
    notices = Notices(storage.tables, clock)
    made = ApiKeys(tables=storage.tables, clock=clock, notices=notices, accounts=accounts, audit=NoTrail(), limiter=limiter, rate=None)
    made.note_after = 0
    return made


async def account(storage: Storage, clock: ManualClock) -> str:
    return await Identities(storage.tables, clock, NoTrail()).user_id("test", uuid4().hex, "")


async def test_a_limit_that_parallel_creation_does_not_pass(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MAX_KEYS", 4)
    clock = ManualClock()
    user_id = await account(storage, clock)
    processes = [process(storage, clock) for _ in range(3)]

    async def create(service: ApiKeys) -> object:
        return await service.create(user_id, name="k", scopes=["ai"], expires_at=None, client=CLIENT)

    made = await outcomes(*(create(service) for service in processes for _ in range(4)))
    refused = [each for each in made if isinstance(each, Conflict)]
    kept = await processes[0].page(user_id, after=None, limit=100)
    assert len(made) - len(refused) == len(kept) <= 4
    assert not [each for each in made if isinstance(each, Exception) and each not in refused]


async def test_one_account_for_parallel_first_sights(storage: Storage) -> None:
    clock, subject = ManualClock(), uuid4().hex
    processes = [Identities(storage.tables, clock, NoTrail()) for _ in range(6)]
    found = await asyncio.gather(*(each.user_id("supabase", subject, "ada@example.com") for each in processes))
    assert len(set(found)) == 1
    rows = await storage.tables.query(USERS, found[0])
    assert [row.key for row in rows] == [IDENTITY_KEY, USER_KEY]
    assert await processes[0].user_id("supabase", subject, "") == found[0]
    left = await storage.tables.query(USERS, where=[Where("identity", "eq", f"supabase:{subject}")])
    assert [row.partition for row in left] == [found[0]], "the others' accounts are gone"


async def test_a_key_used_everywhere_notes_it_once(storage: Storage) -> None:
    clock = ManualClock()
    user_id = await account(storage, clock)
    processes = [process(storage, clock) for _ in range(4)]
    key, text = await processes[0].create(user_id, name="k", scopes=["ai", "files"], expires_at="2030-01-01T00:00:00Z", client=CLIENT)
    holders = await asyncio.gather(*(each.authenticate(text) for each in processes))
    assert {(holder.user_id, holder.key_id, holder.scopes) for holder in holders} == {(user_id, key.id, frozenset({"ai", "files"}))}

    async def noted() -> bool:
        return (
            not any(each._notes for each in processes)
            and (await storage.tables.query(USERS, user_id, prefix="key:"))[0].values["last_used_at"] == clock.now()
        )

    await eventually(noted)
    (listed,) = await processes[1].page(user_id, after=None, limit=2)
    assert (listed.name, listed.scopes, listed.expires_at, listed.created_at) == (key.name, key.scopes, key.expires_at, key.created_at)
    assert await processes[1].page(ids.new_id(clock.now()), after=None, limit=2) == []
