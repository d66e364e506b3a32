"""The three Azure adapters behind one account. Importing this module, or constructing, imports no SDK and opens nothing."""

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from .azure_clients import Account, ClientsOfLoop, sibling_url

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from .azure_blobs import AzureBlobs
    from .azure_queues import AzureQueues
    from .azure_tables import AzureTables


class AzureStorage:
    """``Storage`` on an Azure storage account or Azurite. Safe to keep for the life of the process, whatever its event loops."""

    def __init__(self, account: Account, emulator_origins: Sequence[str] = ()) -> None:
        self._clients = ClientsOfLoop(account)
        self._emulator_origins = emulator_origins

    @classmethod
    def from_connection_string(
        cls, connection_string: str, *, api_version: str | None = None, emulator_origins: Sequence[str] = ()
    ) -> "AzureStorage":
        """``api_version`` pins the version of blob and queue requests, for an Azurite that refuses newer ones.

        ``emulator_origins`` are allowed to upload directly where the account is a local emulator.
        The connection string is read at the first call, which raises ``ValueError`` when it is malformed.
        """
        return cls(Account(connection_string=connection_string, api_version=api_version), emulator_origins)

    @classmethod
    def from_account(
        cls,
        account_url: str,
        credential: "AsyncTokenCredential",
        *,
        table_url: str | None = None,
        queue_url: str | None = None,
        api_version: str | None = None,
    ) -> "AzureStorage":
        """``account_url`` is ``https://NAME.blob.core.windows.net`` (or another cloud's); the other two follow from it.

        The credential stays the caller's to close. ``ValueError`` when they don't follow and aren't given.
        """
        account = Account(
            blob_url=account_url.rstrip("/"),
            table_url=table_url or sibling_url(account_url, "table"),
            queue_url=queue_url or sibling_url(account_url, "queue"),
            credential=credential,
            api_version=api_version,
        )
        return cls(account)

    @cached_property
    def blobs(self) -> "AzureBlobs":
        from .azure_blobs import AzureBlobs

        return AzureBlobs(self._clients, self._emulator_origins)

    @cached_property
    def tables(self) -> "AzureTables":
        from .azure_tables import AzureTables

        return AzureTables(self._clients)

    @cached_property
    def queues(self) -> "AzureQueues":
        from .azure_queues import AzureQueues

        return AzureQueues(self._clients)

    async def check(self) -> None:
        await asyncio.gather(self.blobs.check(), self.tables.check(), self.queues.check())

    async def aclose(self) -> None:
        """Close the connections of the running loop; a later call opens new ones."""
        await self._clients.aclose()
