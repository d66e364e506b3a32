"""The nightly purge: what users have deleted, what has expired, and what a cut has left behind. Safe to run twice."""

from datetime import timedelta

import structlog

from shared_code import ids
from shared_code.clock import Clock
from shared_code.errors import NotFound
from shared_code.storage.ports import Blobs

from .models import ABANDONED, owner_of
from .ports import Jobs
from .records import Records
from .service import FilesService
from .uploads import Uploads

log = structlog.get_logger("lydian.files")

ORPHAN_AGE = timedelta(days=1)
SHARES_KEPT = timedelta(days=30)
"""For this long an expired link still answers 410, which tells its holder more than 404."""


class Purge:
    def __init__(
        self,
        *,
        blobs: Blobs,
        records: Records,
        uploads: Uploads,
        service: FilesService,
        jobs: Jobs,
        clock: Clock,
        container: str,
        variants: str,
        retention_days: int,
    ) -> None:
        self._blobs, self._records, self._uploads, self._service, self._jobs = blobs, records, uploads, service, jobs
        self._clock, self._container, self._variants = clock, container, variants
        self._retention = timedelta(days=retention_days)

    async def run(self) -> dict[str, int]:
        """Carry out every part; return how much each removed."""
        counts = {
            "pending": await self._pending(),
            "deleted": await self._deleted(),
            "shares": await self._service.shares.purge(self._clock.now() - SHARES_KEPT),
            "blobs": await self._orphans(self._container) + await self._orphans(self._variants),
        }
        log.info("purged", **counts)
        return counts

    async def _pending(self) -> int:
        count, before = 0, self._clock.now() - ABANDONED
        async for file in self._records.all_storing(before):
            if await self._uploads.abandon(file):
                await self._service.remove_bytes(file.id)
                count += 1
        async for pending in self._records.all_pending(before):
            # The row first: a ``complete`` that comes now finds nothing, instead of making a file without bytes.
            if await self._uploads.release(pending):
                await self._service.remove_bytes(pending.file.id)
                count += 1
        return count

    async def _deleted(self) -> int:
        count, cutoff = 0, self._clock.now() - self._retention
        async for file in self._records.all_rows():
            if file.status == "deleted" and file.deleted_at is not None and file.deleted_at < cutoff:
                try:
                    await self._service.delete_permanently(file.owner_id, file.id, deleted_before=cutoff)
                    count += 1
                except NotFound:
                    continue  # its owner was faster, to remove or to restore it
            elif file.sha256 is None:
                await self._jobs.hash_file(file.id)  # the message of ``complete`` was lost
        return count

    async def _orphans(self, container: str) -> int:
        count, cutoff = 0, self._clock.now() - ORPHAN_AGE
        async for blob in self._blobs.list(container):
            file_id = blob.name.partition("/")[0]
            if blob.created_at >= cutoff or (owner_of(file_id) and ids.timestamp_ms(file_id) / 1000 >= cutoff.timestamp()):
                continue
            # In this order: a pending upload becomes a file, never the other way round.
            if await self._records.find_pending(file_id) or await self._records.find(file_id):
                continue
            if await self._blobs.delete(container, blob.name):
                log.info("orphan_removed", container=container, blob=blob.name)
                count += 1
        return count
