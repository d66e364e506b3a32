"""The AI gateway's money: budgets, limits, usage and everybody's figures."""

from functools import cached_property
from typing import TYPE_CHECKING

from .inbox import InboxParts

if TYPE_CHECKING:
    from shared_code.ai.events import AiEvents
    from shared_code.ai.ledger import Ledger
    from shared_code.ai.meter import BudgetMeter
    from shared_code.ai.purge import AiPurge
    from shared_code.ai.stats import AiStatistics, UsageChanges
    from shared_code.ai.usage import UsageReports
    from shared_code.auth.ports import Exporter


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
            changes=self._ai_changes,
        )

    @cached_property
    def meter(self) -> "BudgetMeter":
        from shared_code.ai.key_limits import KeyRates
        from shared_code.ai.meter import BudgetMeter
        from shared_code.quick_limit import QuickLimiter

        return BudgetMeter(self.ai_ledger, KeyRates(QuickLimiter(self.storage.tables, self.clock)), self.clock)

    @cached_property
    def ai_statistics(self) -> "AiStatistics":
        from shared_code.ai.stats import AiStatistics

        return AiStatistics(self.storage.tables, self.clock, self.changes)

    @cached_property
    def ai_usage(self) -> "UsageReports":
        from shared_code.ai.usage import UsageReports

        return UsageReports(
            tables=self.storage.tables,
            clock=self.clock,
            ledger=self.ai_ledger,
            statistics=self.ai_statistics,
            users=_Users(self),
            audit=self.audit,
        )

    @cached_property
    def ai_purge(self) -> "AiPurge":
        from shared_code.ai.purge import AiPurge

        return AiPurge(self.storage.tables, self.clock)

    @cached_property
    def ai_events(self) -> "AiEvents":
        from shared_code.ai.events import AiEvents
        from shared_code.ai.removal import AiRemoval

        return AiEvents(AiRemoval(self.storage.tables, self._ai_changes), self.events)

    @cached_property
    def _ai_changes(self) -> "UsageChanges":
        from shared_code.ai.stats import UsageChanges

        return UsageChanges(self.changes)

    async def holders_of(self, user_id: str) -> list[str]:
        from shared_code.ai.spending import TABLE

        asked = await self.storage.tables.query(TABLE, user_id, limit=1)
        return [*await super().holders_of(user_id), *(["ai"] if asked else [])]

    def exporters(self) -> "list[Exporter]":
        from shared_code.ai.export import AiExport

        return [*super().exporters(), AiExport(self.storage.tables, self.clock)]


class _PlanBudgets:
    """The gateway's port for what plans give."""

    def __init__(self, container: MeteringParts) -> None:
        self._container = container

    async def budget_of(self, user_id: str) -> int | None:
        from shared_code.ai.money import micro_of

        entitlement = await self._container.entitlements.of(user_id)
        dollars = entitlement.limits.get("ai_monthly_usd") if entitlement else None
        return None if dollars is None else micro_of(dollars)


class _Users:
    """The gateway's port for who there is, kept by auth."""

    def __init__(self, container: MeteringParts) -> None:
        self._container = container

    async def exists(self, user_id: str) -> bool:
        return await self._container.accounts.get(user_id) is not None
