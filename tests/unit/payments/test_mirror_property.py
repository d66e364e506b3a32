"""Whatever happens at Stripe, and however its events arrive: the mirror ends as Stripe is.

Each example is a shop with two processes, a random history made half through our services and half behind their back, and a
random fate of the events of it: in any order, twice, late, or never.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared_code.storage.events import InProcessEvents
from tests.unit.apps import TestContainer
from tests.unit.payments.histories import OPERATIONS, World, difference, ours

EXAMPLES = 60
"""Each of 4 to 14 operations and the fates of their events, some 80 ms."""
STEPS = st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 59)), min_size=4, max_size=14)
BOUNDED = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
)  # fmt: skip


@dataclass
class Fate:
    """What becomes of events: decided by draws, so that a failing example is shown and made smaller."""

    data: st.DataObject
    lossy: bool
    held: list[dict[str, Any]] = field(default_factory=list)

    async def meet(self, world: World, *, last: bool) -> None:
        """The new events, with what was held back, are lost, kept back, or delivered in any order, some twice, by both processes."""
        events = world.of("event")
        waiting, world.taken = self.held + [dict(event) for event in events[world.taken :]], len(events)
        fates = self.data.draw(st.lists(st.integers(0, 9), min_size=len(waiting), max_size=len(waiting)))
        self.held, now = [], list[dict[str, Any]]()
        for event, fate in zip(waiting, fates, strict=True):
            if self.lossy and fate < 3:
                continue
            if fate > 7 and not last:
                self.held.append(event)
            else:
                now += [event, event] if fate == 3 else [event]
        for position, event in enumerate(self.data.draw(st.permutations(now))):
            await world.delivered(world.apps[position % 2], event)
        if last or self.data.draw(st.booleans()):
            await world.settle()  # else they are processed while the next operation runs


async def history(steps: list[tuple[str, int]], data: st.DataObject, lossy: bool) -> None:
    world = World()
    try:
        fate = Fate(data, lossy)
        for name, number in steps:
            operate, what = OPERATIONS[name]
            await operate(world, what, number)
            await fate.meet(world, last=False)
        await fate.meet(world, last=True)
        world.clock.advance(61)
        for app in world.apps:
            await app.payments_processor.retry_due()
        await world.settle()
        if not lossy:
            assert await difference(world) == []
        report = await world.apps[0].payments_reconciliation.run(600)
        assert report.finished
        assert await difference(world) == []
        if not lossy:
            assert report.drifted == 0, report.drift
        again = await world.apps[1].payments_reconciliation.run(600)
        assert (again.finished, again.drifted) == (True, 0), again.drift
    finally:
        await world.settle()
        await world.aclose()


@BOUNDED
@given(steps=STEPS, data=st.data())
def test_without_loss_the_mirror_is_stripe_before_any_reconciliation(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    asyncio.run(history(steps, data, lossy=False))


@BOUNDED
@given(steps=STEPS, data=st.data())
def test_after_losses_reconciliation_makes_it_so(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    asyncio.run(history(steps, data, lossy=True))


class Gate:
    """Holds the answers to what a gateway fetches until it is opened."""

    def __init__(self, app: TestContainer) -> None:
        self.opened, self.waiting = asyncio.Event(), asyncio.Event()
        gateway = app.payments_gateway
        fetch = gateway.retrieve

        async def retrieve(kind: Any, object_id: str) -> Any:
            found = await fetch(kind, object_id)
            self.waiting.set()
            await self.opened.wait()
            return found

        gateway.retrieve = retrieve  # type: ignore[method-assign]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_what_was_fetched_before_a_subscription_ended_does_not_resurrect_it(order: tuple[int, int]) -> None:
    """`deleted` and `updated` of one second, handled by two processes, the slower of which fetched while it still ran."""
    world = World()
    slow, quick = world.apps
    await ours(world, "subscribe", 1)
    sub = str(world.of("subscription")[0]["id"])
    gate = Gate(slow)
    await world.post(f"/v1/subscriptions/{sub}", **{"metadata[a]": "b"})
    updated = world.of("event")[-1]
    await world.delivered(slow, updated)
    await gate.waiting.wait()
    await world.raw.delete(f"/v1/subscriptions/{sub}")
    deleted = world.of("event")[-1]
    assert (updated["type"], deleted["type"]) == ("customer.subscription.updated", "customer.subscription.deleted")
    assert updated["created"] == deleted["created"]
    for number in order:
        await world.delivered(quick, (updated, deleted)[number])
    assert isinstance(quick.events, InProcessEvents)
    await quick.events.drain()
    record = await quick.payments_mirror.find("subscription", sub)
    assert record is not None
    assert record.status == "canceled"
    gate.opened.set()
    await world.settle()
    record = await quick.payments_mirror.find("subscription", sub)
    assert record is not None
    assert record.status == "canceled"
    assert (await quick.payments_statistics.roll_up()).active_subscriptions == 0
    await world.aclose()
