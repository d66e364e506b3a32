"""A user's own security events, for the archive that they may ask for."""

from collections.abc import AsyncGenerator
from typing import Any

from shared_code.archive import Entry, json_document
from shared_code.clock import Clock, rfc3339

from .trail import Filter, Trail

PAGE = 100


class AuditExport:
    def __init__(self, trail: Trail, clock: Clock) -> None:
        self._trail, self._clock = trail, clock

    async def entries(self, user_id: str) -> AsyncGenerator[Entry, None]:
        yield Entry("audit.json", json_document(events=self._events(user_id)), self._clock.now())

    async def _events(self, user_id: str) -> AsyncGenerator[dict[str, Any], None]:
        after = None
        while True:
            page = await self._trail.own(user_id, Filter(), after=after, limit=PAGE)
            for event in page.events:
                yield {
                    "id": event.id,
                    "kind": event.kind,
                    "at": rfc3339(event.at),
                    "details": dict(event.details),
                    "request_id": event.request_id,
                }
            if page.next is None:
                return
            after = page.next
