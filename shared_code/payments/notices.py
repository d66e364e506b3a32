"""The mails that payments lead to: a receipt for money that came, and word of money that did not.

They follow from what Stripe holds now, not from what an event said, and each has a key: an event that is processed twice mails
once. Stripe's own receipts should be off (Dashboard, Customer emails), or people get two.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared_code.mail.ports import Mail, Mailer

from .event_targets import Kind
from .inbox import InboxEvent
from .money import show
from .objects import reference
from .ports import Contact

ContactOf = Callable[[str], Awaitable[Contact | None]]
"""Who is behind a Stripe customer id."""
PortalLink = Callable[[str], Awaitable[str]]
"""Where a customer can put their cards in order."""


class Notices:
    def __init__(self, mailer: Mailer, contact_of: ContactOf, portal_link: PortalLink) -> None:
        self._mailer, self._contact_of, self._portal_link = mailer, contact_of, portal_link

    async def follow(self, event: InboxEvent, fetched: Mapping[Kind, Mapping[str, Any]]) -> None:
        """Mail what the event's objects, as they are now, ask for."""
        payment, invoice = fetched.get("payment_intent"), fetched.get("invoice")
        if event.type == "payment_intent.succeeded" and payment is not None and payment.get("status") == "succeeded":
            await self._receipt(payment)
        if event.type == "invoice.payment_failed" and invoice is not None and invoice.get("status") == "open":
            await self._failed(invoice)

    async def _receipt(self, payment: Mapping[str, Any]) -> None:
        contact = await self._contact(payment.get("customer"))
        to = payment.get("receipt_email") or (contact.email if contact else None)
        if not to:
            return
        values = {
            "amount": show(int(payment.get("amount_received") or payment["amount"]), str(payment["currency"])),
            "currency": str(payment["currency"]).upper(),
            "description": str(payment.get("description") or ""),
            "number": str(payment["id"]),
        }
        await self._mailer.send(Mail(str(to), "receipt", values, name=contact.name if contact else None, key=f"receipt:{payment['id']}"))

    async def _failed(self, invoice: Mapping[str, Any]) -> None:
        customer_id = reference(invoice.get("customer"))
        contact = await self._contact(customer_id)
        to = contact.email if contact else invoice.get("customer_email")
        if customer_id is None or not to:
            return
        # The invoice's own page takes the money for 30 days; a portal session lives for minutes only.
        link = invoice.get("hosted_invoice_url") or await self._portal_link(customer_id)
        values = {
            "amount": show(int(invoice.get("amount_due") or 0), str(invoice["currency"])),
            "currency": str(invoice["currency"]).upper(),
            "portal_url": str(link),
        }
        key = f"payment_failed:{invoice['id']}:{invoice.get('attempt_count') or 0}"
        await self._mailer.send(Mail(str(to), "payment_failed", values, name=contact.name if contact else None, key=key))

    async def _contact(self, customer: Any) -> Contact | None:
        customer_id = reference(customer)
        return await self._contact_of(customer_id) if customer_id else None
