"""The only module that wires adapters to services: cached, lazy, and each import where it is first needed.

Tests override what they like: ``Container(settings, storage=MemoryStorage(clock), clock=clock)``.
"""

import asyncio
import importlib
import threading
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from shared_code.audit.ports import Audit
from shared_code.clock import Clock, SystemClock
from shared_code.settings import Settings
from shared_code.storage.events import Events
from shared_code.storage.ports import Storage
from shared_code.web.idempotency import Idempotency

if TYPE_CHECKING:  # a service is imported when it is first asked for, not when the app starts
    from shared_code.auth.key_store import KeyStore
    from shared_code.auth.purge import AuthPurge
    from shared_code.auth.service import AuthService
    from shared_code.auth.sessions import Sessions
    from shared_code.auth.tokens import TokenVerifier
    from shared_code.files.images import ImageJob
    from shared_code.files.purge import Purge
    from shared_code.files.records import Records
    from shared_code.files.service import FilesService
    from shared_code.files.shares import Shares
    from shared_code.files.statistics import Statistics
    from shared_code.files.uploads import Uploads
    from shared_code.files.usage import UsageLedger

log = structlog.get_logger("lydian")


class Container:
    def __init__(self, settings: Settings, *, storage: Storage | None = None, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self._storage = storage

    @cached_property
    def storage(self) -> Storage:
        settings = self.settings
        if self._storage is not None:
            return self._storage
        if settings.storage_configured:
            from shared_code.storage.azure_storage import AzureStorage

            version = settings.storage_api_version or None
            if settings.storage_connection_string:
                # SPEC §1: local pages of any port may upload directly.
                origins = ["*"] if settings.environment == "local" else []
                return AzureStorage.from_connection_string(
                    settings.storage_connection_string, api_version=version, emulator_origins=origins
                )
            from azure.identity.aio import ManagedIdentityCredential

            credential = ManagedIdentityCredential(client_id=settings.managed_identity_client_id or None)
            return AzureStorage.from_account(settings.storage_account_url, credential, api_version=version)
        from shared_code.storage.memory import MemoryStorage

        log.warning("storage_in_memory", effect="EVERYTHING IS LOST when this process ends", remedy="set AZURE_STORAGE_CONNECTION_STRING")
        return MemoryStorage(self.clock)

    def preload(self) -> None:
        """Import what the first requests will need, in a thread of its own: half a second that would stop the event loop."""
        modules = ["jwt", "cryptography.hazmat.primitives.asymmetric.ec", "argon2"]
        if self.settings.storage_configured:
            modules += ["azure.data.tables.aio", "azure.storage.blob.aio", "azure.storage.queue.aio"]
        if "files" in self.settings.services:
            modules += ["pyvips", "PIL.Image"]

        def load() -> None:
            for module in modules:
                try:
                    importlib.import_module(module)
                except (ImportError, OSError):
                    continue  # who needs it will say so

        threading.Thread(target=load, name="preload").start()

    @cached_property
    def audit(self) -> Audit:
        from shared_code.audit.log_audit import LogAudit

        return LogAudit()

    @cached_property
    def events(self) -> Events:
        return Events(self.storage.queues)

    @cached_property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.storage.tables, self.clock)

    # --- auth; every service verifies its callers with these keys and sessions ---

    @cached_property
    def key_store(self) -> "KeyStore":
        from shared_code.auth.key_store import KeyStore

        return KeyStore(self.settings, self.storage.blobs)

    @cached_property
    def sessions(self) -> "Sessions":
        from shared_code.auth.sessions import Sessions

        return Sessions(self.storage.tables, self.clock)

    @cached_property
    def verifier(self) -> "TokenVerifier":
        from shared_code.auth.tokens import TokenVerifier

        return TokenVerifier(self.key_store.verifying, issuer=self.settings.issuer, audience=self.settings.jwt_audience, clock=self.clock)

    @cached_property
    def auth(self) -> "AuthService":
        from shared_code.auth.emails import normalise
        from shared_code.auth.service import AuthService

        return AuthService(
            tables=self.storage.tables,
            clock=self.clock,
            sessions=self.sessions,
            audit=self.audit,
            signing_keys=self.key_store.signing,
            issuer=self.settings.issuer,
            audience=self.settings.jwt_audience,
            admin_emails=frozenset(map(normalise, self.settings.admin_emails)),
            trust_admin_emails=self.settings.environment == "local",
        )

    @cached_property
    def auth_purge(self) -> "AuthPurge":
        from shared_code.auth.purge import AuthPurge

        return AuthPurge(self.storage.tables, self.clock)

    # --- files ---

    @cached_property
    def files_ledger(self) -> "UsageLedger":
        from shared_code.files.usage import UsageLedger

        return UsageLedger(self.storage.tables, self.settings.files_quota_bytes)

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
        from shared_code.files.statistics import Statistics

        return Statistics(self.storage.tables, self.clock)

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


class _Argon2:
    """Files' port for slow hashes, kept by auth's module for them."""

    async def hash(self, password: str) -> str:
        from shared_code.auth.passwords import hash_password

        return await hash_password(password)

    async def verify(self, password: str, stored: str | None) -> bool:
        from shared_code.auth.passwords import verify_password

        return await verify_password(password, stored)


class _FilesJobs:
    """Files' port for work that outlives a request: its own event queue; with in-memory storage, this process."""

    def __init__(self, container: Container) -> None:
        self._container = container

    async def hash_file(self, file_id: str) -> None:
        if self._container.settings.storage_configured:
            await self._container.events.send("files", {"kind": "hash_file", "file_id": file_id})
        else:
            await self._container.files_uploads.hash(file_id)


class _InProcessImages:
    """With in-memory storage no host sees a blob arrive: the image job is started here."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._running: set[asyncio.Task[None]] = set()

    async def stored(self, file_id: str) -> None:
        task = asyncio.create_task(self._container.images.process(file_id))
        self._running.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._running.discard)
