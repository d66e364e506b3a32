"""A process that dies, or a storage that fails, at any write of what events lead to; and a Stripe that is in trouble meanwhile."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from shared_code.errors import LydianError
from shared_code.payments import reconcile
from shared_code.payments.inbox import MAX_TRIES, PARTITION, backoff
from shared_code.storage.events import Event
from tests.unit.apps import TestContainer
from tests.unit.files.faults import Fault, ProcessDied, Watched
from tests.unit.payments.histories import RETURN, World, difference, ours, theirs

FAULTS: list[Fault] = ["death", "refused", "lost answer"]
MOST_WRITES = 60


class Queue:
    """The queues, which outlive every process."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Event]] = []

    async def send(self, service: str, event: Event, *, delay: int = 0) -> None:
        self.sent.append((service, event))

    def keys(self) -> set[str]:
        """Of the mails that were handed in: what decides that two are one."""
        return {str(event["key"]) for service, event in self.sent if service == "mail"}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK tries again at once."""
    import stripe

    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.aclose()


def fresh(world: World, queue: Queue, storage: Watched | None = None) -> TestContainer:
    return world.process(storage, queue)  # type: ignore[arg-type]  # it stands in for a Storage


async def cut_everywhere(prepare: Callable[[World], Awaitable[Any]], fault: Fault) -> AsyncIterator[tuple[World, Watched, Queue, Any]]:
    """A prepared world for each write, at which the process will meet the fault; ends with the first run that has no such write."""
    for at in range(1, MOST_WRITES):
        world, queue = World(), Queue()
        try:
            prepared = await prepare(world)
            watched = Watched(world.storage)
            watched.arm(fault, at)
            yield world, watched, queue, prepared
            if watched.writes < at:
                assert at > 1, "nothing was written"
                return
        finally:
            await world.aclose()
    raise AssertionError("more writes than expected")


async def paid(world: World) -> bytes:
    """A payment of which only Stripe knows that it succeeded; the body of the event that tells."""
    await theirs(world, "customer", 1)
    form = {"amount": "500", "currency": "usd", "automatic_payment_methods[enabled]": "true", "receipt_email": "ada@example.com"}
    form |= {"customer": world.of("customer")[0]["id"], "confirm": "true", "payment_method": "pm_card_visa", "return_url": RETURN}
    await world.post("/v1/payment_intents", **form)
    [body] = [json.dumps(each).encode() for each in world.of("event") if each["type"] == "payment_intent.succeeded"]
    for each in world.of("event"):
        if each["type"] != "payment_intent.succeeded":
            await world.delivered(world.apps[0], each)
    await world.settle()
    for kind in ("payments", "paymentindex"):
        await world.storage.tables.drop(kind)
    return body


async def receive_and_process(app: TestContainer, body: bytes) -> None:
    queue = app.events
    assert isinstance(queue, Queue)
    await app.payments_inbox.receive(body)
    for service, event in [each for each in queue.sent if each[0] == "payments"]:
        assert service == "payments"
        await app.payments_events.handle(event)


async def attempted(work: Awaitable[None]) -> None:
    try:
        await work
    except (ProcessDied, LydianError):
        pass


@pytest.mark.parametrize("stripe", ["well", "failing"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_an_event_cut_anywhere_is_completed_by_the_timer(fault: Fault, stripe: str) -> None:
    async for world, watched, queue, body in cut_everywhere(paid, fault):
        if stripe == "failing":
            await world.raw.post("/_test/faults", json={"api": [{"fault": "500", "count": 3, "method": "GET"}]})
        await attempted(receive_and_process(fresh(world, queue, watched), body))
        await world.raw.delete("/_test/faults")
        other = fresh(world, queue)
        await other.payments_inbox.receive(body)  # what was not acknowledged Stripe sends again
        world.clock.advance(61)
        for _ in range(2):
            await other.payments_processor.retry_due()
            world.clock.advance(61)
        event = await other.payments_inbox.find(json.loads(body)["id"])
        assert (event.status, event.error) == ("processed", "")
        assert await world.storage.tables.query(event.table, PARTITION, prefix="p:") == []
        payment = event.object_id
        record = await other.payments_mirror.find("payment_intent", payment)
        assert record is not None
        assert record.status == "succeeded"
        assert (await other.payments_mirror.totals(record.customer_id)).sums["pi usd succeeded"] == (1, 500)
        assert queue.keys() == {f"receipt:{payment}"}


async def lost(world: World) -> None:
    """Things of every kind, of which no event arrived, and some rows that are behind."""
    await ours(world, "pay", 1)
    await ours(world, "subscribe", 1)
    await theirs(world, "pay", 5)
    await theirs(world, "refund", 1)
    await theirs(world, "change", 1)
    await theirs(world, "forget", 3)
    await theirs(world, "wait", 1)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_reconciliation_cut_anywhere_goes_on(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PAGE", 2)
    async for world, watched, queue, _ in cut_everywhere(lost, fault):
        await attempted(fresh(world, queue, watched).payments_reconciliation.run(600))  # type: ignore[arg-type]
        world.clock.advance(reconcile.LEASE.total_seconds() + 1)
        other = fresh(world, queue)
        report = await other.payments_reconciliation.run(600)
        assert report.finished
        assert await difference(world) == []
        assert (await other.payments_reconciliation.run(600)).drifted == 0


TROUBLE: list[tuple[dict[str, Any] | Exception, str]] = [
    ({"fault": "500", "count": 3, "method": "GET"}, "stripe_failed"),
    ({"fault": "429", "method": "GET"}, "stripe_rate_limited"),
    (httpx.ConnectError("nobody listens"), "stripe_unreachable"),
    (httpx.RemoteProtocolError("cut off mid-answer"), "stripe_unreachable"),
    (httpx.ReadTimeout("slow"), "stripe_timeout"),
]


@pytest.mark.parametrize(("trouble", "code"), TROUBLE, ids=["500", "429", "down", "cut", "slow"])
async def test_stripe_in_trouble_while_an_event_is_processed(trouble: dict[str, Any] | Exception, code: str, world: World) -> None:
    body, queue = await paid(world), Queue()
    app = fresh(world, queue)
    if isinstance(trouble, Exception):
        world.line.broken = trouble
    else:
        await world.raw.post("/_test/faults", json={"api": [trouble]})
    await receive_and_process(app, body)
    identifier = json.loads(body)["id"]
    event = await app.payments_inbox.find(identifier)
    assert (event.status, event.attempts, event.error.partition(":")[0]) == ("failed", 1, code)
    assert queue.keys() == set()
    world.line.broken = None
    assert await app.payments_processor.retry_due() == 0, "not before its time"
    world.clock.advance(backoff(1).total_seconds())
    assert await app.payments_processor.retry_due() == 1
    event = await app.payments_inbox.find(identifier)
    assert (event.status, event.attempts, event.error) == ("processed", 2, "")
    assert queue.keys() == {f"receipt:{event.object_id}"}


async def test_after_fourteen_tries_it_waits_for_a_replay(world: World) -> None:
    body, queue = await paid(world), Queue()
    app = fresh(world, queue)
    await world.raw.post("/_test/faults", json={"api": [{"fault": "429", "count": 10_000, "method": "GET"}]})
    await receive_and_process(app, body)
    identifier, waited = json.loads(body)["id"], 0.0
    for attempts in range(1, MAX_TRIES):
        assert (await app.payments_inbox.find(identifier)).attempts == attempts
        waited += backoff(attempts).total_seconds()
        world.clock.advance(backoff(attempts).total_seconds())
        assert await app.payments_processor.retry_due() == 1
    assert 1.5 * 86_400 < waited < 5 * 86_400
    await world.raw.delete("/_test/faults")
    world.clock.advance(86_400)
    assert await app.payments_processor.retry_due() == 0
    assert (await app.payments_inbox.find(identifier)).status == "failed"
    assert (await app.payments_processor.replay(identifier)).status == "processed"
    assert (await app.payments_processor.replay(identifier)).status == "processed", "once more does no harm"


async def test_a_slow_stripe_does_not_hold_the_timer_for_ever(world: World) -> None:
    queue = Queue()
    app = fresh(world, queue)
    for number in range(6):
        body = {"id": f"evt_{number}", "type": "customer.updated", "created": 1_767_225_600}
        await app.payments_inbox.receive(json.dumps({**body, "data": {"object": {"id": f"cus_{number}", "object": "customer"}}}).encode())
    world.clock.advance(61)
    fetch = app.payments_gateway.retrieve

    async def slow(kind: Any, object_id: str) -> Any:
        world.clock.advance(90)
        return await fetch(kind, object_id)

    app.payments_gateway.retrieve = slow  # type: ignore[method-assign]
    assert await app.payments_processor.retry_due() == 3
    assert await app.payments_processor.retry_due() == 3, "the next run goes on"


async def test_a_try_that_fails_does_not_undo_one_that_did_not(world: World) -> None:
    """Two processes with one event, the slower of which meets a Stripe that fails."""
    body, queue = await paid(world), Queue()
    first, second = fresh(world, queue), fresh(world, queue)
    await first.payments_inbox.receive(body)
    event = await first.payments_inbox.find(json.loads(body)["id"])
    assert (await second.payments_processor.replay(event.id)).status == "processed"
    assert (await first.payments_inbox.failed(event, "stripe_failed: …")).status == "processed"
    world.clock.advance(3600)
    assert await first.payments_processor.retry_due() == 0
