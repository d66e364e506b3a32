"""What others, and payments' own webhook, ask of payments."""

from collections.abc import Awaitable, Callable

from shared_code.storage.events import Event, unknown

from .processing import Processor


class PaymentsEvents:
    def __init__(self, processor: Callable[[], Processor], remove_user: Callable[[str], Awaitable[None]]) -> None:
        """``processor`` makes it when it is first needed: it raises NotConfigured without Stripe."""
        self._processor, self._remove_user = processor, remove_user

    async def handle(self, event: Event) -> None:
        """Carry out one event; safe to repeat."""
        match event["kind"]:
            case "stripe_event":
                await self._processor().process(str(event["table"]), str(event["key"]))
            case "user_deleted":
                await self._remove_user(str(event["user_id"]))
            case _:
                raise unknown("payments", event)
