"""What a plan entitles to: the best subscription, within a minute of any change; and files' quota, which follows it."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from shared_code.clock import ManualClock
from shared_code.payments.entitlements import Entitlement, Entitlements
from shared_code.payments.objects import MIRROR, inverted
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Delete, Upsert
from tests.unit.apps import WatchedTables
from tests.unit.payments.hooks import deliver, events_of
from tests.unit.payments.shop import Customer, Shop

PLANS: dict[str, dict[str, int | Decimal]] = {"price_small": {"files_quota_bytes": 10}, "price_big": {"files_quota_bytes": 1000}}


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.tables = WatchedTables(MemoryStorage(self.clock).tables)
        self.customer: str | None = "cus_1"
        self.entitlements = Entitlements(tables=self.tables, clock=self.clock, customer_of=self.customer_of, plans=PLANS)

    async def customer_of(self, user_id: str) -> str | None:
        return self.customer

    async def subscribed(self, number: int, price: str, status: str) -> None:
        values = {"id": f"sub_{number}", "price_id": price, "status": status, "created_at": self.clock.now(), "v": 1}
        await self.tables.apply(MIRROR, "cus_1", Upsert(f"sub:{inverted(number)}:sub_{number}", values))

    async def now(self) -> Entitlement | None:
        """Once what is remembered is over."""
        self.clock.advance(60)
        return await self.entitlements.of("user")


@pytest.mark.parametrize(
    ("subscriptions", "best"),
    [
        ([], None),
        ([("price_big", status) for status in ("canceled", "incomplete", "incomplete_expired", "unpaid", "paused")], None),
        ([("price_big", "past_due"), ("price_small", "active")], ("price_small", "active")),
        ([("price_big", "past_due"), ("price_big", "canceled")], ("price_big", "past_due")),
        ([("price_small", "trialing"), ("price_big", "active")], ("price_big", "active")),
        ([("price_small", "active"), ("price_big", "active")], ("price_big", "active")),
        ([("price_big", "active"), ("price_small", "active")], ("price_small", "active")),
        ([("price_other", "active"), ("price_small", "past_due")], ("price_small", "past_due")),
        ([("price_other", "active")], ("price_other", "active")),
    ],
)
async def test_the_best_subscription(subscriptions: list[tuple[str, str]], best: tuple[str, str] | None) -> None:
    desk = Desk()
    for number, (price, status) in enumerate(subscriptions, start=1):  # a later one is newer
        await desk.subscribed(number, price, status)
    found = await desk.now()
    assert (None if found is None else (found.price_id, found.status)) == best
    if found is not None:
        assert found.limits == PLANS.get(found.price_id, {})


async def test_every_change_counts_within_a_minute_and_nothing_is_asked_before() -> None:
    desk = Desk()
    await desk.subscribed(1, "price_small", "active")
    for status, expected in (("active", True), ("past_due", True), ("canceled", False), ("trialing", True), ("unpaid", False)):
        await desk.subscribed(1, "price_small", status)
        assert (await desk.now() is not None) is expected, status
        desk.tables.calls.clear()
        desk.clock.advance(59)
        await desk.entitlements.of("user")
        assert desk.tables.calls == []
    desk.customer = None
    assert await desk.now() is None
    await desk.tables.apply(MIRROR, "cus_1", Delete(f"sub:{inverted(1)}:sub_1"))


async def test_who_has_no_subscription_is_remembered_too() -> None:
    desk = Desk()
    assert await desk.now() is None
    desk.tables.calls.clear()
    assert await desk.entitlements.of("user") is None
    assert desk.tables.calls == []


async def upload(user: Customer, size: int) -> httpx.Response:
    return await user.http.post("/api/files/upload", files={"file": ("a.txt", b"x" * size)})


async def subscribed(shop: Shop, user: Customer, price: str) -> dict[str, Any]:
    customer = (await user.post("/api/customers/create", email="ada@example.com")).json()["id"]
    await shop.gateway.act("payment_method", "pm_card_visa", "attach", {"customer": customer}, key=f"card-{customer}")
    made = await user.post("/api/subscriptions/create", price_id=price)
    assert (made.status_code, made.json()["status"]) == (201, "active"), made.text
    found: dict[str, Any] = made.json()
    return found


async def test_files_quota_follows_the_plan() -> None:
    plans = json.dumps({"price_basic": {"files_quota_bytes": 5000}, "price_pro": {"files_quota_bytes": 9000}})
    shop = Shop(FILES_QUOTA_BYTES="1000", PLANS=plans)
    ada, eve = await shop.user(), await shop.user()
    assert (await upload(ada, 900)).status_code == 201
    assert (await upload(ada, 900)).status_code == 413
    made = await subscribed(shop, ada, "price_basic")
    shop.app.clock.advance(60)
    assert (await upload(ada, 4000)).status_code == 201, "over the default, within the plan"
    assert (await upload(ada, 200)).status_code == 413
    assert (await upload(eve, 1100)).status_code == 413, "a plan is its subscriber's"
    changed = await ada.post(f"/api/subscriptions/{made['id']}/update", price_id="price_pro")
    assert changed.status_code == 200, changed.text
    shop.app.clock.advance(60)
    assert (await upload(ada, 4000)).status_code == 201
    # It ends at Stripe, and an event tells so.
    already = {each["id"] for each in await events_of(shop)}
    await shop.gateway.act("subscription", made["id"], "cancel", {}, key="gone")
    await deliver(shop, [each for each in await events_of(shop, "customer.subscription.deleted") if each["id"] not in already])
    shop.app.clock.advance(60)
    answer = await upload(ada, 10)
    assert answer.status_code == 413, "what is stored stays, and nothing is added"
    assert len((await ada.get("/api/files")).json()["items"]) == 3
    await shop.aclose()


async def test_without_plans_nothing_is_looked_up(shop: Shop) -> None:
    ada = await shop.user()
    shop.app.tables.calls.clear()
    assert (await upload(ada, 10)).status_code == 201
    assert not [call for call in shop.app.tables.calls if call.endswith((" customers", " payments"))]
