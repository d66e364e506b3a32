"""One app over memory for each test, and three callers: Alice, Bob and nobody."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
import structlog

from tests.unit.files.apps import FilesApp, make_files_app


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.ReturnLoggerFactory())


@pytest.fixture
def app() -> FilesApp:
    return make_files_app()


@pytest_asyncio.fixture
async def alice(app: FilesApp) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client("alice") as client:
        yield client


@pytest_asyncio.fixture
async def bob(app: FilesApp) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client("bob") as client:
        yield client


@pytest_asyncio.fixture
async def anyone(app: FilesApp) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client(None) as client:
        yield client
