"""The only modules that wire adapters to services: cached, lazy, and each import where it is first needed.

Tests override what they like: ``Container(settings, storage=MemoryStorage(clock), clock=clock)``. Each service's part is a
module of its own; a later one may use what an earlier one makes.
"""

from shared_code.storage.events import Event

from .monitoring import MonitoringParts


class Container(MonitoringParts):
    async def handle_event(self, service: str, event: Event) -> None:
        match service:
            case "auth":
                await self.auth_events.handle(event)
            case "ai":
                await self.ai_events.handle(event)
            case "chat":
                await self.chat_events.handle(event)
            case "files":
                await self.files_events.handle(event)
            case "mail":
                await self.mail_events.handle(event)
            case "payments":
                await self.payments_events.handle(event)
            case _:
                raise ValueError(f"{service} consumes no events")
