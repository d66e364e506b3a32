"""What other parts ask of files."""

from shared_code.storage.events import Event, Events, unknown

from .removal import Removal
from .uploads import Uploads


class FilesEvents:
    def __init__(self, uploads: Uploads, removal: Removal, events: Events) -> None:
        self._uploads, self._removal, self._events = uploads, removal, events

    async def handle(self, event: Event) -> None:
        """Carry out one event; safe to repeat."""
        match event["kind"]:
            case "hash_file":
                await self._uploads.hash(str(event["file_id"]))
            case "user_deleted":
                await self._user_deleted(event)
            case _:
                raise unknown("files", event)

    async def _user_deleted(self, event: Event) -> None:
        """An account is being deleted: what it owns here goes, then auth is told."""
        if await self._removal.run(str(event["user_id"])):
            await self._events.send("auth", {**event, "kind": "user_data_removed", "service": "files"})
        else:
            await self._events.send("files", event)
