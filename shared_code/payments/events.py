"""What others, and payments' own webhook, ask of payments."""

from collections.abc import Awaitable, Callable

from shared_code.storage.events import Event, Events, unknown

from .processing import Processor


class PaymentsEvents:
    def __init__(self, processor: Callable[[], Processor], remove_user: Callable[[str], Awaitable[None]], events: Events) -> None:
        """``processor`` makes it when it is first needed: it raises NotConfigured without Stripe, and so does ``remove_user`` for
        a user who is Stripe's customer."""
        self._processor, self._remove_user, self._events = processor, remove_user, events

    async def handle(self, event: Event) -> None:
        """Carry out one event; safe to repeat."""
        match event["kind"]:
            case "stripe_event":
                await self._processor().process(str(event["table"]), str(event["key"]))
            case "user_deleted":
                await self._remove_user(str(event["user_id"]))
                await self._events.send("auth", {**event, "kind": "user_data_removed", "service": "payments"})
            case _:
                raise unknown("payments", event)
