"""What tests of payments work with: customers' clients, an administrator's, and the Stripe behind them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from local.stripe.server import StripeServer
from shared_code.payments.gateway import StripeGateway
from shared_code.storage.memory import MemoryStorage
from tests.unit.apps import App, bearer, make_app, register

KEY = "sk_test_" + "0123456789abcdef"
WEBHOOK = "whsec_" + "0123456789abcdef"
ADMIN = "admin@example.com"


class Wire(httpx.ASGITransport):
    """The way to Stripe: every request that went along it, and what happens to the next ones."""

    def __init__(self, server: StripeServer) -> None:
        super().__init__(server)
        self.requests: list[httpx.Request] = []
        self.lost: list[Exception] = []
        """Raised after Stripe has carried out a request that changes something, instead of its answer."""
        self.refuse_email = False
        self.answers = asyncio.Event()
        """Cleared: Stripe takes requests and says nothing."""
        self.answers.set()

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await self.answers.wait()
        if self.refuse_email and b"email=" in request.content:
            error = {"type": "invalid_request_error", "code": "email_invalid", "param": "email", "message": "Invalid email address"}
            return httpx.Response(400, json={"error": error})
        response = await super().handle_async_request(request)
        if self.lost and request.method != "GET":
            raise self.lost.pop(0)
        return response


SETTINGS = {
    "ENVIRONMENT": "local",
    "ADMIN_EMAILS": ADMIN,
    "STRIPE_SECRET_KEY": KEY,
    "STRIPE_PUBLISHABLE_KEY": "pk_test_shown",
    "STRIPE_WEBHOOK_SECRET": WEBHOOK,
    "PUBLIC_BASE_URL": "https://shop.example",
}


class Shop:
    def __init__(self, storage: MemoryStorage | None = None, **environ: str) -> None:
        self.app: App = make_app(storage=storage, **{**SETTINGS, **environ})
        self.stripe = StripeServer(webhook_secret=WEBHOOK, clock=lambda: self.app.clock.now().timestamp())
        self.wire = Wire(self.stripe)
        self.gateway = self.connect(self.app)
        self._control = httpx.AsyncClient(transport=httpx.ASGITransport(self.stripe), base_url="http://stripe.test")
        self._clients: list[httpx.AsyncClient] = []

    def connect(self, app: App) -> StripeGateway:
        """Give an app this Stripe."""
        gateway = StripeGateway(app.container.settings.stripe_secret_key, "http://stripe.test", transport=self.wire)
        app.container.__dict__["payments_gateway"] = gateway  # where cached_property keeps it
        return gateway

    def sibling(self) -> App:
        """Another process of the same shop."""
        app = self.app.sibling(**SETTINGS)
        self.connect(app)
        return app

    async def user(self, email: str | None = None, app: App | None = None) -> "Customer":
        """A new account's client."""
        client = (app or self.app).client()
        self._clients.append(client)
        account = await register(client, email, name="Ada")
        client.headers.update(bearer(account["access_token"]))
        return Customer(client, account["user"]["id"])

    async def admin(self) -> "Customer":
        return await self.user(ADMIN)

    async def control(self, name: str, body: Mapping[str, Any] | None = None) -> Any:
        """What tests may do to Stripe that its users can't."""
        answer = await self._control.post(f"/_test/{name}", json=body or {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def at_stripe(self, kind: str) -> list[dict[str, Any]]:
        """Everything that Stripe holds of a kind, oldest first."""
        answer = await self._control.get(f"/_test/state/{kind}")
        found: list[dict[str, Any]] = answer.json()
        return found

    async def aclose(self) -> None:
        for client in [*self._clients, self._control]:
            await client.aclose()
        await self.gateway.aclose()
        await self.stripe.stop()


class Customer:
    """One account's client."""

    def __init__(self, http: httpx.AsyncClient, user_id: str) -> None:
        self.http, self.user_id = http, user_id

    async def post(self, path: str, key: str | None = None, **body: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers={"Idempotency-Key": key} if key else {})

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query or None)

    async def payment(self, amount: str = "49.99", **body: Any) -> dict[str, Any]:
        """A new payment."""
        answer = await self.post("/api/payments/create-payment-intent", amount=amount, **body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def confirm(self, payment_id: str, method: str = "pm_card_visa", **more: Any) -> httpx.Response:
        return await self.post("/api/payments/confirm-payment", payment_intent_id=payment_id, payment_method=method, **more)

    async def paid(self, amount: str = "49.99", **body: Any) -> dict[str, Any]:
        """A payment that has succeeded."""
        answer = await self.confirm((await self.payment(amount, **body))["id"])
        assert answer.status_code == 200, answer.text
        paid: dict[str, Any] = answer.json()
        assert paid["status"] == "succeeded"
        return paid
