"""Payments: made, confirmed, looked up and listed."""

import asyncio
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared_code.clock import Clock
from shared_code.errors import Conflict, LydianError, NotFound, PaymentDeclined
from shared_code.storage.ports import Where

from .customers import Customers
from .mirror import Mirror, seen_within
from .money import Money
from .objects import Record
from .ports import Actor, Gateway

FINAL = frozenset({"succeeded", "canceled"})
"""Statuses that only refunds and disputes come after."""
FRESH_SECONDS = 2.0
"""A payment that is under way is asked of Stripe at most this often, however many look at it."""

PATIENCE = 3.0
"""Seconds that who looks at a payment waits for Stripe, before the mirror answers."""

_ID = re.compile(r"pi_[A-Za-z0-9_]{1,61}", re.ASCII)


class Payments:
    def __init__(self, *, gateway: Gateway, mirror: Mirror, customers: Customers, clock: Clock) -> None:
        self._gateway, self._mirror, self._customers, self._clock = gateway, mirror, customers, clock

    async def create(
        self,
        actor: Actor,
        money: Money,
        *,
        customer_id: str | None,
        description: str | None,
        receipt_email: str | None,
        metadata: Mapping[str, str],
        key: str,
    ) -> Record:
        """A new payment of the customer, to be confirmed with ``client_secret`` by a page, or by ``confirm``."""
        params: dict[str, Any] = {
            "amount": money.minor,
            "currency": money.currency,
            "customer": await self._customers.acting(actor, customer_id),
            "automatic_payment_methods": {"enabled": True},
            "metadata": dict(metadata),
        }
        if description:
            params["description"] = description
        if receipt_email:
            params["receipt_email"] = receipt_email
        return await self._mirror.take("payment_intent", await self._gateway.create("payment_intent", params, key=key), None)

    async def confirm(self, actor: Actor, payment_id: str, *, payment_method: str | None, return_url: str, key: str) -> Record:
        """Try to take the money. Raises PaymentDeclined, after which the payment shows why; Conflict where its status forbids it."""
        known = await self._found(actor, payment_id)
        params = {"return_url": return_url, **({"payment_method": payment_method} if payment_method else {})}
        try:
            answer = await self._gateway.act("payment_intent", payment_id, "confirm", params, key=key)
        except (PaymentDeclined, Conflict) as error:
            await self._try_refresh(payment_id)
            raise error from None
        return await self._mirror.take("payment_intent", answer, known)

    async def get(self, actor: Actor, payment_id: str) -> Record:
        """The payment as it is: one that is under way is asked of Stripe, unless Stripe does not answer. Raises NotFound."""
        known = await self._found(actor, payment_id)
        if known.status in FINAL or seen_within(known, self._clock.now(), FRESH_SECONDS):
            return known
        return await self._try_refresh(payment_id) or known

    async def history(
        self,
        actor: Actor,
        *,
        customer_id: str | None,
        since: datetime | None,
        until: datetime | None,
        status: str | None,
        after: str | None,
        limit: int,
    ) -> list[Record]:
        """Payments of a customer, newest first, created at or after ``since`` and before ``until``; from the mirror alone."""
        whose = await self._customers.listing(actor, customer_id)
        if whose is None:
            return []
        # Stripe counts whole seconds: the first that is not before a moment.
        first, last = (None if moment is None else math.ceil(moment.timestamp()) for moment in (since, until))
        where = [Where("status", "eq", status)] if status else []
        return await self._mirror.page("payment_intent", whose, after=after, limit=limit, since=first, until=last, where=where)

    async def found(self, actor: Actor, payment_id: str) -> Record:
        """The mirrored payment, fetched when the mirror has none; raises NotFound, also for another's."""
        return await self._found(actor, payment_id)

    async def _found(self, actor: Actor, payment_id: str) -> Record:
        record = None
        if _ID.fullmatch(payment_id):
            # Stripe may know one that the mirror lost: whoever made it died before it was written down.
            record = await self._mirror.find("payment_intent", payment_id) or await self._mirror.refresh("payment_intent", payment_id)
        if record is None or not await self._customers.owns(actor, record.customer_id):
            raise NotFound("There is no such payment.", code="payment_not_found")
        return record

    async def _try_refresh(self, payment_id: str) -> Record | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._mirror.refresh("payment_intent", payment_id)
        except (LydianError, TimeoutError):
            return None  # a webhook will bring it
