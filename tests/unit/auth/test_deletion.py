"""Accounts that are deleted: closed at once, gone in the end, whatever dies on the way; and nobody else's with them."""

import asyncio
import copy
from typing import Any

import httpx
import pytest
import structlog

from shared_code.audit import tables as audit_tables
from shared_code.auth.deletion import DELETIONS, Leaving
from shared_code.auth.identities import IDENTITIES, Identities
from shared_code.auth.models import Client
from shared_code.auth.registration import PENDING, PENDING_KEY
from shared_code.auth.tables import EMAILS, USER_KEY, USERS
from shared_code.auth.user_index import INDEX
from shared_code.clock import ManualClock
from shared_code.container import Container
from shared_code.errors import NotFound, StorageUnavailable
from shared_code.storage.daily import table_for
from shared_code.storage.events import Event, InProcessEvents
from shared_code.storage.ports import Insert, Merge, Storage
from tests.unit.apps import PASSWORD, App, bearer, login, make_app, me, refresh, register
from tests.unit.files.apps import shared, stored
from tests.unit.files.faults import Fault, ProcessDied, Watched

ALICE, BOB = "alice@example.com", "bob@example.com"
CLIENT = Client("test", "192.0.2.1")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Dozens of failures are logged here, and to draw each one's trace takes a tenth of a second."""
    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.ReturnLoggerFactory())


async def furnish(app: App, email: str) -> dict[str, Any]:
    """An account with two sessions, a key, half a second factor, a link in a mail, a file and a share."""
    async with app.client() as client:
        account = await register(client, email)
        client.headers.update(bearer(account["access_token"]))
        assert (await login(client, email)).status_code == 200
        made = await client.post("/api/auth/keys", json={"name": "k", "scopes": ["files"]})
        assert (await client.post("/api/auth/mfa/totp")).status_code == 200
        share = await shared(client, (await stored(client))["id"])
        await app.settled()
        reset = await app.container.one_time.issue(account["user"]["id"], "reset")
        return {**account, "key": made.json()["key"], "share": share["token"], "reset": reset, "id": account["user"]["id"]}


async def held(storage: Storage, account: dict[str, Any]) -> list[str]:
    """Every row and blob that has to do with an account, but for the trail, which outlives it, what mail has sent, and notices that
    something of it changed, which the nightly purge collects."""
    user_id, email = account["id"], account["user"]["email"]
    found = []
    for table in await storage.tables.list_tables():
        if not table.startswith(("audit20", "auditheads", "limits", "mail", "notices")):
            for row in await storage.tables.query(table, limit=1000):
                text = f"{row.partition} {row.key} {sorted(row.values.items(), key=lambda item: item[0])}"
                if user_id in text or email in text:
                    found.append(f"{table} {text}")
    return found + [blob.name async for blob in storage.blobs.list("uploads") if user_id in blob.name]


async def delete(client: httpx.AsyncClient, account: dict[str, Any], **body: Any) -> httpx.Response:
    return await client.request("DELETE", "/api/auth/me", json=body or None, headers=bearer(account["access_token"]))


async def settle(container: Container, clock: ManualClock) -> None:
    """As the timers do, until nothing is left to do."""
    for _ in range(4):
        await container.audit_sealer.run()
        await container.deletion.run()
        await drained(container)
        clock.advance(2 * 3600)


async def drained(container: Container) -> None:
    events = container.events
    assert isinstance(events, InProcessEvents)
    await events.drain()


async def test_a_life_ends() -> None:
    app = make_app()
    alice, bob = await furnish(app, ALICE), await furnish(app, BOB)
    await app.container.audit_sealer.run()
    before = await held(app.storage, bob)
    async with app.client() as client:
        assert (await delete(client, alice, password=PASSWORD)).status_code == 204
        await app.settled()
        assert (await me(client, alice["access_token"])).status_code == 401
        assert (await client.get(f"/share/{alice['share']}")).status_code == 404
        assert [blob.name async for blob in app.storage.blobs.list("uploads") if alice["id"] in blob.name] == []
        tombstone = await app.storage.tables.query(USERS, alice["id"])
        assert [row.key for row in tombstone] == [USER_KEY]
        assert ALICE not in repr(tombstone)
        app.clock.advance(15 * 60)
        await app.container.deletion.run()
        await app.settled()
        assert len(await held(app.storage, alice)) > 0, "an upload may still be under way"
        app.clock.advance(61)
        await app.container.audit_sealer.run()
        await app.container.deletion.run()
        await app.settled()
        assert await held(app.storage, alice) == []
        assert await held(app.storage, bob) == before
        assert (await login(client, BOB)).status_code == 200
    logged = await app.storage.tables.query(audit_tables.table_of("20260101"), audit_tables.LOG, limit=1000)
    kinds = [row.values.get("kind") for row in logged if row.values.get("user_id") == alice["id"]]
    assert "account_deleted" in kinds
    assert "register" in kinds, "the trail keeps its rows"


@pytest.mark.parametrize("fault", ["death", "refused", "lost answer"])
async def test_a_process_that_ends_at_any_write(fault: Fault) -> None:
    app = make_app()
    alice, bob = await furnish(app, ALICE), await furnish(app, BOB)
    await app.container.audit_sealer.run()
    before, bobs = await held(app.storage, alice), await held(app.storage, bob)
    at = 0
    while True:
        at += 1
        inner, clock = copy.deepcopy((app.storage, app.clock))
        watched = Watched(inner)
        dying, fresh = (Container(app.container.settings, storage=each, clock=clock) for each in (watched, inner))
        watched.arm(fault, at)
        begun = True
        try:
            try:
                await dying.deletion.request(alice["id"], PASSWORD, CLIENT)
            except StorageUnavailable:
                begun = bool(await inner.tables.query(DELETIONS))
            await drained(dying)
            clock.advance(17 * 60)
            await fresh.audit_sealer.run()  # as it does every minute
            await dying.deletion.run()
            await drained(dying)
        except ProcessDied:
            pass
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()), return_exceptions=True)
        await settle(fresh, clock)
        assert await held(inner, alice) == ([] if begun else before), at
        assert await held(inner, bob) == bobs
        if watched.writes < at:
            assert at > 15
            return


async def test_nothing_brings_it_back_and_the_address_is_free() -> None:
    app = make_app()
    alice = await furnish(app, ALICE)
    async with app.client() as client:
        assert (await delete(client, alice, password=PASSWORD)).status_code == 204

        async def knock() -> None:
            assert (await refresh(client, alice["refresh_token"])).json()["code"] == "invalid_refresh_token"
            sent = {"token": alice["reset"], "password": "another password"}
            assert (await client.post("/api/auth/reset-password", json=sent)).json()["code"] == "invalid_token"
            app.clock.advance(5.1)
            answer = await client.get("/api/files", headers=bearer(alice["key"]))
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")

        assert (await login(client, ALICE)).json()["code"] == "invalid_credentials"
        await knock()
        with pytest.raises(NotFound):
            await app.container.directory.change("0" * 26, alice["id"], CLIENT, role=None, disabled=False)
        again = await register(client, ALICE)
        assert again["user"]["id"] != alice["id"]
        await settle(app.container, app.clock)
        await knock()
        assert (await login(client, ALICE)).json()["user"]["id"] == again["user"]["id"]
        listed = (await app.container.directory.page(email="alice", after=None, limit=10)).users
        assert [user.id for user in listed] == [again["user"]["id"]]
    assert alice["id"] not in repr([await app.storage.tables.query(table) for table in (USERS, EMAILS, INDEX, DELETIONS)])


async def test_what_came_in_while_it_was_closed_goes_in_the_second_round() -> None:
    """Another process has just looked the session up: for five seconds it lets its owner in."""
    app = make_app()
    alice = await furnish(app, ALICE)
    other = app.sibling()
    async with app.client() as client, other.client(headers=bearer(alice["access_token"])) as late:
        assert (await late.get("/api/auth/me")).status_code == 200
        assert (await delete(client, alice, password=PASSWORD)).status_code == 204
        await app.settled()
        await stored(late)
        await other.container.one_time.issue(alice["id"], "verify")
        assert (await late.get("/api/auth/me")).status_code == 401
        assert len(await held(app.storage, alice)) > 3
    await settle(app.container, app.clock)
    assert await held(app.storage, alice) == []


async def test_the_link_of_a_cut_registration_does_not_make_it_again() -> None:
    app = make_app()
    alice = await furnish(app, ALICE)
    table = table_for(PENDING, app.clock.now())
    await app.storage.tables.apply(table, alice["id"], Insert(PENDING_KEY, {"email": ALICE}))
    async with app.client() as client:
        await delete(client, alice, password=PASSWORD)
    assert await app.storage.tables.query(table) == []


async def test_the_password() -> None:
    app = make_app()
    async with app.client() as client:
        alice = await register(client, ALICE)
        for body in ({}, {"password": None}):
            answer = await delete(client, alice, **body)
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
            assert answer.json()["errors"][0]["loc"] == ["body", "password"]
        for _ in range(5):
            answer = await delete(client, alice, password="not the password")
            assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
        answer = await delete(client, alice, password=PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited"), "guesses count as they do at sign-in"
        assert (await client.delete("/api/auth/me")).status_code == 401
        assert await app.storage.tables.query(DELETIONS) == []
        app.clock.advance(15 * 60 - 1)
        assert (await me(client, (await refresh(client, alice["refresh_token"])).json()["access_token"])).status_code == 200
        made = await client.post(
            "/api/auth/keys",
            json={"name": "k", "scopes": ["ai", "chat", "files", "payments", "monitoring"]},
            headers=bearer(alice["access_token"]),
        )
        answer = await client.request("DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=bearer(made.json()["key"]))
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        app.clock.advance(2)
        assert (await delete(client, alice, password=PASSWORD)).status_code in (204, 401)


async def test_who_signs_in_elsewhere_has_none_and_comes_back_as_somebody_new() -> None:
    app = make_app()
    identities = Identities(app.storage.tables, app.clock, app.container.audit)
    user_id = await identities.user_id("supabase", "a subject", ALICE)
    other = await identities.user_id("supabase", "another", ALICE)
    await app.container.deletion.request(user_id, None, CLIENT)
    assert (await identities.user_id("supabase", "a subject", ALICE)) not in (user_id, other)
    await settle(app.container, app.clock)
    assert [row.partition for row in await app.storage.tables.query(IDENTITIES)] == ["supabase:a subject", "supabase:another"]
    assert await app.container.accounts.get(user_id) is None
    assert (await app.container.accounts.profile(other)).email == ALICE


async def test_the_address_that_another_has_by_now_stays_with_them() -> None:
    app = make_app()
    alice = await furnish(app, ALICE)
    await app.storage.tables.apply(EMAILS, ALICE, Merge("email", {"user_id": "somebody else"}))
    await app.container.deletion._free(Leaving(alice["id"], ALICE, "", app.clock.now(), frozenset()))
    assert len(await app.storage.tables.query(EMAILS)) == 1


class Lost:
    """A queue that loses everything."""

    def __init__(self) -> None:
        self.rounds: list[int] = []

    async def send(self, service: str, event: Event, *, delay: int = 0) -> None:
        assert (service, event["kind"]) == ("files", "user_deleted")
        self.rounds.append(int(event["round"] or 0))


async def test_who_does_not_answer_is_told_again_ever_more_rarely() -> None:
    app = make_app()
    alice = await furnish(app, ALICE)
    app = app.sibling()
    lost = app.container.events = Lost()
    deletion = app.container.deletion
    await deletion.request(alice["id"], PASSWORD, CLIENT)
    for _ in range(7 * 24 * 2):
        app.clock.advance(1800)
        await deletion.run()
    assert 5 <= len(lost.rounds) <= 12
    assert set(lost.rounds) == {1}, "the second round waits for the first"
    await deletion.answered(alice["id"], "chat", 1)
    await deletion.answered(alice["id"], "files", 2)
    assert set(lost.rounds) == {1}, "these answer nothing that was asked"
    await deletion.answered(alice["id"], "files", 1)
    assert lost.rounds[-1] == 2
    await deletion.answered(alice["id"], "files", 1)
    assert len(await app.storage.tables.query(DELETIONS)) == 1, "an old answer, delivered twice"
    await deletion.answered(alice["id"], "files", 2)
    await deletion.answered(alice["id"], "files", 2)
    assert await app.storage.tables.query(DELETIONS) == []
    assert await app.storage.tables.query(USERS) == []


async def test_many_runs_at_once() -> None:
    app = make_app()
    alice, bob = await furnish(app, ALICE), await furnish(app, BOB)
    siblings = [app, *(app.sibling() for _ in range(3))]
    await asyncio.gather(*(each.container.deletion.request(alice["id"], PASSWORD, CLIENT) for each in siblings))
    await app.container.deletion.request(bob["id"], PASSWORD, CLIENT)
    for _ in range(3):
        await asyncio.gather(*(each.container.deletion.run() for each in siblings))
        await asyncio.gather(*(each.settled() for each in siblings))
        app.clock.advance(17 * 60)
    assert await held(app.storage, alice) == await held(app.storage, bob) == []


async def test_one_that_fails_does_not_stop_the_others() -> None:
    app = make_app()
    alice, bob = await furnish(app, ALICE), await furnish(app, BOB)
    for account in (alice, bob):
        await app.container.deletion.request(account["id"], PASSWORD, CLIENT)
    await app.settled()
    app.clock.advance(17 * 60)
    finish = app.container.deletion._finish

    async def fail(leaving: Any) -> None:
        if leaving.user_id == alice["id"]:
            raise StorageUnavailable("down")
        await finish(leaving)

    app.container.deletion._finish = fail  # type: ignore[method-assign]
    assert await app.container.deletion.run() == 2
    await app.settled()
    assert await held(app.storage, bob) == []
    assert await held(app.storage, alice) != []


async def test_the_nightly_purge_leaves_it_alone() -> None:
    app = make_app()
    alice = await furnish(app, ALICE)
    app = app.sibling()
    app.container.events = Lost()
    await app.container.deletion.request(alice["id"], PASSWORD, CLIENT)
    app.clock.advance(2 * 86_400)
    counts = await app.container.auth_purge.run()
    assert (counts["accounts"], counts["indexed"]) == (0, 0)
    assert [row.key for row in await app.storage.tables.query(USERS, alice["id"])] == [USER_KEY]
