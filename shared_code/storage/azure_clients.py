"""SDK clients, made when first used and once per event loop, over one connection pool.

Nothing of ``azure.*`` or aiohttp is imported before the first call (cold start, DESIGN rule 2).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AioHttpTransport
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.blob.aio import BlobServiceClient, ContainerClient
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

    from .azure_blob_rest import BlobRequests
    from .azure_blobs import DelegationKey
    from .azure_table_rest import TableRequests

CONNECT_TIMEOUT = 1.5
READ_TIMEOUT = 30
TABLE_READ_TIMEOUT = 10
"""Seconds between two pieces of an answer; fewer of tables, which every request asks first, and which answer within milliseconds or, for a
query, five seconds (https://learn.microsoft.com/rest/api/storageservices/query-timeout-and-pagination): people wait for no longer."""
RETRIES = 2
"""After the first try: an address that swallows packets is given up after 3 × 1.5 s and two short pauses."""

# Under a second between tries; what timed out is not repeated: with READ_TIMEOUT that would hold a request for minutes.
_PAUSES = {"retry_total": RETRIES, "retry_read": 0, "initial_backoff": 0.1, "increment_base": 0.3, "random_jitter_range": 0.1}

_DEVELOPMENT = "usedevelopmentstorage=true"


@dataclass(frozen=True, slots=True)
class Account:
    """Where storage is and how to sign in: a connection string, or three URLs with an azure-identity credential."""

    connection_string: str | None = None
    blob_url: str = ""
    table_url: str = ""
    queue_url: str = ""
    credential: "AsyncTokenCredential | None" = None
    api_version: str | None = None

    @property
    def is_local(self) -> bool:
        text = (self.connection_string or "").lower()
        return _DEVELOPMENT in text or "blobendpoint=http://" in text or "defaultendpointsprotocol=http;" in text


def sibling_url(blob_url: str, service: str) -> str:
    """``https://name.blob.core.windows.net`` → ``https://name.table.core.windows.net``. ``ValueError`` when it is not such a URL."""
    parts = urlsplit(blob_url)
    name, dot, rest = (parts.hostname or "").partition(".blob.")
    if not dot or parts.path.strip("/"):
        raise ValueError("the account URL is not https://NAME.blob.SUFFIX: give the table and queue URLs too")
    return f"{parts.scheme}://{name}.{service}.{rest}"


class Clients:
    """The clients of one event loop. Container and queue clients are kept: making one costs 0.1 ms."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.loop = asyncio.get_running_loop()
        self.delegation_key: DelegationKey | None = None
        self.known_containers: set[str] = set()
        self._containers: dict[str, ContainerClient] = {}
        self._queues: dict[str, QueueClient] = {}

    def container(self, name: str) -> "ContainerClient":
        client = self._containers.get(name)
        if client is None:
            client = self._containers[name] = self.blob_service.get_container_client(name)
        return client

    def queue(self, name: str) -> "QueueClient":
        client = self._queues.get(name)
        if client is None:
            # No encoding policies: plain text on both sides, as host.json says with messageEncoding none.
            client = self._queues[name] = self.queue_service.get_queue_client(name, message_encode_policy=None, message_decode_policy=None)
        return client

    @cached_property
    def blob_service(self) -> "BlobServiceClient":
        from azure.storage.blob.aio import BlobServiceClient

        from .limits import CHUNK, MAX_PUT

        options = self._options | {"max_single_get_size": CHUNK, "max_chunk_get_size": CHUNK, "max_single_put_size": MAX_PUT}
        if self.account.connection_string is not None:
            return BlobServiceClient.from_connection_string(self.account.connection_string, **options)
        return BlobServiceClient(self.account.blob_url, credential=self.account.credential, **options)

    @cached_property
    def blob_requests(self) -> "BlobRequests":
        from .azure_blob_rest import BlobRequests

        return BlobRequests(self._session, self.blob_service, connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)

    @cached_property
    def queue_service(self) -> "QueueServiceClient":
        from azure.storage.queue.aio import QueueServiceClient

        options = self._options
        if self.account.connection_string is not None:
            return QueueServiceClient.from_connection_string(self.account.connection_string, **options)
        return QueueServiceClient(self.account.queue_url, credential=self.account.credential, **options)

    @cached_property
    def table_requests(self) -> "TableRequests":
        from .azure_table_auth import from_connection_string, from_credential
        from .azure_table_rest import TableRequests

        if self.account.connection_string is not None:
            tables = from_connection_string(self.account.connection_string)
        else:
            assert self.account.credential is not None, "an account URL comes with a credential"
            tables = from_credential(self.account.table_url, self.account.credential)
        return TableRequests(self._session, tables, connect=CONNECT_TIMEOUT, read=TABLE_READ_TIMEOUT)

    @cached_property
    def table_service(self) -> "TableServiceClient":
        """For what is rare: tables themselves. Rows go by ``table_requests``."""
        from azure.data.tables.aio import TableServiceClient

        options = {"transport": self._transport, "retry_total": RETRIES, "retry_read": 0, "retry_backoff_factor": 0.2}
        if self.account.connection_string is not None:
            return TableServiceClient.from_connection_string(self.account.connection_string, **options)
        credential = self.account.credential
        assert credential is not None, "an account URL comes with a credential"
        return TableServiceClient(self.account.table_url, credential=credential, **options)

    async def aclose(self) -> None:
        if "_session" in self.__dict__:
            await self._session.close()

    @cached_property
    def _options(self) -> dict[str, Any]:
        # The pinned version concerns blobs and queues; tables have versions of their own, which no Azurite refuses.
        version = {"api_version": self.account.api_version} if self.account.api_version else {}
        return {"transport": self._transport} | version | _PAUSES

    @cached_property
    def _transport(self) -> "AioHttpTransport":
        from .azure_transport import PieceByPieceTransport

        return PieceByPieceTransport(
            session=self._session, session_owner=False, connection_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT
        )

    @cached_property
    def _session(self) -> "ClientSession":
        from .azure_transport import open_session

        return open_session(local=self.account.is_local)


class ClientsOfLoop:
    """Hands out the clients of the running event loop. A connection belongs to its loop: on another one all are made anew."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._clients: Clients | None = None

    def __call__(self) -> Clients:
        clients = self._clients
        if clients is None or clients.loop is not asyncio.get_running_loop():
            clients = self._clients = Clients(self._account)
        return clients

    async def aclose(self) -> None:
        clients, self._clients = self._clients, None
        if clients is not None and clients.loop is asyncio.get_running_loop():
            await clients.aclose()


GetClients = Callable[[], Clients]
