"""Subscriptions, and the invoices that come of them."""

import re
from collections.abc import Mapping
from typing import Any

from shared_code.errors import Conflict, InvalidInput, NotFound
from shared_code.storage.ports import Where

from .customers import Customers
from .mirror import Mirror
from .objects import Record
from .ports import Actor, Answer, Gateway, Object

_ID = re.compile(r"sub_[A-Za-z0-9]{1,60}", re.ASCII)
ENDED = frozenset({"canceled", "incomplete_expired"})


class Subscriptions:
    def __init__(self, *, gateway: Gateway, mirror: Mirror, customers: Customers, trial_days: int) -> None:
        """``trial_days``: the longest trial that a user may begin with; administrators give any."""
        self._gateway, self._mirror, self._customers, self._trial_days = gateway, mirror, customers, trial_days

    async def create(
        self,
        actor: Actor,
        customer_id: str | None,
        *,
        price_id: str,
        quantity: int,
        trial_period_days: int | None,
        metadata: Mapping[str, str],
        key: str,
    ) -> tuple[Record, str | None]:
        """A new subscription, and the secret with which a page confirms its first payment, if it needs one.

        With a saved card (the customer's default, else the newest) the first payment is tried at once; without one the
        subscription is ``incomplete`` until a page confirms it.
        """
        whose = await self._customers.acting(actor, customer_id)
        if trial_period_days and not actor.admin:
            await self._check_trial(whose, trial_period_days)
        card = await self._card(whose)
        params: dict[str, Any] = {
            "customer": whose,
            "items": [{"price": price_id, "quantity": quantity}],
            "metadata": dict(metadata),
            "payment_behavior": "allow_incomplete" if card else "default_incomplete",
            "payment_settings": {"save_default_payment_method": "on_subscription"},
            "expand": ["latest_invoice.confirmation_secret"],
        }
        if card:
            params["default_payment_method"] = card
        if trial_period_days:
            params["trial_period_days"] = trial_period_days
        answer = await self._gateway.create("subscription", params, key=key)
        record = await self._mirror.take("subscription", answer, None)
        await self._take_invoice(answer)
        return record, _secret(answer.object) if record.status == "incomplete" else None

    async def _check_trial(self, customer_id: str, days: int) -> None:
        """A plan is not had for nothing twice: raises InvalidInput for a trial that is too long, or not the customer's first."""
        if days > self._trial_days:
            message = f"A trial lasts {self._trial_days} days at most."
            raise InvalidInput(message, loc=("body", "trial_period_days"), code="trial_too_long")
        after = None
        while page := await self._mirror.page("subscription", customer_id, after=after, limit=100):
            if any(record.moment("trial_end") for record in page):
                raise InvalidInput("The free trial has been used already.", loc=("body", "trial_period_days"), code="trial_used")
            after = page[-1].key

    async def get(self, actor: Actor, subscription_id: str) -> Record:
        """Raises NotFound, also for another's."""
        record = None
        if _ID.fullmatch(subscription_id):
            record = await self._mirror.find("subscription", subscription_id)
            record = record or await self._mirror.refresh("subscription", subscription_id)
        if record is None or not await self._customers.owns(actor, record.customer_id):
            raise NotFound("There is no such subscription.", code="subscription_not_found")
        return record

    async def page(self, actor: Actor, customer_id: str | None, *, status: str | None, after: str | None, limit: int) -> list[Record]:
        whose = await self._customers.listing(actor, customer_id)
        where = [Where("status", "eq", status)] if status else []
        return [] if whose is None else await self._mirror.page("subscription", whose, after=after, limit=limit, where=where)

    async def invoices(
        self, actor: Actor, customer_id: str | None, *, subscription_id: str | None, after: str | None, limit: int
    ) -> list[Record]:
        whose = await self._customers.listing(actor, customer_id)
        where = [Where("subscription_id", "eq", subscription_id)] if subscription_id else []
        return [] if whose is None else await self._mirror.page("invoice", whose, after=after, limit=limit, where=where)

    async def update(
        self,
        actor: Actor,
        subscription_id: str,
        *,
        price_id: str | None,
        quantity: int | None,
        metadata: Mapping[str, str] | None,
        proration_behavior: str | None,
        key: str,
    ) -> Record:
        """Change what is given. Raises Conflict ``subscription_ended``."""
        known = await self._live(actor, subscription_id)
        params: dict[str, Any] = {}
        item = {name: value for name, value in (("price", price_id), ("quantity", quantity)) if value is not None}
        if item:
            params["items"] = [{"id": known.text("item_id"), **item}]
        if metadata is not None:
            params["metadata"] = dict(metadata)
        if proration_behavior is not None:
            params["proration_behavior"] = proration_behavior
        return await self._changed(known, await self._gateway.update("subscription", subscription_id, params, key=key))

    async def cancel(self, actor: Actor, subscription_id: str, *, at_period_end: bool, key: str) -> Record:
        """End it now, or when what was paid for is over. One that has ended stays so. Raises NotFound."""
        known = await self.get(actor, subscription_id)
        if known.status in ENDED:
            return known
        if at_period_end:
            params = {"cancel_at_period_end": True}
            return await self._changed(known, await self._gateway.update("subscription", subscription_id, params, key=key))
        try:
            answer = await self._gateway.act("subscription", subscription_id, "cancel", {}, key=key)
        except NotFound:  # Stripe's answer for one that has ended meanwhile
            return await self._mirror.refresh("subscription", subscription_id) or known
        return await self._changed(known, answer)

    async def _live(self, actor: Actor, subscription_id: str) -> Record:
        known = await self.get(actor, subscription_id)
        if known.status in ENDED:
            raise Conflict("This subscription has ended.", code="subscription_ended")
        return known

    async def _changed(self, known: Record, answer: Answer) -> Record:
        record = await self._mirror.take("subscription", answer, known)
        invoice = record.text("latest_invoice")
        if invoice and invoice != known.text("latest_invoice"):
            await self._mirror.refresh("invoice", invoice)
        return record

    async def _take_invoice(self, answer: Answer) -> None:
        invoice = answer.object.get("latest_invoice")
        if isinstance(invoice, Mapping):
            await self._mirror.take("invoice", Answer(invoice, answer.replayed), None)

    async def _card(self, customer_id: str) -> str | None:
        customer = await self._mirror.find("customer", customer_id)
        if customer is not None and customer.text("default_payment_method"):
            return customer.text("default_payment_method")
        saved, _ = await self._gateway.list_page("payment_method", starting_after=None, limit=1, params={"customer": customer_id})
        return str(saved[0]["id"]) if saved else None


def _secret(subscription: Object) -> str | None:
    invoice = subscription.get("latest_invoice")
    secret = invoice.get("confirmation_secret") if isinstance(invoice, Mapping) else None
    return secret.get("client_secret") if isinstance(secret, Mapping) else None
