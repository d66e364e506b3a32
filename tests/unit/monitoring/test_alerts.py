"""Alerts are told once, again after hours, and once when they are over: through failures, crashes and several instances."""

import itertools
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable, UpstreamFailed
from shared_code.monitoring.alert_rules import Finding, Rule
from shared_code.monitoring.alerts import REPEATED_AFTER, TRIES, Alerts
from shared_code.monitoring.ports import Notice
from shared_code.storage.memory import MemoryStorage
from tests.unit.apps import App, WatchedTables, bearer, make_app, register

START = datetime(2026, 1, 1, tzinfo=UTC)


class Told:
    """Where notices go; they can be made to fail."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.fails = False

    async def send(self, notice: Notice) -> None:
        if self.fails:
            raise UpstreamFailed("it answers 500")
        self.notices.append(notice)

    send_directly = send

    @property
    def titles(self) -> list[str]:
        return [notice.title for notice in self.notices]


class World:
    def __init__(self, clears_after: int = 0) -> None:
        self.clock, self.told = ManualClock(START), Told()
        self.tables = WatchedTables(MemoryStorage().tables)
        self.firing: bool | None = False
        self.clears_after = timedelta(seconds=clears_after)
        self.others: list[Rule] = []
        self.alerts = self.instance()

    def instance(self) -> Alerts:
        async def find() -> Sequence[Finding] | None:
            return None if self.firing is None else [Finding("k", "r", "It burns", "In the cellar.")] * self.firing

        return Alerts(self.tables, self.clock, [*self.others, Rule("r", find, self.clears_after)], self.told)  # type: ignore[arg-type]  # what stands in for tables has no types

    async def minute(self, firing: bool | None) -> None:
        self.firing = firing
        await self.alerts.evaluate()
        self.clock.advance(60)


async def test_told_once_and_when_it_is_over() -> None:
    world = World()
    for firing in (False, True, True, True, None, False, False):
        await world.minute(firing)
    assert world.told.titles == ["It burns", "Over: It burns"]
    assert world.told.notices[0].detail == "In the cellar. Since 2026-01-01T00:01:00.000Z."
    assert (world.told.notices[1].detail, world.told.notices[1].recovered) == ("It lasted 4 minutes.", True)
    [alert] = await world.alerts.items()
    assert (alert.state, alert.resolved_at) == ("resolved", START + timedelta(minutes=5))
    await world.minute(True)
    assert world.told.titles[2:] == ["It burns"]
    assert len({notice.key for notice in world.told.notices}) == 3


async def test_a_rule_that_fails_stops_no_other() -> None:
    world = World()

    async def breaks() -> None:
        raise RuntimeError("a mistake of ours")

    async def silent() -> None:
        raise UpstreamFailed("it answers 500")

    world.others = [Rule("broken", breaks), Rule("silent", silent)]
    world.alerts = world.instance()
    await world.minute(True)
    assert world.told.titles == ["It burns"]


async def test_what_goes_on_is_told_again_after_hours() -> None:
    world = World()
    for _ in range(9 * 60):
        await world.minute(True)
    assert world.told.titles == ["It burns", "It burns (still)", "It burns (still)"]


async def test_flapping_is_one_alert_where_the_rule_says_so() -> None:
    world = World(clears_after=300)
    for firing in (True, False, True, False, False, True, False):
        await world.minute(firing)
    assert world.told.titles == ["It burns"]
    for _ in range(5):
        await world.minute(False)
    assert world.told.titles == ["It burns", "Over: It burns"]


async def test_a_notice_that_fails_is_tried_three_times() -> None:
    world = World()
    world.told.fails = True
    for _ in range(2):
        await world.minute(True)
    world.told.fails = False
    for _ in range(5):
        await world.minute(True)
    assert world.told.titles == ["It burns"]
    other = World()
    other.told.fails = True
    for _ in range(10):
        await other.minute(True)
    other.told.fails = False
    await other.minute(True)
    assert other.told.titles == [], "three times was enough"
    [alert] = await other.alerts.items()
    assert alert.tries == TRIES
    other.clock.advance(REPEATED_AFTER.total_seconds())
    await other.minute(True)
    assert other.told.titles == ["It burns"]


async def test_who_may_have_heard_in_part_hears_of_the_end() -> None:
    world = World()
    world.told.fails = True
    for _ in range(5):
        await world.minute(True)
    world.told.fails = False
    await world.minute(False)
    assert world.told.titles == ["Over: It burns"]


@pytest.mark.parametrize("lost", range(1, 7))
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_write(lost: int, when: str) -> None:
    """The process dies before or after its n-th write; the next instance goes on. Nothing is lost, and little is told twice."""
    world, left = World(), lost

    def die(verb: str, table: str) -> None:
        nonlocal left
        left -= verb == "write"
        if verb == "write" and left == 0:
            raise KeyboardInterrupt

    setattr(world.tables, when, die)
    for firing in (True, True, True, False, False, False):
        try:
            await world.minute(firing)
        except KeyboardInterrupt:
            world.alerts = world.instance()
            world.clock.advance(60)
    unique = list(dict.fromkeys(notice.key for notice in world.told.notices))
    assert len(unique) == 2, "the firing and its end"
    assert world.told.titles[0] == "It burns"
    assert world.told.titles[-1] == "Over: It burns"
    assert len(world.told.notices) <= 3


async def test_several_instances_tell_once() -> None:
    world = World()
    others = [world.instance() for _ in range(3)]
    for firing in (True, True, False):
        world.firing = firing
        for alerts in (*others, world.alerts):
            await alerts.evaluate()
        world.clock.advance(60)
    assert world.told.titles == ["It burns", "Over: It burns"]


async def test_an_instance_that_comes_while_another_tells_waits() -> None:
    world = World()
    world.firing, other = True, world.instance()
    send = world.told.send

    async def slow(notice: Notice) -> None:
        await other.evaluate()
        await send(notice)

    world.told.send = slow  # type: ignore[method-assign]
    await world.alerts.evaluate()
    assert world.told.titles == ["It burns"]


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.integers(-7200, 40_000)), max_size=40))
async def test_no_clock_makes_a_negative_duration_or_two_notices_of_one(steps: list[tuple[bool | None, int]]) -> None:
    world = World()
    for firing, seconds in steps:
        await world.minute(firing)
        world.clock.advance(seconds)
    assert not [notice for notice in world.told.notices if "-" in notice.detail.removeprefix("It lasted")[:2]]
    for first, second in itertools.pairwise(world.told.notices):
        assert not (first.recovered and second.recovered)
    for alert in await world.alerts.items():
        assert alert.resolved_at is None or alert.resolved_at >= alert.since


async def test_storage_that_does_not_answer_is_told_directly() -> None:
    world = World()

    def down(verb: str, table: str) -> None:
        raise StorageUnavailable("tables do not answer")

    quiet, world.tables.before = world.tables.before, down
    for _ in range(10):
        await world.minute(True)
    assert world.told.titles == ["Storage does not answer"]
    assert world.told.notices[0].detail == "Nothing can be read or noted since 2026-01-01T00:00:00.000Z."
    for _ in range(240):
        await world.minute(True)
    assert world.told.titles == ["Storage does not answer"] * 2
    world.tables.before = quiet
    for _ in range(2):
        await world.minute(False)
    assert world.told.titles[2:] == ["Over: storage does not answer"]
    world.tables.before = down
    await world.minute(False)
    world.tables.before = quiet
    await world.minute(False)
    assert len(world.told.titles) == 3, "a moment is nothing"


async def test_the_purge() -> None:
    world = World()
    await world.minute(True)
    await world.minute(False)
    assert await world.alerts.purge() == 0
    world.clock.advance(86_400 * 31)
    assert await world.alerts.purge() == 1
    assert await world.alerts.items() == []


# --- over HTTP, and by mail and webhook -------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def admin(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[App, httpx.AsyncClient, list[str]]]:
    posted: list[str] = []

    async def post(url: str, body: dict[str, str]) -> None:
        posted.append(body["text"])

    monkeypatch.setattr("shared_code.monitoring.outside.post", post)
    app = make_app(
        ENVIRONMENT="local",
        ADMIN_EMAILS="admin@example.com",
        ALERT_EMAILS="one@example.com, two@example.com",
        ALERT_WEBHOOK_URL="https://hooks.example.com/services/T0/B0",
        PUBLIC_BASE_URL="http://localhost:7071",
    )
    async with app.client() as client:
        client.headers.update(bearer((await register(client, "admin@example.com"))["access_token"]))
        yield app, client, posted


Admin = tuple[App, httpx.AsyncClient, list[str]]


async def outbox(client: httpx.AsyncClient, app: App) -> list[tuple[str, str]]:
    await app.settled()
    found = (await client.get("/api/mail/outbox")).json()["items"]
    return sorted((mail["to"], mail["subject"]) for mail in found if mail["template"] == "alert")


async def test_the_test_button(admin: Admin) -> None:
    app, client, posted = admin
    answer = await client.post("/api/monitoring/alerts/test")
    assert answer.json() == {"mails": 2, "webhook": "sent", "detail": None}
    assert posted[0].startswith("Lydian – Alert: This is a test\nAn administrator asked for it at ")
    assert posted[0].endswith("\nhttp://localhost:7071/monitor")
    assert await outbox(client, app) == [(f"{name}@example.com", "Lydian alert: This is a test") for name in ("one", "two")]


async def test_a_webhook_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def post(url: str, body: object) -> None:
        raise UpstreamFailed("it answers 404")

    monkeypatch.setattr("shared_code.monitoring.outside.post", post)
    app = make_app(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com", ALERT_WEBHOOK_URL="https://hooks.example.com/services/T0/B0")
    async with app.client() as other:
        other.headers.update(bearer((await register(other, "admin@example.com"))["access_token"]))
        answer = await other.post("/api/monitoring/alerts/test")
        assert answer.json() == {"mails": 0, "webhook": "failed", "detail": "it answers 404"}
    app = make_app(ENVIRONMENT="local", ADMIN_EMAILS="admin@example.com")
    async with app.client() as other:
        other.headers.update(bearer((await register(other, "admin@example.com"))["access_token"]))
        assert (await other.post("/api/monitoring/alerts/test")).json() == {"mails": 0, "webhook": "not_configured", "detail": None}


async def test_from_a_poison_message_to_a_mail(admin: Admin) -> None:
    app, client, posted = admin
    await app.storage.queues.send("files-events-poison", json.dumps({"kind": "<!channel>"}))
    for _ in range(2):
        await app.container.alerts.evaluate()
        app.clock.advance(60)
    assert [text.split("\n")[0] for text in posted] == ["Lydian – Alert: files-events: messages were given up on"]
    assert len(await outbox(client, app)) == 2
    [found] = (await client.get("/api/monitoring/alerts")).json()["items"]
    assert (found["key"], found["status"], found["resolved_at"]) == ("poison:files-events", "firing", None)
    assert (await client.post("/api/monitoring/queues/files-events/replay")).json()["moved"] == 1
    await app.container.alerts.evaluate()
    assert posted[1].startswith("Lydian – Over: files-events: messages were given up on\nIt lasted 2 minutes.")
    [found] = (await client.get("/api/monitoring/alerts")).json()["items"]
    assert found["status"] == "resolved"
    assert len(await outbox(client, app)) == 4


async def test_for_administrators_only(admin: Admin) -> None:
    app, _, posted = admin
    async with app.client() as client:
        for method, path in (("GET", "/api/monitoring/alerts"), ("POST", "/api/monitoring/alerts/test")):
            assert (await client.request(method, path)).status_code == 401
        client.headers.update(bearer((await register(client))["access_token"]))
        for method, path in (("GET", "/api/monitoring/alerts"), ("POST", "/api/monitoring/alerts/test")):
            assert (await client.request(method, path)).json()["code"] == "forbidden"
    assert posted == []
