"""Payments."""

from functools import cached_property
from typing import TYPE_CHECKING

from shared_code.errors import NotConfigured

from .files import FilesParts

if TYPE_CHECKING:
    from shared_code.payments.cards import HostedPages, SavedMethods
    from shared_code.payments.catalog import Catalog
    from shared_code.payments.customers import Customers
    from shared_code.payments.gateway import StripeGateway
    from shared_code.payments.mirror import Mirror
    from shared_code.payments.ports import Contact
    from shared_code.payments.refunds import Refunds
    from shared_code.payments.service import Payments
    from shared_code.payments.subscriptions import Subscriptions


class PaymentsParts(FilesParts):
    @cached_property
    def payments_gateway(self) -> "StripeGateway":
        """Raises NotConfigured without STRIPE_SECRET_KEY; so does all that is built on it."""
        if not self.settings.stripe_secret_key:
            raise NotConfigured("Payments are not configured here: STRIPE_SECRET_KEY is not set.", code="payments_not_configured")
        from shared_code.payments.gateway import StripeGateway

        return StripeGateway(self.settings.stripe_secret_key, self.settings.stripe_api_base)

    @cached_property
    def payments_mirror(self) -> "Mirror":
        from shared_code.payments.mirror import Mirror
        from shared_code.payments.stats import FEED

        async def forget(customer_id: str) -> None:
            await self.payments_customers.forget(customer_id)

        return Mirror(self.storage.tables, self.payments_gateway, self.clock, forget=forget, changes=self.changes(FEED))

    @cached_property
    def payments_customers(self) -> "Customers":
        from shared_code.payments.customers import Customers

        return Customers(tables=self.storage.tables, gateway=self.payments_gateway, mirror=self.payments_mirror, people=_People(self))

    @cached_property
    def payments(self) -> "Payments":
        from shared_code.payments.service import Payments

        return Payments(gateway=self.payments_gateway, mirror=self.payments_mirror, customers=self.payments_customers, clock=self.clock)

    @cached_property
    def payments_refunds(self) -> "Refunds":
        from shared_code.payments.refunds import Refunds

        return Refunds(
            gateway=self.payments_gateway,
            mirror=self.payments_mirror,
            payments=self.payments,
            customers=self.payments_customers,
            clock=self.clock,
            audit=self.audit,
        )

    @cached_property
    def payments_subscriptions(self) -> "Subscriptions":
        from shared_code.payments.subscriptions import Subscriptions

        return Subscriptions(
            gateway=self.payments_gateway,
            mirror=self.payments_mirror,
            customers=self.payments_customers,
            trial_days=self.settings.payments_trial_days,
        )

    @cached_property
    def payments_catalog(self) -> "Catalog":
        from shared_code.payments.catalog import Catalog

        return Catalog(self.payments_gateway, self.clock)

    @cached_property
    def payments_methods(self) -> "SavedMethods":
        from shared_code.payments.cards import SavedMethods

        return SavedMethods(self.payments_gateway, self.payments_customers)

    @cached_property
    def payments_pages(self) -> "HostedPages":
        from shared_code.payments.cards import HostedPages

        return HostedPages(self.payments_gateway, self.payments_customers, self.payments_catalog)


class _People:
    """Payments' port for who a user is, kept by auth."""

    def __init__(self, container: PaymentsParts) -> None:
        self._container = container

    async def contact(self, user_id: str) -> "Contact | None":
        from shared_code.payments.ports import Contact

        user = await self._container.accounts.get(user_id)
        return Contact(user.email, user.name) if user else None
