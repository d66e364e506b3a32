"""The AI gateway's money: budgets, limits, usage and everybody's figures."""

from functools import cached_property
from typing import TYPE_CHECKING

from .inbox import InboxParts

if TYPE_CHECKING:
    from shared_code.ai.ledger import Ledger
    from shared_code.ai.meter import BudgetMeter


class MeteringParts(InboxParts):
    @cached_property
    def ai_ledger(self) -> "Ledger":
        from shared_code.ai.ledger import Ledger
        from shared_code.ai.money import micro_of

        default = self.settings.ai_default_budget_usd
        named = any("ai_monthly_usd" in limits for limits in self.settings.plans.values())
        return Ledger(
            self.storage.tables,
            self.clock,
            default=None if default is None else micro_of(default),
            plans=_PlanBudgets(self) if named else None,
        )

    @cached_property
    def meter(self) -> "BudgetMeter":
        from shared_code.ai.key_limits import KeyRates
        from shared_code.ai.meter import BudgetMeter
        from shared_code.rate_limit import QuickLimiter

        return BudgetMeter(self.ai_ledger, KeyRates(QuickLimiter(self.storage.tables, self.clock)), self.clock)


class _PlanBudgets:
    """The gateway's port for what plans give."""

    def __init__(self, container: MeteringParts) -> None:
        self._container = container

    async def budget_of(self, user_id: str) -> int | None:
        from shared_code.ai.money import micro_of

        entitlement = await self._container.entitlements.of(user_id)
        dollars = entitlement.limits.get("ai_monthly_usd") if entitlement else None
        return None if dollars is None else micro_of(dollars)
