"""Who leaves, wherever the removal is cut: nothing more is charged, no card stays, and the customer at Stripe is nobody."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from shared_code.payments.customers import TABLE, USER
from tests.unit.apps import TestContainer
from tests.unit.files.faults import Fault
from tests.unit.payments.histories import World, difference, ours
from tests.unit.payments.test_webhooks_crashes import FAULTS, Queue, attempted, cut_everywhere, fresh, no_waiting

__all__ = ["no_waiting"]  # a fixture

USER_ID = "user-1"
EVENT = {"kind": "user_deleted", "user_id": USER_ID, "round": 2}


async def customer_of(world: World) -> str:
    """A user with a subscription that runs, one on trial, one that has ended, two cards and a payment; everything is mirrored."""
    for number in (1, 7, 13):  # all of them this user's
        await ours(world, "subscribe", number)
    await ours(world, "pay", 1)
    subscriptions = world.of("subscription")
    assert [each["status"] for each in subscriptions] == ["active"] * 3, subscriptions
    await ours(world, "cancel", 5)  # the last, at once
    customer = str(world.of("customer")[0]["id"])
    await world.post("/v1/subscriptions", customer=customer, **{"items[0][price]": "price_pro", "trial_period_days": "5"})
    await world.post(f"/v1/customers/{customer}", email="ada@example.com", phone="+44 20 7946 0000", **{"metadata[likes]": "tea"})
    for event in world.of("event"):
        await world.delivered(world.apps[0], event)
    await world.settle()
    statuses = sorted(each["status"] for each in world.of("subscription"))
    assert statuses == ["active", "active", "canceled", "trialing"]
    return customer


async def assert_gone(world: World, customer: str) -> None:
    assert {each["status"] for each in world.of("subscription")} == {"canceled"}
    assert [each for each in world.of("payment_method") if each["customer"] == customer] == []
    [left] = [each for each in world.of("customer") if each["id"] == customer]
    shown = json.dumps(left)
    for personal in ("ada@example.com", "7946", "tea", USER_ID):
        assert personal not in shown, shown
    assert USER not in left["metadata"]
    assert await world.storage.tables.query(TABLE) == []
    for event in world.of("event"):  # what was done at Stripe and not written down they tell of
        await world.delivered(world.apps[0], event)
    await world.settle()
    assert await difference(world) == []
    assert len(world.of("payment_intent")) == 4, "books are kept"


def answers(queue: Queue) -> list[Any]:
    return [event for service, event in queue.sent if service == "auth"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_cut_at_any_write_and_begun_again(fault: Fault) -> None:
    async for world, watched, queue, customer in cut_everywhere(customer_of, fault):
        await attempted(fresh(world, queue, watched).payments_events.handle(EVENT))
        before = len(answers(queue))
        other = fresh(world, queue)
        await other.payments_events.handle(EVENT)
        await assert_gone(world, customer)
        assert len(answers(queue)) == before + 1
        assert answers(queue)[-1] == {"kind": "user_data_removed", "user_id": USER_ID, "service": "payments", "round": 2}
        await other.payments_events.handle(EVENT)  # once more does nothing, and answers
        await assert_gone(world, customer)


async def test_stripe_lost_at_any_call() -> None:
    """The queue's trigger hands the message in again, until it was carried out."""
    calls = 1
    while True:
        world, queue = World(), Queue()
        customer = await customer_of(world)
        asked = 0
        handle = world.line.handle_async_request

        async def cut(request: httpx.Request, world: World = world, handle: Any = handle) -> httpx.Response:
            nonlocal asked
            asked += 1
            answer: httpx.Response = await handle(request)
            if asked >= calls:  # noqa: B023  # used within this round only
                raise httpx.ReadError("lost")  # what was asked has been done
            return answer

        world.line.handle_async_request = cut  # type: ignore[method-assign]
        app = fresh(world, queue)
        await attempted(app.payments_events.handle(EVENT))
        through = asked < calls
        world.line.handle_async_request = handle  # type: ignore[method-assign]
        if not through:
            assert answers(queue) == [], "not before it is true"
        await app.payments_events.handle(EVENT)
        await assert_gone(world, customer)
        await world.aclose()
        if through:
            break
        calls += 1
    assert calls > 10


async def test_two_at_once() -> None:
    world, queue = World(), Queue()
    customer = await customer_of(world)
    both: list[TestContainer] = [fresh(world, queue) for _ in range(2)]
    outcomes = await asyncio.gather(*(app.payments_events.handle(EVENT) for app in both), return_exceptions=True)
    if any(outcomes):
        await both[0].payments_events.handle(EVENT)
    await assert_gone(world, customer)
    await world.aclose()


async def test_who_never_paid_is_answered_for_without_stripe() -> None:
    world, queue = World(), Queue()
    world.line.broken = httpx.ConnectError("no Stripe")
    await fresh(world, queue).payments_events.handle(EVENT)
    assert [each["kind"] for each in answers(queue)] == ["user_data_removed"]
    await world.aclose()
