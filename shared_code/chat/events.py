"""What others, and chat's own requests, ask of chat's queue."""

from shared_code.storage.events import Event, Events, unknown

from .removal import Removal
from .search_index import SearchIndex
from .titles import Titles


class ChatEvents:
    def __init__(self, titles: Titles, index: SearchIndex, removal: Removal, events: Events) -> None:
        self._titles, self._index, self._removal, self._events = titles, index, removal, events

    async def handle(self, event: Event) -> None:
        """Carry out one event; safe to repeat."""
        owner_id = str(event.get("user_id"))
        match event["kind"]:
            case "answered":
                await self._titles.make(owner_id, str(event["conversation_id"]), str(event["message_id"]))
                await self._take_in(owner_id)
            case "index":
                await self._take_in(owner_id)
            case "conversation_deleted":
                if not await self._removal.conversation(owner_id, str(event["conversation_id"])):
                    await self._events.send("chat", event)
            case "user_deleted":
                if await self._removal.owner(owner_id):
                    await self._events.send("auth", {**event, "kind": "user_data_removed", "service": "chat"})
                else:
                    await self._events.send("chat", event)
            case _:
                raise unknown("chat", event)

    async def _take_in(self, owner_id: str) -> None:
        if not await self._index.update(owner_id):
            await self._events.send("chat", {"kind": "index", "user_id": owner_id})
