"""What other parts ask of files."""

from shared_code.storage.events import Event, unknown

from .uploads import Uploads


class FilesEvents:
    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def handle(self, event: Event) -> None:
        """Carry out one event; safe to repeat."""
        if event["kind"] == "hash_file":
            await self._uploads.hash(str(event["file_id"]))
        else:
            raise unknown("files", event)
