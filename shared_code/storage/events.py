"""What services tell each other: one storage queue for each consuming service, delivered at least once."""

import json
from collections.abc import Mapping

from .ports import Queues


def queue_of(service: str) -> str:
    return f"{service}-events"


class Events:
    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def send(self, service: str, event: Mapping[str, str | int | bool | None]) -> None:
        """Tell ``service``; ``event["kind"]`` says what. The consumer must bear to be told twice."""
        await self._queues.send(queue_of(service), json.dumps(event))


def parse(text: str) -> Mapping[str, str | int | bool | None]:
    """An event as it was sent; raises ValueError for anything else, so that it ends in the poison queue to be looked at."""
    event = json.loads(text)
    if not isinstance(event, dict) or not isinstance(event.get("kind"), str):
        raise ValueError("not an event: an object with a kind is wanted")
    return event
