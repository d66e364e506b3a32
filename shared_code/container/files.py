"""Files."""

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from .plans import PlansParts

if TYPE_CHECKING:
    from shared_code.auth.ports import Exporter
    from shared_code.files.events import FilesEvents
    from shared_code.files.images import ImageJob
    from shared_code.files.purge import Purge
    from shared_code.files.records import Records
    from shared_code.files.removal import Removal
    from shared_code.files.service import FilesService
    from shared_code.files.shares import Shares
    from shared_code.files.statistics import Statistics
    from shared_code.files.uploads import Uploads
    from shared_code.files.usage import UsageLedger


class FilesParts(PlansParts):
    @cached_property
    def files_ledger(self) -> "UsageLedger":
        from shared_code.files.statistics import FEED
        from shared_code.files.usage import UsageLedger

        return UsageLedger(self.storage.tables, self.settings.files_quota_bytes, self.plan_quota, self.changes(FEED))

    @cached_property
    def files_records(self) -> "Records":
        from shared_code.files.records import Records

        return Records(self.storage.tables, self.files_ledger)

    @cached_property
    def files_uploads(self) -> "Uploads":
        from shared_code.files.incoming import Rules
        from shared_code.files.uploads import Uploads

        return Uploads(
            blobs=self.storage.blobs,
            records=self.files_records,
            ledger=self.files_ledger,
            clock=self.clock,
            jobs=self.files_jobs,
            container=self.settings.files_container,
            rules=Rules(frozenset(self.settings.files_allowed_types), self.settings.files_max_bytes),
            max_direct_bytes=self.settings.files_max_direct_bytes,
            hook=None if self.settings.storage_configured else _InProcessImages(self),
        )

    @cached_property
    def files_jobs(self) -> "_FilesJobs":
        return _FilesJobs(self)

    @cached_property
    def files_shares(self) -> "Shares":
        from shared_code.files.shares import Shares

        return Shares(tables=self.storage.tables, records=self.files_records, clock=self.clock, audit=self.audit, passwords=_Argon2())

    @cached_property
    def files(self) -> "FilesService":
        from shared_code.files.service import FilesService

        return FilesService(
            blobs=self.storage.blobs,
            records=self.files_records,
            ledger=self.files_ledger,
            uploads=self.files_uploads,
            shares=self.files_shares,
            clock=self.clock,
            container=self.settings.files_container,
            variants=self.settings.variants_container,
        )

    @cached_property
    def images(self) -> "ImageJob":
        from shared_code.files.images import ImageJob

        return ImageJob(
            blobs=self.storage.blobs,
            records=self.files_records,
            clock=self.clock,
            container=self.settings.files_container,
            variants=self.settings.variants_container,
        )

    @cached_property
    def files_statistics(self) -> "Statistics":
        from shared_code.files.statistics import FEED, Statistics

        return Statistics(self.storage.tables, self.clock, self.changes(FEED))

    @cached_property
    def files_purge(self) -> "Purge":
        from shared_code.files.purge import Purge

        return Purge(
            blobs=self.storage.blobs,
            records=self.files_records,
            uploads=self.files_uploads,
            service=self.files,
            jobs=self.files_jobs,
            clock=self.clock,
            container=self.settings.files_container,
            variants=self.settings.variants_container,
            retention_days=self.settings.files_retention_days,
        )

    @cached_property
    def files_events(self) -> "FilesEvents":
        from shared_code.files.events import FilesEvents

        return FilesEvents(self.files_uploads, self.files_removal, self.events)

    def exporters(self) -> "list[Exporter]":
        """Also where files runs as another app: what it holds is in the same storage."""
        from shared_code.files.export import FilesExport

        export = FilesExport(
            tables=self.storage.tables,
            blobs=self.storage.blobs,
            records=self.files_records,
            clock=self.clock,
            container=self.settings.files_container,
        )
        return [*super().exporters(), export]

    @cached_property
    def files_removal(self) -> "Removal":
        from shared_code.files.removal import Removal
        from shared_code.files.statistics import FEED

        return Removal(tables=self.storage.tables, clock=self.clock, remove_bytes=self.files.remove_bytes, changes=self.changes(FEED))


class _Argon2:
    """Files' port for slow hashes, kept by auth's module for them."""

    async def hash(self, password: str) -> str:
        from shared_code.auth.passwords import hash_password

        return await hash_password(password)

    async def verify(self, password: str, stored: str | None) -> bool:
        from shared_code.auth.passwords import verify_password

        return await verify_password(password, stored)


class _FilesJobs:
    """Files' port for work that outlives a request: its own events."""

    def __init__(self, container: FilesParts) -> None:
        self._container = container

    async def hash_file(self, file_id: str) -> None:
        await self._container.events.send("files", {"kind": "hash_file", "file_id": file_id})


class _InProcessImages:
    """With in-memory storage no host sees a blob arrive: the image job is started here."""

    def __init__(self, container: FilesParts) -> None:
        self._container = container
        self._running: set[asyncio.Task[None]] = set()

    async def stored(self, file_id: str) -> None:
        task = asyncio.create_task(self._container.images.process(file_id))
        self._running.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._running.discard)
