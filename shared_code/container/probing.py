"""What an app probes: the dependencies of its own services, and from them the services. Every app does so."""

from functools import cached_property, partial
from typing import TYPE_CHECKING

from shared_code.monitoring.checks import Check, Remembered, ServiceCheck
from shared_code.storage.events import queue_of
from shared_code.storage.ports import Upsert

from .figures import FiguresParts

if TYPE_CHECKING:
    from shared_code.monitoring.board import Board
    from shared_code.monitoring.prober import Prober

SYSTEM = "lydian-system"
PROBE_BLOB = "probe"
BLOB, TABLE, QUEUE, STRIPE, SENDGRID = "blob", "table", "queue", "stripe", "sendgrid"
NEEDS = {
    "monitoring": (TABLE,),
    "auth": (TABLE, QUEUE),
    "ai": (TABLE,),
    "chat": (TABLE, QUEUE),
    "files": (TABLE, BLOB, QUEUE),
    "payments": (TABLE, QUEUE, STRIPE),
    "mail": (TABLE, QUEUE, SENDGRID),
}
"""Without any one of these a service does not do its work; of AI models one is enough."""


class ProbingParts(FiguresParts):
    @property
    def probe_scope(self) -> str:
        """The app, among those that share its storage."""
        return "+".join(self.settings.services) if self.settings.standalone else "all"

    @cached_property
    def outside_checks(self) -> "list[Check]":
        """Systems of others that this app's services are configured to use."""
        settings, found = self.settings, list[Check]()
        if "payments" in settings.services and settings.stripe_secret_key:
            found.append(Check(STRIPE, lambda: self.payments_gateway.check()))
        if settings.sendgrid_api_key and settings.sendgrid_from_email:
            found.append(Check(SENDGRID, Remembered(self._ask_sendgrid)))
        for name, model in self.ai_endpoints().items():
            found.append(Check(_dependency(name), partial(self.ai_upstream.check, model)))
        return found

    @cached_property
    def storage_checks(self) -> "list[Check]":
        """Blobs and tables are written to: storage that only reads is of no use."""
        return [Check(BLOB, self._write_blob), Check(TABLE, self._write_row), Check(QUEUE, self._count_queue)]

    def unconfigured(self, service: str) -> str | None:
        """Why a service answers 503 whatever else is well; None when it does not."""
        if service == "payments" and not self.settings.stripe_secret_key:
            return "STRIPE_SECRET_KEY is not set"
        if service in ("ai", "chat") and not self.ai_configured:
            return "no model is configured: AI_MODELS, AZURE_OPENAI_ENDPOINT or OPENAI_API_KEY"
        return None

    @cached_property
    def service_checks(self) -> "list[ServiceCheck]":
        services = [*(service for service in self.settings.services if self.unconfigured(service) is None), "mail"]
        models = tuple(map(_dependency, self.ai_endpoints()))
        more = dict.fromkeys(("ai", "chat"), [models] if models else [])
        return [ServiceCheck(service, [*((need,) for need in NEEDS[service]), *more.get(service, [])]) for service in services]

    @cached_property
    def prober(self) -> "Prober":
        from shared_code.monitoring.prober import Prober

        checks = [*self.storage_checks, *self.outside_checks]
        return Prober(self.storage.tables, self.clock, self.probe_scope, checks, self.service_checks)

    @cached_property
    def probe_board(self) -> "Board":
        from shared_code.monitoring.board import Board

        return Board(self.storage.tables, self.clock)

    async def _write_blob(self) -> None:
        await self.storage.blobs.put(SYSTEM, PROBE_BLOB, b"1", content_type="text/plain")

    async def _write_row(self) -> None:
        from shared_code.monitoring.records import TABLE as PROBES

        await self.storage.tables.apply(PROBES, "written", Upsert(self.probe_scope, {"v": 1, "at": self.clock.now()}))

    async def _count_queue(self) -> None:
        await self.storage.queues.count(queue_of("mail"))

    async def _ask_sendgrid(self) -> None:
        from shared_code.monitoring.outside import answers

        # Any key may ask what it may do (SendGrid's API reference, "API Key Permissions").
        key = self.settings.sendgrid_api_key
        await answers(f"{self.settings.sendgrid_api_base}/v3/scopes", headers={"Authorization": f"Bearer {key}"})


def _dependency(endpoint: str) -> str:
    """The name of an AI endpoint's check. The service is called ``ai``, too, and each name has one history."""
    return "models" if endpoint == "ai" else endpoint
