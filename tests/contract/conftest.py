"""One suite, two adapters: every test that asks for ``storage`` runs on memory and on a real Azurite."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar
from uuid import uuid4

import pytest
import pytest_asyncio

from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import BlobRead, Storage
from tests.azurite import AzuriteHandle, start_azurite

T = TypeVar("T")


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzuriteHandle]:
    handle = start_azurite()
    yield handle
    handle.stop()


@pytest_asyncio.fixture
async def azure(azurite: AzuriteHandle) -> AsyncIterator[AzureStorage]:
    storage = AzureStorage.from_connection_string(azurite.connection_string)
    yield storage
    await storage.aclose()


@pytest.fixture(params=["memory", "azure"])
def storage(request: pytest.FixtureRequest) -> Storage:
    if request.param == "memory":
        return MemoryStorage()
    found: Storage = request.getfixturevalue("azure")
    return found


@pytest.fixture
def name() -> str:
    """A table, container or queue of this test alone: all share one Azurite."""
    return "t" + uuid4().hex[:20]


async def all_of(read: BlobRead) -> bytes:
    return b"".join([chunk async for chunk in read.chunks])


async def eventually(look: Callable[[], Awaitable[T]], *, seconds: float = 10) -> T:
    """Look again and again until there is something."""
    async with asyncio.timeout(seconds):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.05)  # between looks; the time-out above bounds it


async def outcomes(*attempts: Awaitable[object]) -> list[object]:
    """Results and exceptions of attempts made at the same time."""
    return await asyncio.gather(*attempts, return_exceptions=True)
