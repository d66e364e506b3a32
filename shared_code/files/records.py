"""Records of files, always under their owner: the one place where an object is checked against who asks for it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

from shared_code.errors import Busy, NotFound
from shared_code.storage.ports import Delete, EtagMismatch, Insert, Merge, Missing, Replace, Row, Tables, Value, Where

from .models import File, Image, Pending, Status, owner_of
from .tables import FILE_PREFIX, FILES, PENDING_PREFIX, file_key, file_values, image_values, pending_key, to_file, to_pending
from .usage import Change, UsageLedger

TRIES = 8
SCAN = 500
"""Rows of one query of a nightly job."""


class Records:
    def __init__(self, tables: Tables, ledger: UsageLedger) -> None:
        self._tables, self._ledger = tables, ledger

    async def get(self, owner_id: str, file_id: str, *, active: bool = False) -> File:
        """The caller's file; raises NotFound for a missing one, another user's, and with ``active`` a deleted one."""
        row = await self._tables.get(FILES, owner_id, file_key(file_id)) if owner_of(file_id) == owner_id else None
        file = to_file(row) if row else None
        if file is None or file.status == "storing" or (active and file.status != "active"):
            raise not_found()
        return file

    async def find(self, file_id: str) -> File | None:
        """The record that a blob's name leads to, whoever owns it, deleted and storing ones included. For jobs and shares."""
        owner_id = owner_of(file_id)
        row = await self._tables.get(FILES, owner_id, file_key(file_id)) if owner_id else None
        return to_file(row) if row else None

    async def find_pending(self, file_id: str) -> Pending | None:
        owner_id = owner_of(file_id)
        row = await self._tables.get(FILES, owner_id, pending_key(file_id)) if owner_id else None
        return to_pending(row) if row else None

    async def page(
        self, owner_id: str, *, after: str | None, limit: int, folder: str | None, content_type: str | None, status: Status | None
    ) -> list[File]:
        """Up to ``limit`` files, newest first, behind the row key ``after``."""
        where = []
        where.append(Where("status", "eq", status) if status else Where("status", "ne", "storing"))
        if folder and folder != "/":
            where.append(Where("folder", "prefix", folder))
        if content_type:
            whole = "/" in content_type
            where.append(Where("content_type", "eq" if whole else "prefix", content_type if whole else f"{content_type}/"))
        rows = await self._tables.query(FILES, owner_id, prefix=FILE_PREFIX, after=after, where=where, limit=limit)
        return [to_file(row) for row in rows]

    async def show(self, file: File) -> File:
        """Make a stored file visible; its blob is there. Raises NotFound when the purge took it for abandoned.

        Without an ETag: the image job may have noted its result meanwhile, in other columns.
        """
        try:
            values: dict[str, Value] = {"status": "active", "blob_etag": file.blob_etag}
            etag = await self._tables.apply(FILES, file.owner_id, Merge(file_key(file.id), values))
        except Missing:
            raise not_found() from None
        return replace(file, status="active", row_etag=etag)

    async def complete(self, pending: Pending, file: File) -> File:
        """Make a direct upload a file, with the state that the image job may have left meanwhile.

        Raises NotFound when the pending row has gone.
        """
        etag = pending.file.row_etag
        for _ in range(TRIES):
            change = Change(
                [Delete(pending_key(file.id), etag), Insert(file_key(file.id), file_values(file))],
                active_files=1,
                bytes=file.size,
                content_type=file.content_type,
                files_of_type=1,
                reserved_bytes=-pending.file.size,
            )
            try:
                return replace(file, row_etag=(await self._ledger.apply(file.owner_id, change))[-1])
            except (EtagMismatch, Missing):
                current = await self.find_pending(file.id)
                if current is None:
                    raise not_found() from None
                etag, image = current.file.row_etag, current.file.image
                if image is not None and image.source_etag == file.blob_etag:
                    file = replace(file, image=image)
        raise Busy("This file is being changed by too many requests at once.")

    async def change(self, file: File, changed: File, change: Change | None = None) -> File:
        """Replace a record that has not changed since it was read; EtagMismatch otherwise. ``change`` goes into the same batch."""
        operation = Replace(file_key(file.id), file_values(changed), file.row_etag)
        if change is None:
            etag = await self._tables.apply(FILES, file.owner_id, operation)
        else:
            etag = (await self._ledger.apply(file.owner_id, replace(change, operations=(operation, *change.operations))))[0]
        return replace(changed, row_etag=etag)

    async def set_image(self, file_id: str, image: Image) -> bool:
        """Note what became of an image, on its file or its pending upload; False when it has neither any more."""
        owner_id = owner_of(file_id)
        assert owner_id is not None
        # The file's twice: between the first two looks a pending upload may become a file.
        for key in (file_key(file_id), pending_key(file_id), file_key(file_id)):
            try:
                await self._tables.apply(FILES, owner_id, Merge(key, image_values(image)))
                return True
            except Missing:
                continue
        return False

    async def set_hash(self, file: File, sha256: str) -> None:
        await self._tables.apply(FILES, file.owner_id, Merge(file_key(file.id), {"sha256": sha256}))

    async def all_rows(self, prefix: str = FILE_PREFIX) -> AsyncIterator[File]:
        """Every file of everyone, for nightly jobs."""
        async for row in _scan(self._tables, prefix):
            yield to_file(row)

    async def all_pending(self, before: datetime) -> AsyncIterator[Pending]:
        """Every direct upload whose grant expired before ``before``."""
        async for row in _scan(self._tables, PENDING_PREFIX):
            pending = to_pending(row)
            if pending.expires_at < before:
                yield pending

    async def all_storing(self, before: datetime) -> AsyncIterator[File]:
        """Every file that has been storing since before ``before``: its process died."""
        async for row in _scan(self._tables, FILE_PREFIX, [Where("status", "eq", "storing")]):
            file = to_file(row)
            if file.created_at < before:
                yield file


async def _scan(tables: Tables, prefix: str, where: Sequence[Where] = ()) -> AsyncIterator[Row]:
    partition = key = None
    while True:
        rows = await tables.query(FILES, prefix=prefix, where=where, after_partition=partition, after=key, limit=SCAN)
        for row in rows:
            yield row
        if len(rows) < SCAN:
            return
        partition, key = rows[-1].partition, rows[-1].key


def not_found() -> NotFound:
    return NotFound("There is no such file.", code="file_not_found")
