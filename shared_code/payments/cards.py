"""Saved payment methods, and Stripe's hosted pages. None of this is mirrored: Stripe is asked."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared_code.errors import InvalidInput, NotFound

from .catalog import Catalog
from .customers import Customers
from .money import Money
from .objects import reference
from .ports import Actor, Gateway, Object

_ID = re.compile(r"(pm|card|src)_[A-Za-z0-9_]{1,60}", re.ASCII)


class SavedMethods:
    def __init__(self, gateway: Gateway, customers: Customers) -> None:
        self._gateway, self._customers = gateway, customers

    async def set_up(self, actor: Actor, customer_id: str | None, *, key: str) -> Object:
        """A setup intent, with whose ``client_secret`` a page saves a card for later payments."""
        whose = await self._customers.acting(actor, customer_id)
        params = {"customer": whose, "automatic_payment_methods": {"enabled": True}, "usage": "off_session"}
        return (await self._gateway.create("setup_intent", params, key=key)).object

    async def page(self, actor: Actor, customer_id: str | None, *, after: str | None, limit: int) -> tuple[Sequence[Object], bool]:
        """Up to ``limit`` saved methods behind the id ``after``, newest first, and whether there are more."""
        whose = await self._customers.listing(actor, customer_id)
        if whose is None:
            return [], False
        return await self._gateway.list_page("payment_method", starting_after=after, limit=limit, params={"customer": whose})

    async def remove(self, actor: Actor, method_id: str, *, key: str) -> None:
        """Detach a saved method from its customer, for good. Raises NotFound."""
        found = await self._gateway.retrieve("payment_method", method_id) if _ID.fullmatch(method_id) else None
        owner = reference(found.get("customer")) if found else None
        if owner is None or not await self._customers.owns(actor, owner):
            raise NotFound("There is no such payment method.", code="payment_method_not_found")
        await self._gateway.act("payment_method", method_id, "detach", {}, key=key)


class HostedPages:
    def __init__(self, gateway: Gateway, customers: Customers, catalog: Catalog) -> None:
        self._gateway, self._customers, self._catalog = gateway, customers, catalog

    async def checkout(
        self,
        actor: Actor,
        customer_id: str | None,
        *,
        price_id: str | None,
        money: Money | None,
        description: str,
        quantity: int,
        success_url: str,
        cancel_url: str,
        metadata: Mapping[str, str],
        key: str,
    ) -> Object:
        """A checkout session for a price, or for an amount. A price that recurs starts a subscription."""
        item: dict[str, Any] = {"quantity": quantity}
        recurs: bool | None = False
        if price_id is not None:
            item["price"], recurs = price_id, await self._catalog.recurs(price_id)
            if recurs is None:
                raise InvalidInput("There is no such price on sale.", loc=("body", "price_id"), code="price_not_found")
        else:
            assert money is not None, "the caller has seen to it that there is one of the two"
            item["price_data"] = {"currency": money.currency, "unit_amount": money.minor, "product_data": {"name": description}}
        params: dict[str, Any] = {
            "mode": "subscription" if recurs else "payment",
            "customer": await self._customers.acting(actor, customer_id),
            "line_items": [item],
            "success_url": success_url,
            "cancel_url": cancel_url,
            "metadata": dict(metadata),
        }
        # What is made of the session carries the same metadata.
        params["subscription_data" if recurs else "payment_intent_data"] = {"metadata": dict(metadata)}
        return (await self._gateway.create("checkout_session", params, key=key)).object

    async def portal(self, actor: Actor, customer_id: str | None, *, return_url: str, key: str) -> Object:
        """A session of the billing portal, where a customer changes cards, plans and sees invoices."""
        whose = await self._customers.acting(actor, customer_id)
        return (await self._gateway.create("portal_session", {"customer": whose, "return_url": return_url}, key=key)).object
