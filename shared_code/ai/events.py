"""What other parts ask of the gateway."""

from shared_code.storage.events import Event, Events, unknown

from .removal import AiRemoval


class AiEvents:
    def __init__(self, removal: AiRemoval, events: Events) -> None:
        self._removal, self._events = removal, events

    async def handle(self, event: Event) -> None:
        """Carry out one event; safe to repeat."""
        if event["kind"] != "user_deleted":
            raise unknown("ai", event)
        await self._removal.remove(str(event["user_id"]))
        await self._events.send("auth", {**event, "kind": "user_data_removed", "service": "ai"})
