"""What every service shares: settings, time, storage, the audit trail, events and idempotent answers."""

import importlib
import threading
from functools import cached_property

import structlog

from shared_code.audit.ports import Audit
from shared_code.clock import Clock, SystemClock
from shared_code.settings import Settings
from shared_code.storage.events import Event, Events, InProcessEvents, QueueEvents
from shared_code.storage.feeds import ChangeFeed
from shared_code.storage.notices import Notices
from shared_code.storage.ports import Storage
from shared_code.web.idempotency import Idempotency

log = structlog.get_logger("lydian")


class Core:
    def __init__(self, settings: Settings, *, storage: Storage | None = None, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self._storage = storage
        self._started = self.clock.now()
        self._feeds: dict[str, ChangeFeed] = {}

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
        if "payments" in self.settings.services and self.settings.stripe_secret_key:
            modules.append("stripe")
        if self.ai_configured:
            modules.append("openai")

        def load() -> None:
            for module in modules:
                try:
                    importlib.import_module(module)
                except (ImportError, OSError):
                    continue  # who needs it will say so

        threading.Thread(target=load, name="preload").start()

    def check_settings(self) -> None:
        """Raises SettingsError for what only a service that runs here can judge, so that the app does not start with it."""

    @property
    def ai_configured(self) -> bool:
        """Whether this app runs the gateway, or chat, and knows a model."""
        return False

    @cached_property
    def audit(self) -> Audit:
        from shared_code.audit.recorder import Recorder

        return Recorder(self.storage.tables, self.clock)

    @cached_property
    def events(self) -> Events:
        return QueueEvents(self.storage.queues) if self.settings.storage_configured else InProcessEvents(self.handle_event)

    async def handle_event(self, service: str, event: Event) -> None:
        """Hand an event to the service that consumes it: from its queue's trigger, or at once where there are no queues."""
        raise NotImplementedError

    def changes(self, name: str) -> ChangeFeed:
        """The feed into which a service writes whose figures have changed; one object for each name."""
        if name not in self._feeds:
            self._feeds[name] = ChangeFeed(self.storage.tables, self.clock, name)
        return self._feeds[name]

    @cached_property
    def notices(self) -> Notices:
        """What other instances tell this one; one object, since it reads for all."""
        return Notices(self.storage.tables, self.clock)

    @cached_property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.storage.tables, self.clock)
