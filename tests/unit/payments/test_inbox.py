"""The inbox: each event once, whatever is delivered how often, and none lost."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from shared_code.clock import ManualClock
from shared_code.errors import InvalidRequest, NotFound, Unavailable
from shared_code.payments.event_targets import Kind, targets_of
from shared_code.payments.inbox import MAX_TRIES, PARTITION, Inbox, InboxEvent, backoff
from shared_code.payments.processing import Processor
from shared_code.storage.events import Event
from shared_code.storage.memory import MemoryStorage

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Sent:
    """The queue: what was sent, and whether it takes anything."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.down = False

    async def send(self, service: str, event: Event, *, delay: int = 0) -> None:
        if self.down:
            raise Unavailable("no queue")
        assert service == "payments"
        self.events.append(event)


class FakeMirror:
    """Stripe seen from the processor: what was fetched, and whether it answers."""

    def __init__(self) -> None:
        self.fetched: list[tuple[Kind, str]] = []
        self.error: Exception | None = None

    async def sync(self, kind: Kind, object_id: str) -> Mapping[str, Any] | None:
        self.fetched.append((kind, object_id))
        if self.error is not None:
            raise self.error
        return None if object_id == "gone" else {"id": object_id}


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.storage = MemoryStorage(self.clock)
        self.sent, self.mirror = Sent(), FakeMirror()
        self.notices: list[tuple[str, dict[Kind, Mapping[str, Any]]]] = []
        self.inbox = Inbox(self.storage.tables, self.clock, self.sent)
        self.processor = Processor(self.inbox, self.mirror, self.notify, self.clock)

    async def notify(self, event: InboxEvent, fetched: Mapping[Kind, Mapping[str, Any]]) -> None:
        self.notices.append((event.id, dict(fetched)))

    async def work(self) -> None:
        """Handle what the queue holds."""
        sent, self.sent.events = self.sent.events, []
        for event in sent:
            await self.processor.process(str(event["table"]), str(event["key"]))

    async def listed(self) -> list[InboxEvent]:
        return [event for _, event in await self.inbox.page(after=None, limit=100)]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def body(identifier: str = "evt_1", kind: str = "payment_intent.succeeded", created: float | None = None, **subject: Any) -> bytes:
    subject = {"id": "pi_1", "object": "payment_intent", **subject}
    created = int(START.timestamp()) if created is None else created
    return json.dumps(
        {"id": identifier, "type": kind, "created": created, "api_version": "2030-01-01.later", "data": {"object": subject}}
    ).encode()


async def test_stored_processed_and_done(desk: Desk) -> None:
    assert await desk.inbox.receive(body())
    [event] = await desk.listed()
    assert (event.status, event.attempts, event.api_version) == ("received", 0, "2030-01-01.later")
    await desk.work()
    [event] = await desk.listed()
    assert (event.status, event.attempts, event.processed_at) == ("processed", 1, START)
    assert desk.mirror.fetched == [("payment_intent", "pi_1")]
    assert desk.notices == [("evt_1", {"payment_intent": {"id": "pi_1"}})]
    desk.clock.advance(86_400)
    assert await desk.inbox.due() == []


async def test_the_same_event_twenty_times_at_once(desk: Desk) -> None:
    new = await asyncio.gather(*(desk.inbox.receive(body()) for _ in range(20)))
    assert sorted(new) == [False] * 19 + [True]
    assert len(await desk.listed()) == 1
    await desk.work()
    assert desk.mirror.fetched == [("payment_intent", "pi_1")], "the first processing was enough"
    assert not await desk.inbox.receive(body())
    assert desk.sent.events == [], "a done one is not processed again"


async def test_an_event_whose_sender_died_before_it_asked(desk: Desk) -> None:
    desk.sent.down = True
    with pytest.raises(Unavailable):
        await desk.inbox.receive(body())
    desk.sent.down = False
    assert await desk.inbox.due() == []
    desk.clock.advance(61)
    assert await desk.processor.retry_due() == 1, "the timer finds it"
    assert [event.status for event in await desk.listed()] == ["processed"]
    # Stripe delivers it again, since it was not acknowledged: nothing more happens.
    assert not await desk.inbox.receive(body())
    assert await desk.processor.retry_due() == 0


async def test_a_delivery_repeated_before_it_was_processed_asks_again(desk: Desk) -> None:
    await desk.inbox.receive(body())
    desk.sent.events.clear()  # the message was lost
    assert not await desk.inbox.receive(body())
    await desk.work()
    assert [event.status for event in await desk.listed()] == ["processed"]


async def test_failures_are_tried_again_later_and_later_and_in_the_end_wait_for_a_replay(desk: Desk) -> None:
    desk.mirror.error = Unavailable("Stripe does not answer.", code="stripe_unavailable")
    await desk.inbox.receive(body())
    await desk.work()
    for attempts in range(1, MAX_TRIES):
        [event] = await desk.listed()
        assert (event.status, event.attempts, event.error) == ("failed", attempts, "stripe_unavailable: Stripe does not answer.")
        desk.clock.advance(backoff(attempts).total_seconds() - 1)
        assert await desk.processor.retry_due() == 0
        desk.clock.advance(1)
        assert await desk.processor.retry_due() == 1
    desk.clock.advance(86_400)
    assert await desk.processor.retry_due() == 0
    assert [event.status for _, event in await desk.inbox.page(after=None, limit=10, status="failed")] == ["failed"]
    desk.mirror.error = None
    replayed = await desk.processor.replay("evt_1")
    assert (replayed.status, replayed.error) == ("processed", "")
    assert [event.status for event in await desk.listed()] == ["processed"]


async def test_our_own_mistake_is_a_failed_try_that_tells_nothing(desk: Desk) -> None:
    desk.mirror.error = KeyError("an inner name")
    await desk.inbox.receive(body())
    await desk.work()
    [event] = await desk.listed()
    assert (event.status, event.error) == ("failed", "internal error: KeyError")


async def test_unknown_types_are_kept_and_ignored(desk: Desk) -> None:
    assert await desk.inbox.receive(body(kind="capability.updated"))
    assert desk.sent.events == []
    desk.clock.advance(86_400)
    assert await desk.processor.retry_due() == 0
    assert [event.status for event in await desk.listed()] == ["ignored"]
    assert (await desk.processor.replay("evt_1")).status == "ignored"


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b"[" * 5000,
        b'{"id": "evt_1"}',
        body(identifier="evt/1"),
        body(identifier="x" * 200),
        body(identifier=""),
        body(created=10**18),
        body(created=float("nan")),
        body().replace(b'"object": {', b'"object": "x", "y": {', 1),
        body().replace(b'"evt_1"', b"7", 1),
    ],
)
async def test_what_is_no_event(desk: Desk, bad: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await desk.inbox.receive(bad)
    assert caught.value.code == "invalid_event"
    assert await desk.listed() == []


async def test_pages_run_over_days_newest_first(desk: Desk) -> None:
    now = int(START.timestamp())
    for n in range(25):
        await desk.inbox.receive(body(f"evt_{n}", created=now - n * 7200))
    seen: list[str] = []
    after: str | None = None
    while page := await desk.inbox.page(after=after, limit=4):
        seen += [event.id for _, event in page]
        after = page[-1][0]
    assert seen == [f"evt_{n}" for n in range(25)]
    assert (await desk.inbox.find("evt_24")).id == "evt_24"
    for unknown in ("evt_none", "../x", ""):
        with pytest.raises(NotFound):
            await desk.inbox.find(unknown)
    desk.clock.advance(40 * 86_400)
    assert await desk.inbox.drop_expired() == 3
    assert await desk.listed() == []


async def test_a_process_that_dies_at_any_write_loses_nothing(desk: Desk) -> None:
    """The delivery is repeated, as Stripe does, and the timer runs: the event is processed whatever was cut."""
    real = desk.storage.tables.batch
    for survives in range(3):
        desk = Desk()
        real, count = desk.storage.tables.batch, 0

        async def cut(*arguments: Any) -> list[str]:
            nonlocal count
            count += 1
            if count > survives:  # noqa: B023  # used within this round only
                raise Unavailable("cut")
            return await real(*arguments)  # noqa: B023

        desk.storage.tables.batch = cut  # type: ignore[method-assign]
        try:
            await desk.inbox.receive(body())
            await desk.work()
        except Unavailable:
            pass
        desk.storage.tables.batch = real  # type: ignore[method-assign]
        await desk.inbox.receive(body())
        desk.clock.advance(200)
        await desk.processor.retry_due()
        [event] = await desk.listed()
        assert event.status == "processed"
        assert await desk.storage.tables.query(event.table, PARTITION, prefix="p:") == []


CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("payment_intent.payment_failed", {"id": "pi_1"}, [("payment_intent", "pi_1")]),
    ("charge.refunded", {"id": "ch_1", "payment_intent": "pi_1"}, [("payment_intent", "pi_1")]),
    ("charge.dispute.created", {"id": "dp_1", "payment_intent": {"id": "pi_1"}}, [("payment_intent", "pi_1")]),
    ("refund.updated", {"id": "re_1", "payment_intent": "pi_1"}, [("refund", "re_1"), ("payment_intent", "pi_1")]),
    ("customer.updated", {"id": "cus_1", "object": "customer"}, [("customer", "cus_1")]),
    ("customer.subscription.deleted", {"id": "sub_1", "object": "subscription"}, [("subscription", "sub_1")]),
    (
        "invoice.payment_failed",
        {"id": "in_1", "parent": {"subscription_details": {"subscription": "sub_1"}}},
        [("invoice", "in_1"), ("subscription", "sub_1")],
    ),
    ("invoice.paid", {"id": "in_1", "parent": None, "subscription": "sub_1"}, [("invoice", "in_1"), ("subscription", "sub_1")]),
    ("invoice_payment.paid", {"invoice": "in_1", "payment": {"payment_intent": "pi_1"}}, [("invoice", "in_1"), ("payment_intent", "pi_1")]),
    ("checkout.session.completed", {"payment_intent": "pi_1", "subscription": None}, [("payment_intent", "pi_1")]),
    ("checkout.session.expired", {"payment_intent": "pi_1"}, None),
    ("charge.refunded", {"payment_intent": None}, None),
    ("customer.tax_id.created", {"id": "txi_1", "object": "tax_id"}, None),
    ("payment_intent.succeeded", {"id": {"id": ["x"]}}, None),
    ("payment_intent.succeeded", {"id": "a/b"}, None),
    ("", {}, None),
]


@pytest.mark.parametrize(("kind", "subject", "targets"), CASES)
def test_what_an_event_concerns(kind: str, subject: dict[str, Any], targets: Any) -> None:
    assert targets_of(kind, subject) == (tuple(targets) if targets else None)
