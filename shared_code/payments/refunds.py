"""Refunds: never more than what was paid, also when several are asked for at once, and also when one of them dies half-way.

What is left of a payment is reserved on its mirrored row, by ETag, before Stripe is asked; what came of it replaces the reservation
in one write. After an answer that did not come, the reservation stays until Stripe has said what it holds.
"""

import asyncio
import random
from collections.abc import Callable

from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.errors import Busy, InvalidInput, LydianError, NotFound, Unavailable
from shared_code.locks import KeyedLocks
from shared_code.storage.ports import Where

from . import money, reservations
from .customers import Customers
from .mirror import Mirror, Stale
from .objects import REQUEST, Record
from .ports import Actor, Gateway
from .service import Payments

TRIES = 12


class Refunds:
    def __init__(self, *, gateway: Gateway, mirror: Mirror, payments: Payments, customers: Customers, clock: Clock, audit: Audit) -> None:
        self._gateway, self._mirror, self._payments, self._customers = gateway, mirror, payments, customers
        self._clock, self._audit = clock, audit
        self._locks = KeyedLocks()

    async def create(self, actor: Actor, payment_id: str, *, amount: str | None, reason: str | None, request: str) -> Record:
        """Refund ``amount`` (major units; None: all that is left). ``request`` names the request: one that is repeated refunds once.

        Raises NotFound; InvalidInput ``payment_not_refundable``, ``refund_exceeds_payment`` and what ``money.parse`` does.
        """
        payment = await self._payments.found(actor, payment_id)
        if payment.status != "succeeded":
            payment = await self._mirror.refresh("payment_intent", payment_id) or payment
        wanted = money.parse(amount, payment.text("currency")).minor if amount is not None else None
        try:
            reserved = await self._reserve(payment, wanted, request)
        except InvalidInput:
            # The first time it may have got as far as Stripe, and its answer been lost.
            if (before := await self._before(payment, request)) is not None:
                return before
            raise
        params = {"payment_intent": payment_id, "amount": reserved, "metadata": {REQUEST: request}}
        if reason is not None:
            params["reason"] = reason
        try:
            answer = await self._gateway.create("refund", params, key=f"lydian-refund-{request}")
        except Unavailable:
            raise  # there may be a refund: the reservation stands until Stripe has been asked
        except LydianError as error:
            if error.code == "idempotency_in_progress":
                raise  # the reservation is that of the request that is running
            await self._release(payment_id, request)
            if error.code in ("charge_already_refunded", "amount_too_large") or "greater than" in error.message:
                raise _exceeds() from None
            raise
        refund = await self._mirror.take("refund", answer, None)
        await self._mirror.refresh("payment_intent", payment_id, settled=request)
        # Also after an answer that Stripe gave before: whoever got it then died before this line.
        await self._audit.record(
            "refund_created", user_id=actor.user_id, refund_id=refund.id, payment_id=payment_id, amount_minor=reserved,
            currency=payment.text("currency"), reason=reason,
        )  # fmt: skip
        return refund

    async def page(self, actor: Actor, *, payment_id: str | None, customer_id: str | None, after: str | None, limit: int) -> list[Record]:
        """Refunds of a payment, or of all of a customer's, newest first. Raises NotFound."""
        if payment_id is not None:
            whose = (await self._payments.found(actor, payment_id)).customer_id or "-"
            where = [Where("payment_intent", "eq", payment_id)]
        else:
            found = await self._customers.listing(actor, customer_id)
            if found is None:
                return []
            whose, where = found, []
        return await self._mirror.page("refund", whose, after=after, limit=limit, where=where)

    async def _reserve(self, payment: Record, wanted: int | None, request: str) -> int:
        """Take ``wanted`` minor units (None: all that is left) from what may be refunded; raises InvalidInput."""
        reserved = 0

        def change(current: Record) -> str | None:
            nonlocal reserved
            if current.status != "succeeded":
                raise InvalidInput(
                    "Only a payment that has succeeded can be refunded.", loc=("body", "payment_intent_id"), code="payment_not_refundable"
                )
            if (own := reservations.of(current).get(request)) is not None:
                # Reserved by an earlier try, whose answer was lost: Stripe gives it again, or carries it out now.
                reserved = own[0]
                return current.text("reserved")
            left = reservations.left(current)
            reserved = left if wanted is None else wanted
            if not 0 < reserved <= left:
                raise _exceeds()
            return reservations.with_one(current, request, reserved, self._clock.now())

        await self._amend(payment, change)
        return reserved

    async def _release(self, payment_id: str, request: str) -> None:
        try:
            await self._mirror.refresh("payment_intent", payment_id, settled=request)  # Stripe knew better what is left
            return
        except LydianError:
            payment = await self._mirror.find("payment_intent", payment_id)
        if payment is not None:
            await self._amend(payment, lambda current: reservations.without(current, request))

    async def _amend(self, payment: Record, change: Callable[[Record], str | None]) -> None:
        """Change the payment's reservations; N refunds of one process wait for each other here."""
        current: Record | None
        async with self._locks.of(payment.id):
            for attempt in range(TRIES):
                current = await self._mirror.find("payment_intent", payment.id)
                if current is not None and reservations.has_abandoned(current, self._clock.now()):
                    current = await self._mirror.refresh("payment_intent", payment.id)
                if current is None:
                    raise NotFound("There is no such payment.", code="payment_not_found")
                try:
                    await self._mirror.amend(current, {"reserved": change(current)})
                    return
                except Stale:
                    await asyncio.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 5)))
        raise Busy("This payment is being refunded by too many at once.")

    async def _before(self, payment: Record, request: str) -> Record | None:
        """The refund that this very request made before."""
        where = [Where("request", "eq", request)]
        found = await self._mirror.page("refund", payment.customer_id or "-", limit=1, where=where)
        return found[0] if found else None


def _exceeds() -> InvalidInput:
    return InvalidInput("That is more than what is left of the payment.", loc=("body", "amount"), code="refund_exceeds_payment")
