"""What can be bought: Stripe's active prices, asked for once a minute at most."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared_code.clock import Clock
from shared_code.coalesce import Coalescer
from shared_code.errors import RateLimited, Unavailable

from .gateway_errors import timed_out
from .objects import reference
from .ports import Gateway, Object

CACHED_FOR = timedelta(minutes=1)
PAGE, MAX_PAGES = 100, 20
PATIENCE = 5.0
"""Seconds that a page which shows prices waits for Stripe at most."""


@dataclass(frozen=True, slots=True)
class Price:
    """``amount`` is in minor units, None where Stripe works it out (tiers, or what the customer chooses); ``interval`` is None for
    a price that is paid once."""

    id: str
    product_id: str
    product: str
    amount: int | None
    currency: str
    interval: str | None
    interval_count: int | None


class Catalog:
    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway, self._clock = gateway, clock
        self._known: tuple[datetime, list[Price]] | None = None
        # Those who ask while Stripe is asked get that answer, or that failure: none of them asks again.
        self._asking: Coalescer[None, list[Price]] = Coalescer(self._ask, group=1000)

    async def prices(self) -> list[Price]:
        """All active prices of active products, as Stripe lists them: newest first. While Stripe is down, those of before."""
        return self._current() or await self._asking.submit("prices", None)

    def _current(self) -> list[Price] | None:
        fresh = self._known is not None and self._clock.now() - self._known[0] < CACHED_FOR
        return self._known[1] if fresh and self._known else None

    async def _ask(self, key: str, asked: Sequence[None]) -> Sequence[list[Price]]:
        prices = self._current()
        if prices is None:
            try:
                prices = await self._fetch_soon()
            except (Unavailable, RateLimited):
                if self._known is None:
                    raise
                prices = self._known[1]
            self._known = (self._clock.now(), prices)
        return [prices] * len(asked)

    async def recurs(self, price_id: str) -> bool | None:
        """Whether a price is paid again and again; None for one that is not on sale."""
        found = next((price for price in await self.prices() if price.id == price_id), None)
        return None if found is None else found.interval is not None

    async def _fetch_soon(self) -> list[Price]:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._fetch()
        except TimeoutError:
            raise timed_out() from None

    async def _fetch(self) -> list[Price]:
        found: list[Price] = []
        after: str | None = None
        for _ in range(MAX_PAGES):
            page, more = await self._gateway.list_page("price", starting_after=after, limit=PAGE, params={"active": True})
            found += [_price(each) for each in page if _on_sale(each)]
            if not more or not page:
                break
            after = str(page[-1]["id"])
        return found


def _on_sale(price: Object) -> bool:
    product = price.get("product")
    return isinstance(product, dict) and bool(product.get("active")) and not product.get("deleted")


def _price(price: Object) -> Price:
    product, recurring = price["product"], price.get("recurring") or {}
    return Price(
        id=str(price["id"]),
        product_id=reference(product) or "",
        product=str(product.get("name") or ""),
        amount=price.get("unit_amount"),
        currency=str(price["currency"]),
        interval=recurring.get("interval"),
        interval_count=recurring.get("interval_count"),
    )
