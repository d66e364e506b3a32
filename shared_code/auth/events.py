"""What other parts, and auth itself, ask of auth."""

from shared_code.storage.events import Event, unknown


class AuthEvents:
    async def handle(self, event: Event) -> None:
        """Carry out one event; safe to repeat."""
        raise unknown("auth", event)
