"""Random histories of a shop: operations through our services and behind their back, and the mirror compared with Stripe."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from local.stripe.server import StripeServer
from shared_code.clock import ManualClock
from shared_code.errors import LydianError, Unavailable
from shared_code.payments import money
from shared_code.payments.event_targets import Kind
from shared_code.payments.gateway import StripeGateway
from shared_code.payments.objects import LOCAL, MIRROR, TOTALS_KEY, counted, key_of, partition_of, reference, values_of
from shared_code.payments.ports import Actor
from shared_code.payments.processing import Pace
from shared_code.storage.events import Events, InProcessEvents
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Storage
from tests.unit.apps import TestContainer, settings_of
from tests.unit.payments.shop import SETTINGS, WEBHOOK

KINDS: tuple[Kind, ...] = ("customer", "payment_intent", "refund", "subscription", "invoice")
CARDS = ("pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired", "pm_card_createDispute")
PRICES = ("price_basic", "price_pro")
DAY = 86_400
RETURN = "https://shop.example/back"


class Line(httpx.ASGITransport):
    """The way to Stripe, which may be broken."""

    broken: Exception | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.broken is not None:
            raise self.broken
        return await super().handle_async_request(request)


class World:
    """A Stripe, and two processes of one app before it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.storage = MemoryStorage(self.clock)
        self.stripe = StripeServer(webhook_secret=WEBHOOK, clock=lambda: self.clock.now().timestamp())
        self.line = Line(self.stripe)
        self.gateways: list[StripeGateway] = []
        self.apps = [self.process() for _ in range(2)]
        authorization = {"Authorization": f"Bearer {SETTINGS['STRIPE_SECRET_KEY']}"}
        self.raw = httpx.AsyncClient(transport=httpx.ASGITransport(self.stripe), base_url="http://stripe.test", headers=authorization)
        self.taken = 0
        """How many of Stripe's events have met their fate."""

    def process(self, storage: Storage | None = None, events: Events | None = None, **environ: str) -> TestContainer:
        """One more process of the app; ``storage``: its own way to the one storage."""
        app = TestContainer(settings_of(**SETTINGS, LOG_LEVEL="error", **environ), storage=storage or self.storage, clock=self.clock)
        if events is not None:
            app.__dict__["events"] = events  # where cached_property keeps it
        app.__dict__["payments_gateway"] = StripeGateway(SETTINGS["STRIPE_SECRET_KEY"], "http://stripe.test", transport=self.line)
        self.gateways.append(app.payments_gateway)
        app.payments_processor._pace = Pace(1e9)  # twenty fetches a second are for the real one
        return app

    async def aclose(self) -> None:
        await self.raw.aclose()
        for gateway in self.gateways:
            await gateway.aclose()
        await self.stripe.stop()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return list(self.stripe.world.store.all(kind))

    async def post(self, path: str, **form: str) -> None:
        """Behind our back; what Stripe refuses changes nothing."""
        answer = await self.raw.post(path, data=form)
        assert answer.status_code in (200, 400, 402, 404), answer.text

    async def delivered(self, app: TestContainer, event: dict[str, Any]) -> None:
        await app.payments_inbox.receive(json.dumps(event).encode())

    async def settle(self) -> None:
        for app in self.apps:
            assert isinstance(app.events, InProcessEvents)
            await app.events.drain()


def pick(found: list[dict[str, Any]], number: int) -> str | None:
    return str(found[number % len(found)]["id"]) if found else None


async def ours(world: World, what: str, number: int) -> None:
    """An operation through our services; what they refuse is refused."""
    app, actor = world.apps[number % 2], Actor(f"user-{number % 3}")
    key, admin = f"key-{world.stripe.world.store.count('event')}-{number}", Actor("admin", admin=True)
    try:
        match what:
            case "pay":
                made = await app.payments.create(
                    actor, money.parse(str(50 + number), ("usd", "eur", "jpy")[number % 3]), customer_id=None, description=None,
                    receipt_email=None, metadata={"n": str(number)}, key=key,
                )  # fmt: skip
                if number % 4:
                    await app.payments.confirm(actor, made.id, payment_method=CARDS[number % len(CARDS)], return_url=RETURN, key=f"c{key}")
            case "subscribe":
                days = (None, None, 3)[number % 3]
                price = PRICES[number % 2]
                whose = await app.payments_customers.ensure(actor.user_id)
                if number % 4:
                    await world.post("/v1/payment_methods/pm_card_visa/attach", customer=whose)
                await app.payments_subscriptions.create(
                    actor, None, price_id=price, quantity=1 + number % 2, trial_period_days=days, metadata={}, key=key
                )
            case "refund":
                if paid := pick(world.of("payment_intent"), number):
                    part = None if number % 3 == 0 else str(1 + number % 4)
                    await app.payments_refunds.create(admin, paid, amount=part, reason=None, request=key)
            case "change":
                if sub := pick(world.of("subscription"), number):
                    await app.payments_subscriptions.update(
                        admin, sub, price_id=PRICES[number // 2 % 2], quantity=1 + number % 3, metadata={"a": str(number)},
                        proration_behavior=None, key=key,
                    )  # fmt: skip
            case "cancel":
                if sub := pick(world.of("subscription"), number):
                    await app.payments_subscriptions.cancel(admin, sub, at_period_end=number % 2 == 0, key=key)
            case "rename":
                if customer := pick(world.of("customer"), number):
                    await app.payments_customers.update(admin, customer, {"name": f"Name {number}"}, key=key)
    except Unavailable:
        raise
    except LydianError:
        pass


async def theirs(world: World, what: str, number: int) -> None:
    """An operation at Stripe that we learn of by its events only."""
    customer = pick(world.of("customer"), number)
    intent, sub = pick(world.of("payment_intent"), number), pick(world.of("subscription"), number)
    match what:
        case "pay":
            form = {"amount": str(500 + number), "currency": "usd", "automatic_payment_methods[enabled]": "true"}
            form |= {"customer": customer} if customer and number % 3 else {}
            form |= {"confirm": "true", "payment_method": CARDS[number % len(CARDS)], "return_url": RETURN} if number % 4 else {}
            await world.post("/v1/payment_intents", **form)
        case "confirm" if intent:
            await world.post(f"/v1/payment_intents/{intent}/confirm", payment_method=CARDS[number % len(CARDS)], return_url=RETURN)
        case "authenticate" if intent:
            await world.raw.post(f"/_test/authenticate/{intent}", json={"ok": number % 2 == 0})
        case "void" if intent:
            await world.post(f"/v1/payment_intents/{intent}/cancel")
        case "refund" if intent:
            await world.post("/v1/refunds", payment_intent=intent, **({"amount": str(1 + number)} if number % 3 else {}))
        case "dispute":
            if dispute := pick(world.of("dispute"), number):
                await world.raw.post(f"/_test/disputes/{dispute}", json={"status": ("won", "lost")[number % 2]})
        case "customer":
            await world.post("/v1/customers", name=f"Stranger {number}")
        case "rename" if customer:
            await world.post(f"/v1/customers/{customer}", name=f"Other {number}", **{"metadata[seen]": str(number)})
        case "forget" if customer and number % 3 == 0:
            answer = await world.raw.delete(f"/v1/customers/{customer}")
            assert answer.status_code in (200, 404), answer.text
        case "subscribe" if customer:
            await world.post("/v1/payment_methods/pm_card_visa/attach", customer=customer)
            form = {"items[0][price]": PRICES[number % 2], "payment_behavior": "default_incomplete"}
            await world.post("/v1/subscriptions", customer=customer, **form)
        case "change" if sub:
            await world.post(f"/v1/subscriptions/{sub}", cancel_at_period_end=("true", "false")[number % 2], **{"metadata[n]": str(number)})
        case "cancel" if sub:
            await world.raw.delete(f"/v1/subscriptions/{sub}")
        case "wait":
            seconds = (1, 3600, DAY, 4 * DAY, 32 * DAY)[number % 5]
            answer = await world.raw.post("/_test/advance", json={"seconds": seconds})
            assert answer.status_code == 200, answer.text


OPERATIONS: dict[str, tuple[Callable[[World, str, int], Awaitable[None]], str]] = {
    **{f"ours {what}": (ours, what) for what in ("pay", "subscribe", "refund", "change", "cancel", "rename")},
    **{
        f"theirs {what}": (theirs, what)
        for what in (
            "pay", "confirm", "authenticate", "void", "refund", "dispute", "customer", "rename", "forget", "subscribe", "change", "cancel",
            "wait",
        )
    },
}  # fmt: skip


async def expected(world: World) -> dict[tuple[str, str], tuple[Kind, dict[str, Any]]]:
    """The rows that Stripe's own objects make."""
    found: dict[tuple[str, str], tuple[Kind, dict[str, Any]]] = {}
    gateway = world.apps[0].payments_gateway
    payers = {str(each["id"]): reference(each.get("customer")) for each in world.of("payment_intent")}
    for kind in KINDS:
        for each in world.of(kind):
            fetched = await gateway.retrieve(kind, each["id"])
            assert fetched is not None
            owner = reference(fetched.get("customer"))
            if kind == "customer":
                owner = str(fetched["id"])
            elif kind == "refund":
                owner = payers[str(fetched["payment_intent"])]
            values = values_of(kind, fetched)
            if fetched.get("deleted"):
                values.pop("created_at", None)
            key = "customer" if kind == "customer" else key_of(kind, fetched)
            found[partition_of(owner), key] = (kind, values)
    return found


async def difference(world: World) -> list[str]:
    """How the mirror differs from Stripe: rows, each field of each, totals and statistics."""
    wanted, shown = await expected(world), list[str]()
    rows = {(row.partition, row.key): row.values for row in await world.storage.tables.query(MIRROR, limit=1000)}
    totals: dict[str, Counter[str]] = {}
    overall: Counter[tuple[str, str, str]] = Counter()
    minor: Counter[tuple[str, str, str]] = Counter()
    for place, (kind, values) in wanted.items():
        row = rows.pop(place, None)
        if row is None:
            shown.append(f"{place} is missing")
            continue
        mirrored = {name: value for name, value in row.items() if name not in LOCAL and (name in values or name != "created_at")}
        if mirrored != values:
            names = sorted(name for name in mirrored.keys() | values.keys() if mirrored.get(name) != values.get(name))
            shown.append(f"{place} differs in {names}")
        if (counts := counted(kind, values)) is not None:
            overall[counts[:3]] += 1
            minor[counts[:3]] += counts[3]
            totals.setdefault(place[0], Counter())
            totals[place[0]][" ".join(counts[:3])] += 1
            totals[place[0]][" ".join(counts[:3]) + " sum"] += counts[3]
    for (partition, key), row in rows.items():
        if key != TOTALS_KEY:
            shown.append(f"{partition} {key} is Stripe's no more")
            continue
        sums = json.loads(str(row["sums"]))
        kept = Counter({name: pair[0] for name, pair in sums.items()} | {f"{name} sum": pair[1] for name, pair in sums.items()})
        if +kept != +totals.pop(partition, Counter()):
            shown.append(f"{partition}: totals are {sums}")
    shown += [f"{partition} has no totals" for partition in totals]
    figures = await world.apps[1].payments_statistics.roll_up()
    if dict(figures.sums) != {name: (overall[name], minor[name]) for name in overall}:
        shown.append(f"statistics are {figures.sums}")
    return shown
