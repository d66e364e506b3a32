"""Payments' other half: Stripe's events, reconciliation, statistics, and what follows from them."""

import secrets
from functools import cached_property
from typing import TYPE_CHECKING

from .payments import PaymentsParts

if TYPE_CHECKING:
    from shared_code.auth.ports import Exporter
    from shared_code.payments.events import PaymentsEvents
    from shared_code.payments.inbox import Inbox
    from shared_code.payments.notices import Notices
    from shared_code.payments.ports import Contact
    from shared_code.payments.processing import Processor
    from shared_code.payments.reconcile import Reconciliation
    from shared_code.payments.removal import Removal
    from shared_code.payments.stats import PaymentStatistics


class InboxParts(PaymentsParts):
    @cached_property
    def payments_inbox(self) -> "Inbox":
        from shared_code.payments.inbox import Inbox

        return Inbox(self.storage.tables, self.clock, self.events)

    @cached_property
    def payments_processor(self) -> "Processor":
        from shared_code.payments.processing import Processor

        return Processor(self.payments_inbox, self.payments_mirror, self.payments_notices.follow, self.clock)

    @cached_property
    def payments_notices(self) -> "Notices":
        from shared_code.payments.notices import Notices

        return Notices(self.mailer, self._customer_contact, self._portal_link)

    @cached_property
    def payments_reconciliation(self) -> "Reconciliation":
        from shared_code.payments.reconcile import Reconciliation

        return Reconciliation(
            tables=self.storage.tables, clock=self.clock, source=self.payments_gateway, mirror=self.payments_mirror, audit=self.audit
        )

    @cached_property
    def payments_statistics(self) -> "PaymentStatistics":
        from shared_code.payments.stats import FEED, PaymentStatistics

        return PaymentStatistics(self.storage.tables, self.clock, self.changes(FEED))

    @cached_property
    def payments_removal(self) -> "Removal":
        from shared_code.payments.removal import Removal

        return Removal(
            tables=self.storage.tables,
            customers=self.payments_customers,
            gateway=self.payments_gateway,
            mirror=self.payments_mirror,
        )

    def exporters(self) -> "list[Exporter]":
        from shared_code.payments.export import PaymentsExport

        return [*super().exporters(), PaymentsExport(self.storage.tables, self.clock)]

    @cached_property
    def payments_events(self) -> "PaymentsEvents":
        from shared_code.payments.events import PaymentsEvents

        return PaymentsEvents(lambda: self.payments_processor, self._remove_user, self.events)

    async def _remove_user(self, user_id: str) -> None:
        from shared_code.payments.customers import CUSTOMER_KEY, TABLE

        # Where there is no Stripe, nobody is its customer, and accounts must be deletable all the same.
        if await self.storage.tables.get(TABLE, user_id, CUSTOMER_KEY) is not None:
            await self.payments_removal.remove(user_id)

    async def _customer_contact(self, customer_id: str) -> "Contact | None":
        from shared_code.payments.ports import Contact

        user_id = await self.payments_customers.owner_of(customer_id)
        user = await self.accounts.get(user_id) if user_id else None
        return Contact(user.email, user.name) if user else None

    async def _portal_link(self, customer_id: str) -> str:
        from shared_code.payments.ports import Actor

        return_url = self.settings.public_base_url or "http://localhost:7071"
        key = f"lydian-portal-{secrets.token_hex(16)}"  # a session each time: they live for minutes
        session = await self.payments_pages.portal(Actor("", admin=True), customer_id, return_url=return_url, key=key)
        return str(session["url"])
