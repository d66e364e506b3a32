"""Stripe through its SDK, which nothing else imports but its HTTP client beside this.

It is loaded when first asked, in a thread, since that takes 0.3 s.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from shared_code.errors import LydianError, NotFound

from .gateway_errors import timed_out, translate
from .ports import Answer, Kind, Object

if TYPE_CHECKING:
    import httpx

CONNECT, READ, WHOLE = 5.0, 20.0, 30.0
"""Seconds for a connection, between two pieces of an answer, and for a call with all its tries."""
RETRIES = 2
"""Further tries of a call that found no connection, or that Stripe asks to repeat; its idempotency key makes that safe."""

CHECKED_FOR = 5.0

_SERVICES: Mapping[Kind, str] = {
    "payment_intent": "payment_intents",
    "subscription": "subscriptions",
    "invoice": "invoices",
    "refund": "refunds",
    "customer": "customers",
    "payment_method": "payment_methods",
    "setup_intent": "setup_intents",
    "price": "prices",
    "checkout_session": "checkout.sessions",
    "portal_session": "billing_portal.sessions",
    "event": "events",
}
# What the mirror keeps of an object is partly in these.
_EXPANDED: Mapping[Kind, Sequence[str]] = {"payment_intent": ["latest_charge"], "price": ["product"]}
# What a list leaves out unless it is asked for.
_WHOLE_LIST: Mapping[Kind, Object] = {"subscription": {"status": "all"}}


class StripeGateway:
    """The port Gateway over Stripe's API at ``base``. ``api_key`` is never logged and in no message."""

    def __init__(self, api_key: str, base: str, *, transport: "httpx.AsyncBaseTransport | None" = None) -> None:
        """``transport``: other than the network, for tests."""
        self._api_key, self._base, self._transport = api_key, base, transport
        self._client: asyncio.Future[tuple[Any, Any]] | None = None
        self._checking = asyncio.Lock()
        self._checked: tuple[float, LydianError | None] | None = None

    async def create(self, kind: Kind, params: Object, *, key: str) -> Answer:
        return await self._change(kind, "create", (), params, key)

    async def update(self, kind: Kind, object_id: str, params: Object, *, key: str) -> Answer:
        return await self._change(kind, "update", (object_id,), params, key)

    async def act(self, kind: Kind, object_id: str, verb: str, params: Object, *, key: str) -> Answer:
        return await self._change(kind, verb, (object_id,), params, key)

    async def retrieve(self, kind: Kind, object_id: str) -> Object | None:
        try:
            found = await self._call(kind, "retrieve", (object_id,), _expanding(kind, {}), {})
        except NotFound:
            return None
        return _plain(found)

    async def list_page(
        self, kind: Kind, *, starting_after: str | None, limit: int, params: Object | None = None
    ) -> tuple[Sequence[Object], bool]:
        wanted = {**_WHOLE_LIST.get(kind, {}), **(params or {}), "limit": limit}
        if kind in _EXPANDED:
            wanted["expand"] = [f"data.{name}" for name in _EXPANDED[kind]]
        if starting_after is not None:
            wanted["starting_after"] = starting_after
        page = _plain(await self._call(kind, "list", (), wanted, {}))
        return page["data"], bool(page["has_more"])

    async def check(self) -> None:
        """At most one request in CHECKED_FOR seconds: anyone may ask whether we are well."""
        async with self._checking:
            now = asyncio.get_running_loop().time()
            if self._checked is None or now - self._checked[0] > CHECKED_FOR:
                try:
                    await self.list_page("price", starting_after=None, limit=1)
                    self._checked = (now, None)
                except LydianError as error:
                    self._checked = (now, error)
            failure = self._checked[1]
        if failure is not None:
            raise failure

    async def aclose(self) -> None:
        if self._client is not None:
            _, http = await self._client
            await http.close_async()

    async def _change(self, kind: Kind, verb: str, names: tuple[str, ...], params: Object, key: str) -> Answer:
        found = await self._call(kind, verb, names, _expanding(kind, params), {"idempotency_key": key})
        response = found.last_response
        return Answer(_plain(found), replayed=response is not None and response.headers.get("idempotent-replayed") == "true")

    async def _call(self, kind: Kind, verb: str, names: tuple[str, ...], params: Object, options: Mapping[str, str]) -> Any:
        """One call of the SDK; raises ours in the place of its errors."""
        client = await self._opened()
        method = getattr(attrgetter(_SERVICES[kind])(client.v1), f"{verb}_async")
        call: Awaitable[Any] = method(*names, dict(params), dict(options))
        try:
            async with asyncio.timeout(WHOLE):
                return await call
        except TimeoutError:
            raise timed_out() from None
        except LydianError:
            raise
        except Exception as error:
            if not _is_of_stripe(error):
                raise
            raise translate(error) from None  # the SDK's own holds headers and bodies that no log should

    async def _opened(self) -> Any:
        """The SDK's client, made once."""
        if self._client is None:
            self._client = asyncio.ensure_future(asyncio.to_thread(self._open))
        client, _ = await asyncio.shield(self._client)
        return client

    def _open(self) -> tuple[Any, Any]:
        import httpx
        import stripe

        from .gateway_http import StripeHttp

        http = StripeHttp(httpx.Timeout(READ, connect=CONNECT), self._transport)
        client = stripe.StripeClient(self._api_key, base_addresses={"api": self._base}, http_client=http, max_network_retries=RETRIES)
        return client, http


def _expanding(kind: Kind, params: Object) -> Object:
    expanded = [*_EXPANDED.get(kind, ()), *params.get("expand", ())]
    return {**params, "expand": expanded} if expanded else params


def _plain(found: Any) -> dict[str, Any]:
    plain: dict[str, Any] = found.to_dict(for_json=True)
    return plain


def _is_of_stripe(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in ("stripe", "httpx", "httpcore")
