"""What is asked of mail."""

from shared_code.storage.events import Event, unknown

from .delivery import Delivery
from .orders import Order


class MailEvents:
    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    async def handle(self, event: Event) -> None:
        """Carry out one event; safe to repeat."""
        if event["kind"] != "send":
            raise unknown("mail", event)
        await self._delivery.deliver(Order.of(event))
