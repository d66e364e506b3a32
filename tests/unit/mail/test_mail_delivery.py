"""A message from its event to where it ends: once, whatever comes twice, fails or dies."""

import asyncio
import json
from typing import Any

import pytest
import structlog

from shared_code import ids
from shared_code.errors import StorageUnavailable
from shared_code.mail.delivery import POISON, delay_before
from shared_code.mail.orders import ATTEMPTS, Order, address_hash
from shared_code.mail.ports import Mail, Message, PermanentFailure, TemporaryFailure
from shared_code.mail.records import LEASE, PREFIX
from shared_code.storage.events import Event
from shared_code.storage.ports import Row
from tests.unit.apps import App, make_app

TO, DAY = "Ada@example.com", f"{PREFIX}20260101"
SENDGRID = {"SENDGRID_API_KEY": "k" * 20, "SENDGRID_FROM_EMAIL": "lydian@example.com"}


class Events:
    """The queue: what was sent, and how long it waits."""

    def __init__(self) -> None:
        self.sent: list[tuple[Event, int]] = []

    async def send(self, service: str, event: Event, *, delay: int = 0) -> None:
        assert service == "mail"
        self.sent.append((event, delay))


class Provider:
    """Fails as it is told, in this order, then sends."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.sent = list(failures), list[Message]()
        self.gate: asyncio.Event | None = None

    async def send(self, message: Message) -> str:
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)
        return "sg-1"


class Post:
    """An app whose provider and queue are the test's."""

    def __init__(self, *failures: Exception, **environ: str) -> None:
        self.app: App = make_app(**{**SENDGRID, **environ})
        self.events, self.provider = Events(), Provider(*failures)
        self.app.container.__dict__.update(events=self.events, mail_provider=self.provider)

    def event(self, to: str = TO, template: str = "alert", key: str = "", **more: Any) -> Event:
        order_id = ids.new_id(self.app.clock.now())
        values = json.dumps(more.pop("values", {"title": "t"}))
        return {"kind": "send", "id": order_id, "to": to, "name": "Ada", "template": template, "values": values, "key": key, **more}

    async def handle(self, event: Event) -> None:
        await self.app.container.mail_events.handle(event)

    async def rows(self) -> list[Row]:
        tables = await self.app.storage.tables.list_tables(PREFIX)
        return [row for table in tables for row in await self.app.storage.tables.query(table)]

    async def row(self) -> Row:
        [row] = await self.rows()
        return row

    async def poison(self) -> list[Event]:
        return [json.loads(message.text) for message in await self.app.storage.queues.peek(POISON)]


async def test_sent_once() -> None:
    post = Post()
    event = post.event(f" {TO}\n")
    await post.handle(event)
    await post.handle(event)
    [message] = post.provider.sent
    assert (message.id, message.to, message.name) == (event["id"], TO, "Ada")
    row = await post.row()
    assert {
        "status": "sent",
        "template": "alert",
        "provider_id": "sg-1",
        "address": address_hash("ada@EXAMPLE.com"),
    }.items() <= row.values.items()
    assert "ada" not in str(row).lower(), "nobody's address is kept"


async def test_one_key_is_one_message_for_a_week() -> None:
    post = Post()
    await post.handle(post.event(key="receipt:1"))
    await post.handle(post.event(key="receipt:2"))
    post.app.clock.advance(6 * 86400)
    await post.handle(post.event(key="receipt:1"))
    assert len(post.provider.sent) == 2
    post.app.clock.advance(2 * 86400)
    await post.handle(post.event(key="receipt:1"))
    assert len(post.provider.sent) == 3


async def test_two_at_one_time_send_once() -> None:
    post = Post()
    post.provider.gate = asyncio.Event()
    event = post.event()
    first = asyncio.create_task(post.handle(event))
    while not await post.rows():  # noqa: ASYNC110  # what is waited for knows no event
        await asyncio.sleep(0)
    await post.handle(event)
    [(later, delay)] = post.events.sent
    assert delay == LEASE.total_seconds() + 1
    post.provider.gate.set()
    await first
    await post.handle(later)
    assert len(post.provider.sent) == 1
    assert len(post.events.sent) == 1


async def test_who_dies_while_sending_is_replaced() -> None:
    post = Post()
    post.provider.gate = asyncio.Event()
    event = post.event()
    first = asyncio.create_task(post.handle(event))
    while not await post.rows():  # noqa: ASYNC110
        await asyncio.sleep(0)
    first.cancel()
    post.provider.gate.set()
    await post.handle(event)
    assert post.provider.sent == []
    [(later, delay)] = post.events.sent
    post.app.clock.advance(delay)
    await post.handle(later)
    assert len(post.provider.sent) == 1
    assert (await post.row()).values["status"] == "sent"


async def test_waiting_for_another_ends() -> None:
    post = Post()
    await post.app.container.mail_records.claim(Order.of(post.event()))
    event = post.event(key="k")
    await post.app.container.mail_records.claim(Order.of(event))
    while len(post.events.sent) < 10:
        before = len(post.events.sent)
        await post.handle(event)
        if len(post.events.sent) == before:
            break
        event = post.events.sent[-1][0]
    assert len(post.events.sent) == 3, "without a queue nothing delays: it must not turn for ever"


async def test_a_temporary_failure_is_tried_again_later() -> None:
    post = Post(TemporaryFailure("sendgrid_503"), TemporaryFailure("sendgrid_429", retry_after=3000))
    event = post.event()
    await post.handle(event)
    assert (await post.row()).values["status"] == "waiting"
    [(second, delay)] = post.events.sent
    assert 20 < delay < 40
    await post.handle(event)
    assert len(post.events.sent) == 1, "the host repeats the first: the second is on its way"
    await post.handle(second)
    third, delay = post.events.sent[1]
    assert 3000 <= delay < 3010, "the provider asked for that"
    await post.handle(third)
    await post.handle(second)
    assert len(post.provider.sent) == 1
    values = (await post.row()).values
    assert (values["status"], values["attempt"], values["error"]) == ("sent", 2, "")


async def test_the_last_failure_is_an_operators_who_may_send_again() -> None:
    post = Post(*[TemporaryFailure("sendgrid_500")] * (ATTEMPTS + 1))
    event = post.event()
    with structlog.testing.capture_logs() as logs:
        for number in range(ATTEMPTS):
            assert (await post.rows() == []) == (number == 0)
            assert await post.poison() == []
            await post.handle(event)
            event = post.events.sent[-1][0]
    assert len(post.events.sent) == ATTEMPTS - 1
    assert 5 * 3600 < sum(delay for _, delay in post.events.sent) < 14 * 3600
    assert (await post.row()).values["status"] == "failed"
    assert [log["error"] for log in logs if log["event"] == "mail_failed"] == ["sendgrid_500"]
    assert TO not in str(logs)
    await post.handle(event)
    [replay] = await post.poison()
    await post.handle(replay)
    assert (await post.row()).values["status"] == "waiting", "a replay has all its tries"
    await post.handle(post.events.sent[-1][0])
    await post.handle(replay)
    assert len(post.provider.sent) == 1


async def test_a_refusal_is_final_but_ours_can_be_mended() -> None:
    post = Post(PermanentFailure("sendgrid_413"), PermanentFailure("sendgrid_401", ours=True))
    await post.handle(post.event())
    assert (await post.row()).values["error"] == "sendgrid_413"
    assert await post.poison() == []
    await post.handle(post.event())
    [replay] = await post.poison()
    await post.handle(replay)
    assert len(post.provider.sent) == 1
    assert post.events.sent == []


@pytest.mark.parametrize("to", ["", "nobody", "a@b.example\r\nBcc: c@d.example", "a@b.example, c@d.example", "Ada <a@b.example>"])
async def test_an_address_that_is_none(to: str) -> None:
    post = Post()
    await post.handle(post.event(to))
    values = (await post.row()).values
    assert (values["status"], values["error"]) == ("failed", "invalid_address")


async def test_values_that_make_no_mail() -> None:
    post = Post()
    await post.handle(post.event(template="reset_password", values={"link": "javascript:x"}))
    assert (await post.row()).values["error"] == "invalid_message"


@pytest.mark.parametrize("change", [{"template": "new"}, {"id": "x"}, {"values": "[]"}, {"values": "{"}, {"attempt": "1"}, {"kind": "x"}])
async def test_what_is_no_message_is_the_hosts_poison(change: dict[str, str]) -> None:
    post = Post()
    with pytest.raises(ValueError, match=r"message|template|event|Expecting"):
        await post.handle({**post.event(), **change})
    assert await post.rows() == []


async def test_a_suppressed_address_gets_nothing() -> None:
    post = Post()
    await post.app.container.mail_suppressions.add(TO.lower(), "bounce", at=post.app.clock.now(), event_id="e")
    await post.handle(post.event())
    assert post.provider.sent == []
    values = (await post.row()).values
    assert (values["status"], values["error"]) == ("suppressed", "bounce")


@pytest.mark.parametrize("lines", range(1, 7))
async def test_storage_that_fails_at_any_line_loses_no_mail(lines: int) -> None:
    """The host repeats the event until it is handled; what was claimed is looked at again later."""
    post = Post(TemporaryFailure("sendgrid_500"))
    calls = 0

    def fail(verb: str, table: str) -> None:
        nonlocal calls
        calls += 1
        if calls == lines:
            raise StorageUnavailable("down")

    post.app.tables.before = fail
    pending: list[Event] = [post.event()]
    while pending:
        event = pending.pop(0)
        try:
            await post.handle(event)
        except StorageUnavailable:
            pending.append(event)
        pending += [later for later, _ in post.events.sent]
        post.events.sent.clear()
        post.app.clock.advance(LEASE.total_seconds())
    assert 1 <= len(post.provider.sent) <= 2, "twice when the answer could not be written down"
    assert (await post.row()).values["status"] == "sent"


@pytest.mark.parametrize("environ", [{"SENDGRID_API_KEY": ""}, {"SENDGRID_FROM_EMAIL": ""}])
async def test_production_without_settings(environ: dict[str, str]) -> None:
    app = make_app(**{**SENDGRID, **environ})
    object.__setattr__(app.container.settings, "environment", "production")
    with structlog.testing.capture_logs() as logs:
        await app.container.mailer.send(Mail(TO, "alert", {"title": "t"}))
        await app.settled()
    [row] = await app.storage.tables.query(DAY)
    assert (row.values["status"], row.values["error"]) == ("failed", "mail_not_configured")
    assert [log["error"] for log in logs if log["log_level"] == "error"] == ["mail_not_configured"]


async def test_what_cannot_be_queued_harms_nobody() -> None:
    post = Post()

    async def broken(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("down")

    post.events.send = broken  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as logs:
        await post.app.container.mailer.send(Mail(TO, "alert", {"title": "secret"}))
    assert [log["event"] for log in logs] == ["mail_not_queued"]
    assert TO not in str(logs)


def test_delays_grow_and_end() -> None:
    assert 24 <= delay_before(2, 0) <= 36
    assert 15_000 < delay_before(8, 0) <= 21_600
    assert delay_before(2, 10**9) == 21_600
