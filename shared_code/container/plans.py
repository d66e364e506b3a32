"""What a user's plan entitles them to, for the services that go by it. It is read from payments' tables, without Stripe."""

from functools import cached_property
from typing import TYPE_CHECKING

from .leaving import LeavingParts

if TYPE_CHECKING:
    from shared_code.payments.entitlements import Entitlements


class PlansParts(LeavingParts):
    @cached_property
    def entitlements(self) -> "Entitlements":
        from shared_code.payments.customers import CUSTOMER_KEY, TABLE
        from shared_code.payments.entitlements import Entitlements

        async def customer_of(user_id: str) -> str | None:
            row = await self.storage.tables.get(TABLE, user_id, CUSTOMER_KEY)
            return str(row.values["customer_id"]) if row else None

        return Entitlements(tables=self.storage.tables, clock=self.clock, customer_of=customer_of, plans=self.settings.plans)

    @property
    def plan_quota(self) -> "_PlanQuota | None":
        """Files' port for quotas of plans; None where PLANS names none, so that nothing is looked up."""
        named = any("files_quota_bytes" in limits for limits in self.settings.plans.values())
        return _PlanQuota(self) if named else None


class _PlanQuota:
    def __init__(self, container: PlansParts) -> None:
        self._container = container

    async def quota_of(self, owner_id: str) -> int | None:
        entitlement = await self._container.entitlements.of(owner_id)
        quota = entitlement.limits.get("files_quota_bytes") if entitlement else None
        return None if quota is None else int(quota)
