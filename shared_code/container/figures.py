"""What monitoring reads of the other services: their last roll-ups, wherever they run. It counts nothing itself."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from shared_code.storage.events import queue_of

from .chat import ChatParts

if TYPE_CHECKING:
    from shared_code.monitoring.queues import QueueRoom
    from shared_code.monitoring.statistics import Reading, Source, Statistics
    from shared_code.storage.sums_rows import Summed

QUEUES = (*map(queue_of, ("ai", "auth", "chat", "files", "mail", "payments")), "webjobs-blobtrigger-poison")
"""Every queue that a trigger consumes; the last one the host fills, and files consumes it like any other."""


class FiguresParts(ChatParts):
    @cached_property
    def statistics(self) -> "Statistics":
        from shared_code.monitoring.history import History
        from shared_code.monitoring.statistics import Statistics

        return Statistics(History(self.storage.tables, self.clock), self.figure_sources())

    def figure_sources(self) -> "dict[str, Source]":
        return {"users": self._user_figures, "files": self._file_figures, "ai": self._ai_figures, "payments": self._payment_figures}

    @cached_property
    def queue_room(self) -> "QueueRoom":
        from shared_code.monitoring.queues import QueueRoom

        return QueueRoom(self.storage.queues, self.clock, QUEUES)

    async def _user_figures(self) -> "Reading | None":
        from shared_code.auth.statistics import TABLE

        summed = await self._summed(TABLE)
        return _reading(summed, {"users": summed.figures.get("users", 0)}) if summed else None

    async def _file_figures(self) -> "Reading | None":
        from shared_code.files.tables import STATISTICS

        summed = await self._summed(STATISTICS)
        if summed is None:
            return None
        names = {"files": "active_files", "files_deleted": "deleted_files", "bytes": "bytes"}
        return _reading(summed, {ours: summed.figures.get(theirs, 0) for ours, theirs in names.items()})

    async def _ai_figures(self) -> "Reading | None":
        summed = await self.ai_statistics.totals()
        if summed is None:
            return None
        names = {
            "ai_requests": "requests",
            "ai_input_tokens": "input_tokens",
            "ai_output_tokens": "output_tokens",
            "ai_cost_micro": "micro",
        }
        return _reading(summed, {ours: summed.figures.get(theirs, 0) for ours, theirs in names.items()})

    async def _payment_figures(self) -> "Reading | None":
        from shared_code.payments.stats import TABLE, to_figures

        summed = await self._summed(TABLE)
        if summed is None:
            return None
        figures = to_figures(summed)
        found = {"subscriptions_active": figures.active_subscriptions}
        for kind, name in (("pi", "payments"), ("re", "refunds")):
            for currency, status, count, minor in figures.of(kind):
                if status == "succeeded":
                    found[f"{name}_{currency}"], found[f"{name}_{currency}_minor"] = count, minor
        return _reading(summed, found)

    async def _summed(self, table: str) -> "Summed | None":
        from shared_code.storage.sums_rows import read

        return await read(self.storage.tables, table)


def _reading(summed: "Summed", figures: Mapping[str, int]) -> "Reading":
    from shared_code.monitoring.statistics import Reading
    from shared_code.storage.sums_rows import OWNERS

    difference = {name: number for name, number in summed.difference.items() if name != OWNERS}
    return Reading(figures, summed.as_of, summed.recounted_at, summed.drifted, difference)
