"""Monitoring: what people and Prometheus are told."""

from functools import cached_property
from typing import TYPE_CHECKING

from shared_code import __version__

from .alerting import AlertingParts

if TYPE_CHECKING:
    from shared_code.monitoring.announcements import Announcements
    from shared_code.monitoring.prometheus import Exposition
    from shared_code.monitoring.status import StatusPage


class MonitoringParts(AlertingParts):
    @cached_property
    def announcements(self) -> "Announcements":
        from shared_code.monitoring.announcements import Announcements

        return Announcements(self.storage.tables, self.clock, self.audit)

    @cached_property
    def status_page(self) -> "StatusPage":
        from shared_code.monitoring.status import StatusPage

        return StatusPage(self.probe_board, self.announcements, self.clock)

    @cached_property
    def exposition(self) -> "Exposition":
        from shared_code.monitoring.prometheus import Exposition, Sources

        async def alive() -> int | None:
            return len(await self.instances.alive())

        sources = Sources(self.traffic_store.today, self.probe_board.records, self.queue_room.states, alive)
        build = {"version": __version__, "services": ",".join(self.settings.services), "instance_id": self.instance_id}
        return Exposition(sources, self.clock, build)
