"""Monitoring: what people are told."""

from functools import cached_property
from typing import TYPE_CHECKING

from .probing import ProbingParts
from .traffic import TrafficParts

if TYPE_CHECKING:
    from shared_code.monitoring.announcements import Announcements
    from shared_code.monitoring.status import StatusPage


class MonitoringParts(ProbingParts, TrafficParts):
    @cached_property
    def announcements(self) -> "Announcements":
        from shared_code.monitoring.announcements import Announcements

        return Announcements(self.storage.tables, self.clock, self.audit)

    @cached_property
    def status_page(self) -> "StatusPage":
        from shared_code.monitoring.status import StatusPage

        return StatusPage(self.probe_board, self.announcements, self.clock)
