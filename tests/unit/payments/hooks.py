"""Stripe's webhooks as tests send them: signed, to the route, in whatever order the test wants."""

import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

import httpx

from local.stripe.webhooks import sign
from shared_code.payments.processing import Pace
from tests.unit.apps import App
from tests.unit.payments.shop import WEBHOOK, Shop

PATH = "/api/webhooks/stripe"
MINUTE = timedelta(minutes=1)


def event(identifier: str = "evt_1", kind: str = "payment_intent.succeeded", created: int = 1_767_225_600, **more: Any) -> dict[str, Any]:
    """``created``: the start of a ManualClock."""
    subject = {"id": "pi_1", "object": "payment_intent", **more.pop("subject", {})}
    return {
        "id": identifier,
        "object": "event",
        "type": kind,
        "created": created,
        "api_version": "2026-10-28.endive",
        "data": {"object": subject},
        **more,
    }


async def post(
    app: App, body: bytes | dict[str, Any], *, secret: str = WEBHOOK, age: timedelta = timedelta(), **headers: str
) -> httpx.Response:
    """One delivery, signed ``age`` ago."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    at = int((app.clock.now() - age).timestamp())
    headers = {"stripe-signature": sign(raw, [secret], at), "content-type": "application/json; charset=utf-8", **headers}
    async with app.client() as client:
        return await client.post(PATH, content=raw, headers=headers)


async def deliver(shop: Shop, events: Iterable[dict[str, Any]], app: App | None = None) -> None:
    """Hand in and process these events."""
    app = app or shop.app
    unpaced(app)
    for each in events:
        answer = await post(app, each)
        assert answer.status_code == 200, answer.text
    await app.settled()


async def events_of(shop: Shop, kind: str = "") -> list[dict[str, Any]]:
    """Stripe's events of a type, oldest first."""
    return [each for each in await shop.at_stripe("event") if each["type"].startswith(kind)]


def unpaced(app: App) -> None:
    """Twenty fetches a second are for the real Stripe."""
    app.container.payments_processor._pace = Pace(1e9)


def job(app: App, name: str) -> Callable[[Any], Awaitable[None]]:
    """A timer's function."""
    found: Callable[[Any], Awaitable[None]] = next(
        each for each in app.functions.get_functions() if each.get_function_name() == name
    ).get_user_function()
    return found
