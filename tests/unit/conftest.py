"""What every unit test has: Argon2 that costs next to nothing, and no log settings left over from another test."""

from collections.abc import AsyncIterator, Iterator

import httpx
import hypothesis
import pytest
import structlog
from argon2 import PasswordHasher

from shared_code.auth import passwords
from tests.unit.apps import App, make_app

# A busy machine is no failure.
hypothesis.settings.register_profile("lydian", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("lydian")


@pytest.fixture(autouse=True)
def cheap_argon2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobodys_hash.cache_clear()
    yield
    passwords._nobodys_hash.cache_clear()


@pytest.fixture(autouse=True)
def fresh_logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def app() -> App:
    """The whole app on storage in memory; a module whose app has settings of its own makes its own."""
    return make_app()


@pytest.fixture
async def client(app: App) -> AsyncIterator[httpx.AsyncClient]:
    """A stranger's client of ``app``."""
    async with app.client() as client:
        yield client
