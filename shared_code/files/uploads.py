"""Uploads: through the app as a stream, or directly to the blob by a grant (SAS) and ``complete``.

The order of writes makes every cut harmless: bytes are staged (invisible), then the file's row takes its share of the quota
while it is *storing*, then the blob becomes visible, then the row becomes active. A direct upload has a *pending* row until it
is complete. A blob therefore always has a row, so that its event finds one; a row that is left behind is in no list, and the
purge collects it with its blob.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from shared_code.clock import Clock
from shared_code.errors import Conflict, InvalidInput, LydianError, NotFound, TooLarge
from shared_code.storage.ports import BlobProperties, Blobs, Delete, EtagMismatch, Insert, Missing, UploadGrant

from . import incoming, names
from .incoming import Received, Rules, TypeCheck
from .models import File, Image, Pending, new_file_id
from .ports import Jobs, StoredHook
from .records import Records
from .tables import file_key, file_values, pending_key, pending_values
from .usage import Change, UsageLedger

GRANT_SECONDS = 15 * 60
HASHED_AT_ONCE = 100 * 1024 * 1024
"""Direct uploads up to this size are hashed by ``complete``; larger ones by a job."""

log = structlog.get_logger("lydian.files")


class Uploads:
    def __init__(
        self,
        *,
        blobs: Blobs,
        records: Records,
        ledger: UsageLedger,
        clock: Clock,
        jobs: Jobs,
        container: str,
        rules: Rules,
        max_direct_bytes: int,
        hook: StoredHook | None = None,
    ) -> None:
        self._blobs, self._records, self._ledger, self._clock, self._jobs = blobs, records, ledger, clock, jobs
        self._container, self.rules, self._max_direct_bytes, self._hook = container, rules, max_direct_bytes, hook
        self._storing: set[asyncio.Future[File]] = set()

    async def receive(
        self,
        owner_id: str,
        declared: str | None,
        chunks: AsyncIterator[bytes],
        *,
        max_bytes: int | None = None,
        hold: int = incoming.BLOCK_BYTES,
    ) -> Received:
        """Take in one file's bytes (see ``incoming.receive``); nothing is visible or counted yet."""
        rules = self.rules if max_bytes is None else replace(self.rules, max_bytes=min(max_bytes, self.rules.max_bytes))
        file_id = new_file_id(owner_id, self._clock.now())
        return await incoming.receive(self._blobs, self._container, file_id, declared, chunks, rules, hold=hold)

    async def store(
        self, owner_id: str, received: Received, filename: str | None, *, folder: str = "/", metadata: Mapping[str, Any] | None = None
    ) -> File:
        """Make a received file the owner's; raises TooLarge ``quota_exceeded``.

        Once all bytes are here the client's leaving changes nothing any more.
        """
        file = self._new_file(owner_id, received.file_id, filename, received.content_type, received.size, folder, metadata or {})
        storing = asyncio.ensure_future(self._store(replace(file, sha256=received.sha256), received))
        self._storing.add(storing)  # the loop itself keeps only a weak reference
        storing.add_done_callback(self._storing.discard)
        return await asyncio.shield(storing)

    async def _store(self, file: File, received: Received) -> File:
        insert = Insert(file_key(file.id), file_values(replace(file, status="storing")))
        counted = Change([insert], active_files=1, bytes=file.size, content_type=file.content_type, files_of_type=1, within_quota=True)
        await self._ledger.apply(file.owner_id, counted)
        try:
            properties = await incoming.make_visible(self._blobs, self._container, received)
            stored = await self._records.show(replace(file, blob_etag=properties.etag))
        except Exception:
            found = await self._undo(file)
            if found is None:
                raise
            stored = found
        if self._hook is not None:
            await self._hook.stored(file.id)
        return stored

    async def _undo(self, file: File) -> File | None:
        """Leave nothing behind; what cannot be removed now (storage is down) is left to the purge.

        The file, if only the answer to its last write was lost.
        """
        try:
            found = await self._records.find(file.id)
            if found is not None and found.status == "active":
                return found
            await self._blobs.delete(self._container, file.id)
            await self.abandon(file)
        except LydianError as error:
            log.warning("failed_upload_left_to_purge", file_id=file.id, reason=error.code)
        return None

    async def abandon(self, file: File) -> bool:
        """Remove the row of a file that was cut off while storing and give back what it counted; False when it has gone."""
        key = file_key(file.id)
        undo = Change(
            [Delete(key, file.row_etag or None)], active_files=-1, bytes=-file.size, content_type=file.content_type, files_of_type=-1
        )
        return await self._give_back(file.owner_id, undo)

    async def release(self, pending: Pending) -> bool:
        """Remove a pending row and give back what it held; False when it has gone: completed or released meanwhile."""
        file = pending.file
        return await self._give_back(file.owner_id, Change([Delete(pending_key(file.id))], reserved_bytes=-file.size))

    async def _give_back(self, owner_id: str, change: Change) -> bool:
        try:
            await self._ledger.apply(owner_id, change)
        except (Missing, EtagMismatch):
            return False
        return True

    async def grant(
        self, owner_id: str, filename: str, content_type: str, size: int, *, folder: str = "/", metadata: Mapping[str, Any] | None = None
    ) -> tuple[str, UploadGrant]:
        """Leave to PUT ``size`` bytes directly within 15 minutes; returns the file's id and the grant.

        Raises UnsupportedType, TooLarge ``file_too_large`` or ``quota_exceeded``, InvalidInput ``empty_file``.
        """
        essence = content_type.partition(";")[0].strip().lower()
        if essence not in self.rules.allowed_types:
            raise incoming.unsupported(f"{essence[:100]} may not be stored here.")
        if size == 0:
            raise InvalidInput("The file is empty.", loc=("body", "size"), code="empty_file")
        if size > self._max_direct_bytes:
            raise TooLarge(
                f"A direct upload may have {names.human_size(self._max_direct_bytes)} ({self._max_direct_bytes} bytes).",
                code="file_too_large",
            )
        now = self._clock.now()
        file = self._new_file(owner_id, new_file_id(owner_id, now), filename, essence, size, folder, metadata or {})
        pending = Pending(file, now + timedelta(seconds=GRANT_SECONDS))
        insert = Insert(pending_key(file.id), pending_values(pending))
        await self._ledger.apply(owner_id, Change([insert], reserved_bytes=size, within_quota=True))
        return file.id, await self._blobs.grant_upload(self._container, file.id, content_type=essence, lifetime=GRANT_SECONDS)

    async def complete(self, owner_id: str, file_id: str) -> File:
        """The bytes of a direct upload are there: check them as an upload does and make the file visible.

        Raises NotFound, Conflict ``upload_incomplete``, and after removing the blob what ``receive`` raises or InvalidInput
        ``size_mismatch``. A second call answers with the file.
        """
        row = await self._records.find_pending(file_id)
        if row is None or row.file.owner_id != owner_id:
            return await self._records.get(owner_id, file_id, active=True)
        properties = await self._blobs.properties(self._container, file_id)
        if properties is None:
            raise Conflict("The bytes have not arrived yet.", code="upload_incomplete")
        try:
            sha256 = await self._check(row.file, properties)
        except (EtagMismatch, Missing):
            raise Conflict("The bytes are still changing.", code="upload_incomplete") from None
        except LydianError as error:
            if not isinstance(error, NotFound | TooLarge | InvalidInput) and error.code != "unsupported_file_type":
                raise  # storage's trouble, not the bytes'
            await self._blobs.delete(self._container, file_id)
            await self.release(row)
            raise
        now = self._clock.now()
        image = row.file.image
        if image is not None and image.source_etag not in ("", properties.etag):
            image = Image("pending")
        file = replace(row.file, sha256=sha256, blob_etag=properties.etag, created_at=now, updated_at=now, image=image)
        try:
            file = await self._records.complete(row, file)
        except NotFound:
            return await self._records.get(owner_id, file_id, active=True)  # a second complete was faster
        if sha256 is None:
            await self._jobs.hash_file(file_id)
        if self._hook is not None:
            await self._hook.stored(file_id)
        return file

    async def _check(self, file: File, properties: BlobProperties) -> str | None:
        """The SHA-256 of the bytes, or None when they are too many to read now."""
        if properties.size == 0:
            raise InvalidInput("The file is empty.", loc=("body", "file"), code="empty_file")
        if properties.size > self._max_direct_bytes:
            raise TooLarge("The bytes that arrived are too many.", code="file_too_large")
        if properties.size != file.size:
            raise InvalidInput(f"{file.size} bytes were announced, {properties.size} arrived.", loc=("body", "size"), code="size_mismatch")
        whole = properties.size <= HASHED_AT_ONCE
        # Text is text to its end; every other type shows in its first bytes.
        wanted = None if whole or file.content_type == incoming.TEXT else 64 * 1024
        check, digest = TypeCheck(file.content_type, self.rules.allowed_types), hashlib.sha256()
        read = await self._blobs.read(self._container, file.id, length=wanted, if_match=properties.etag)
        async for chunk in read.chunks:
            check.feed(chunk)
            digest.update(chunk)
        check.finish()
        return digest.hexdigest() if whole else None

    async def hash(self, file_id: str) -> None:
        """Compute a large file's SHA-256; safe to run twice and on a file that has gone."""
        file = await self._records.find(file_id)
        if file is None or file.sha256 is not None:
            return
        digest = hashlib.sha256()
        try:
            read = await self._blobs.read(self._container, file_id, if_match=file.blob_etag)
            async for chunk in read.chunks:
                await asyncio.to_thread(digest.update, chunk)
            await self._records.set_hash(file, digest.hexdigest())
        except (Missing, EtagMismatch):
            return  # removed, or changed behind our back and so never served

    def _new_file(
        self, owner_id: str, file_id: str, filename: str | None, content_type: str, size: int, folder: str, metadata: Mapping[str, Any]
    ) -> File:
        now: datetime = self._clock.now()
        return File(
            id=file_id,
            owner_id=owner_id,
            filename=names.safe_filename(filename),
            content_type=content_type,
            size=size,
            sha256=None,
            folder=names.safe_folder(folder),
            status="active",
            metadata=names.checked_metadata(dict(metadata)),
            created_at=now,
            updated_at=now,
            deleted_at=None,
            blob_etag="",
            image=Image("pending") if content_type.startswith("image/") else None,
        )
