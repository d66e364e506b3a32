"""What files holds of a user, for the archive that they may ask for: every record, every share, and the bytes."""

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

from shared_code.archive import Entry, json_document, whole
from shared_code.clock import Clock, rfc3339
from shared_code.storage.ports import BlobRead, Blobs, EtagMismatch, Missing, Row, Tables

from .models import File
from .names import safe_filename
from .records import Records
from .schemas import file_response, share_fields
from .tables import FILES, PENDING_PREFIX, SHARE_KEY, SHARE_PREFIX, SHARES, file_key, to_pending, to_share

PAGE = 100
AT_ONCE = 10
PACKED = ("image/", "video/", "application/pdf")
"""Types whose bytes are compressed already."""

# What Windows refuses in names, which is more than we do.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.I)
_REFUSED = re.compile(r'[<>:"|?*\\/]')


class FilesExport:
    def __init__(self, *, tables: Tables, blobs: Blobs, records: Records, clock: Clock, container: str) -> None:
        self._tables, self._blobs, self._records, self._clock, self._container = tables, blobs, records, clock, container

    async def entries(self, user_id: str) -> AsyncGenerator[Entry, None]:
        """``files/files.json``, then each file that was there when it began, then what is to be said about them."""
        now = self._clock.now()
        document = json_document(
            files=self._files(user_id, now), incomplete_uploads=self._uploads(user_id), shares=self._shares(user_id)
        )  # fmt: skip
        yield Entry("files/files.json", document, now)
        notes: list[str] = []
        async for file in self._records_of(user_id, now):
            read = await self._open(file)
            if read is None:
                notes.append(f"{file.id}: was deleted before its bytes were read; they are not in this archive.")
            else:
                packed = file.content_type.startswith(PACKED)
                yield Entry(_archive_name(file), _chunks(read, file, notes), file.updated_at, file.size, packed)
        if notes:
            yield Entry("files/notes.txt", whole("\n".join([*notes, ""]).encode()), now)

    async def _records_of(self, user_id: str, until: datetime) -> AsyncGenerator[File, None]:
        after = None
        while page := await self._records.page(user_id, after=after, limit=PAGE, folder=None, content_type=None, status=None):
            after = file_key(page[-1].id)
            for file in page:
                if file.created_at <= until:  # what comes while this is read is for the next archive
                    yield file

    async def _files(self, user_id: str, until: datetime) -> AsyncGenerator[dict[str, Any], None]:
        async for file in self._records_of(user_id, until):
            yield {**file_response(file, ""), "archive_name": _archive_name(file)}

    async def _uploads(self, user_id: str) -> AsyncGenerator[dict[str, Any], None]:
        async for row in self._rows(user_id, PENDING_PREFIX):
            pending = to_pending(row)
            yield {
                "file_id": pending.file.id,
                "filename": pending.file.filename,
                "content_type": pending.file.content_type,
                "size": pending.file.size,
                "metadata": pending.file.metadata,
                "expires_at": rfc3339(pending.expires_at),
            }

    async def _shares(self, user_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """Without the hashes of their tokens and passwords."""
        at_once = asyncio.Semaphore(AT_ONCE)

        async def read(row: Row) -> Row | None:
            async with at_once:
                return await self._tables.get(SHARES, str(row.values["token_hash"]), SHARE_KEY)

        waiting: list[Row] = []
        async for row in self._rows(user_id, SHARE_PREFIX):
            waiting.append(row)
            if len(waiting) == PAGE:
                for found in await asyncio.gather(*map(read, waiting)):
                    if found is not None:
                        yield share_fields(to_share(found))
                waiting = []
        for found in await asyncio.gather(*map(read, waiting)):
            if found is not None:
                yield share_fields(to_share(found))

    async def _rows(self, user_id: str, prefix: str) -> AsyncGenerator[Row, None]:
        after = None
        while page := await self._tables.query(FILES, user_id, prefix=prefix, after=after, limit=PAGE):
            after = page[-1].key
            for row in page:
                yield row

    async def _open(self, file: File) -> BlobRead | None:
        try:
            return await self._blobs.read(self._container, file.id, if_match=file.blob_etag)
        except (Missing, EtagMismatch):
            return None


async def _chunks(read: BlobRead, file: File, notes: list[str]) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in read.chunks:
            yield chunk
    except (Missing, EtagMismatch):
        # What was sent cannot be taken back; the others are worth having all the same.
        notes.append(f"{file.id}: was deleted while its bytes were read; those in this archive are not all.")
    finally:
        close = getattr(read.chunks, "aclose", None)
        if close is not None:
            await close()


def _archive_name(file: File) -> str:
    name = _REFUSED.sub("_", safe_filename(file.filename)).rstrip(". ") or "file"
    return f"files/{file.id}/{'_' if _RESERVED.match(name) else ''}{name}"
