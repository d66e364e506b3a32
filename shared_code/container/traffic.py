"""Traffic, service levels, instances and resources: what every app gathers, and what monitoring reads."""

import secrets
from functools import cached_property
from tempfile import gettempdir
from typing import TYPE_CHECKING

from shared_code import __version__

from .figures import FiguresParts

if TYPE_CHECKING:
    from shared_code.monitoring.instances import Instances
    from shared_code.monitoring.slo import SloView
    from shared_code.monitoring.traffic import Recorder
    from shared_code.monitoring.traffic_series import TrafficSeries
    from shared_code.monitoring.traffic_store import TrafficStore


class TrafficParts(FiguresParts):
    writes_traffic = True

    @cached_property
    def instance_id(self) -> str:
        """This process among all of them, for as long as it lives. Not Azure's: several processes share an instance there."""
        return secrets.token_hex(8)

    @cached_property
    def traffic(self) -> "Recorder":
        from shared_code.monitoring.traffic import Recorder

        # Storage is opened, and what looks at the machine loaded, by the first minute that is written.
        return Recorder(lambda: self.storage.tables, self.clock, self.instance_id, and_then=self._live, writes=self.writes_traffic)

    async def _live(self) -> None:
        await self.instances.register()

    @cached_property
    def traffic_store(self) -> "TrafficStore":
        from shared_code.monitoring.traffic_store import TrafficStore

        return TrafficStore(self.storage.tables, self.clock)

    @cached_property
    def traffic_series(self) -> "TrafficSeries":
        from shared_code.monitoring.traffic_series import TrafficSeries

        return TrafficSeries(self.storage.tables, self.clock)

    @cached_property
    def slo(self) -> "SloView":
        from shared_code.monitoring.slo import SloView

        return SloView(self.traffic_store, self.clock, self.settings.slo_objective)

    @cached_property
    def instances(self) -> "Instances":
        from shared_code.monitoring.instances import Instance, Instances
        from shared_code.monitoring.resources import Gauge, host_name

        now = self.clock.now()
        own = Instance(self.instance_id, host_name(), __version__, self.settings.services, self._started, now)
        return Instances(self.storage.tables, self.clock, Gauge(gettempdir()), own)
