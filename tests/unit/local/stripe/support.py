"""The official SDK on a stand-in of the test's own, in process: no sockets, no threads, no waiting."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import stripe

from local.stripe.server import StripeServer

KEY = "sk_test_" + "lydian"
SECRET = "whsec_" + "lydian"
BACK = "https://app.example/back"
FIELDS: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "fields.json").read_text())


class Receiver:
    """Takes webhooks as the app would. `status` is what it answers."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.status = 200

    async def __call__(self, body: bytes, headers: dict[str, str]) -> int:
        self.events.append(json.loads(body))
        self.headers.append(headers)
        self.bodies.append(body)
        return self.status


class World:
    def __init__(self, **options: Any) -> None:
        self.time = 1_750_000_000.0
        self.received = Receiver()
        self.server = StripeServer(webhook_secret=SECRET, send=self.received, clock=lambda: self.time, **options)
        self.server.webhooks.manual = True
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.server), base_url="http://stripe.test")
        client = stripe.HTTPXClient(verify_ssl_certs=False)
        client._client_async = self.http  # the SDK has no way to give it a transport
        self.sdk = stripe.StripeClient(KEY, base_addresses={"api": "http://stripe.test"}, http_client=client, max_network_retries=0).v1

    async def post(self, path: str, form: str = "", key: str = KEY, **headers: str) -> httpx.Response:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return await self.http.post(path, content=form, headers={"authorization": f"Bearer {key}", **kind, **headers})

    async def get(self, path: str, key: str = KEY) -> httpx.Response:
        return await self.http.get(path, headers={"authorization": f"Bearer {key}"})

    async def control(self, name: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = await self.http.post(f"/_test/{name}", json=body or {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def advance(self, **time: int) -> None:
        await self.control("advance", {"seconds": time.get("days", 0) * 86400 + time.get("hours", 0) * 3600})

    async def types(self) -> list[str]:
        """Of the events so far, oldest first."""
        return [event["type"] for event in (await self.http.get("/_test/state/event")).json()]

    async def customer(self, card: str | None = None) -> stripe.Customer:
        """A customer, with that card as default."""
        if card is None:
            return await self.sdk.customers.create_async({"email": "ann@example.com"})
        return await self.sdk.customers.create_async(
            {"email": "ann@example.com", "payment_method": card, "invoice_settings": {"default_payment_method": card}}
        )

    async def payment(self, card: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
        given = {"amount": 1000, "currency": "usd", "payment_method": card, "confirm": True, "return_url": BACK, **more}
        return await self.sdk.payment_intents.create_async(given)  # type: ignore[arg-type]


def mistyped(obj: Mapping[str, Any]) -> list[str]:
    """How an object differs from Stripe's published one: fields that are missing, and values of another type."""
    names = {"NoneType": "null", "dict": "object", "list": "array", "str": "string", "bool": "boolean", "int": "integer", "float": "number"}
    found = []
    for field, types in FIELDS[obj["object"]].items() if "id" in obj else ():
        if field not in obj:
            found.append(f"{obj['object']}.{field} is missing")
        elif names[type(obj[field]).__name__] not in types.split("|"):
            found.append(f"{obj['object']}.{field} is {obj[field]!r}, not {types}")
    return found
