"""Files: what may be done with them, and in which order it is written. Uploads and shares have their own modules."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared_code.clock import Clock
from shared_code.errors import Busy, PreconditionFailed
from shared_code.storage.ports import Blobs, Delete, EtagMismatch, Missing

from . import downloads, names
from .downloads import Representation
from .models import File, Status, Usage, VariantName
from .records import Records, not_found
from .shares import Shares
from .tables import file_key
from .uploads import Uploads
from .usage import Change, UsageLedger

TRIES = 8


class FilesService:
    def __init__(
        self,
        *,
        blobs: Blobs,
        records: Records,
        ledger: UsageLedger,
        uploads: Uploads,
        shares: Shares,
        clock: Clock,
        container: str,
        variants: str,
    ) -> None:
        self._blobs, self._records, self._ledger, self._clock = blobs, records, ledger, clock
        self._container, self._variants = container, variants
        self.uploads, self.shares = uploads, shares

    async def get(self, owner_id: str, file_id: str) -> File:
        """The record, of a deleted file too; raises NotFound."""
        return await self._records.get(owner_id, file_id)

    async def page(
        self,
        owner_id: str,
        *,
        after: str | None,
        limit: int,
        folder: str | None = None,
        content_type: str | None = None,
        status: Status | None = "active",
    ) -> list[File]:
        return await self._records.page(
            owner_id,
            after=after,
            limit=limit,
            folder=names.safe_folder(folder) if folder else None,
            content_type=content_type,
            status=status,
        )

    async def usage(self, owner_id: str) -> Usage:
        return await self._ledger.usage(owner_id)

    async def representation(self, owner_id: str, file_id: str, variant: VariantName | None) -> Representation:
        return self.representation_of(await self._records.get(owner_id, file_id, active=True), variant)

    def representation_of(self, file: File, variant: VariantName | None) -> Representation:
        return downloads.choose(file, variant, self._container, self._variants)

    async def open(self, representation: Representation, span: downloads.Span) -> AsyncIterator[bytes]:
        return await downloads.open_bytes(self._blobs, representation, span)

    async def update(
        self, owner_id: str, file_id: str, *, filename: str | None, metadata: Mapping[str, Any] | None, if_match: str | None
    ) -> File:
        """Change what is given; raises NotFound, InvalidInput, and PreconditionFailed when ``if_match`` names another state."""
        checked = None if metadata is None else names.checked_metadata(dict(metadata))
        for _ in range(TRIES):
            file = await self._records.get(owner_id, file_id, active=True)
            if if_match is not None and not _matches(file, if_match):
                raise PreconditionFailed("The file has been changed since you read it.")
            changed = replace(
                file,
                filename=names.safe_filename(filename) if filename is not None else file.filename,
                metadata=file.metadata if checked is None else checked,
                updated_at=self._clock.now(),
                revision=file.revision + 1,
            )
            try:
                return await self._records.change(file, changed)
            except (EtagMismatch, Missing):
                continue  # the image job or another request was faster: judge again
        raise Busy("This file is being changed by too many requests at once.")

    async def delete(self, owner_id: str, file_id: str) -> None:
        """Soft delete: the bytes stay until the retention ends. No error when it is deleted already; raises NotFound."""
        await self._set_status(owner_id, file_id, "deleted")

    async def restore(self, owner_id: str, file_id: str) -> File:
        """Undo a soft delete; an active file is answered as it is. Raises NotFound."""
        return await self._set_status(owner_id, file_id, "active")

    async def _set_status(self, owner_id: str, file_id: str, status: Status) -> File:
        for _ in range(TRIES):
            file = await self._records.get(owner_id, file_id)
            if file.status == status:
                return file
            now, step = self._clock.now(), 1 if status == "active" else -1
            changed = replace(
                file, status=status, updated_at=now, deleted_at=None if status == "active" else now, revision=file.revision + 1
            )
            try:
                return await self._records.change(file, changed, Change(active_files=step, deleted_files=-step))
            except (EtagMismatch, Missing):
                continue
        raise Busy("This file is being changed by too many requests at once.")

    async def delete_permanently(self, owner_id: str, file_id: str, *, deleted_before: datetime | None = None) -> None:
        """Remove the record, the blob and the variants; raises NotFound.

        With ``deleted_before`` only when it was soft-deleted before then: it may have been restored meanwhile. Its shares
        answer 410 until the purge removes them, as those of every other file.
        """
        for _ in range(TRIES):
            file = await self._records.get(owner_id, file_id)
            if deleted_before is not None and (file.deleted_at is None or file.deleted_at >= deleted_before):
                raise not_found()
            active = file.status == "active"
            change = Change(
                [Delete(file_key(file.id), file.row_etag)],
                active_files=-1 if active else 0,
                deleted_files=0 if active else -1,
                bytes=-file.size,
                content_type=file.content_type,
                files_of_type=-1,
            )
            try:
                # The record first: from then on nobody is served, and a blob that no record names is what the purge collects.
                await self._ledger.apply(owner_id, change)
            except EtagMismatch:
                continue
            except Missing:
                raise not_found() from None
            await self.remove_bytes(file_id)
            return
        raise Busy("This file is being changed by too many requests at once.")

    async def remove_bytes(self, file_id: str) -> None:
        """Remove the blob and its variants; no error when they are not there."""
        await self._blobs.delete(self._container, file_id)
        for name in ("optimized", "thumbnail"):
            await self._blobs.delete(self._variants, f"{file_id}/{name}")


def _matches(file: File, if_match: str) -> bool:
    """Whether one of the tags names the file's revision; what follows the dot is the image's state, which nobody edits."""
    if if_match.strip() == "*":
        return True
    tags = [tag.strip() for tag in if_match.split(",")]
    return any(tag.strip('"').partition(".")[0] == str(file.revision) and not tag.startswith("W/") for tag in tags)
