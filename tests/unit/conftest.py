"""What every unit test has: Argon2 that costs next to nothing, and no log settings left over from another test."""

from collections.abc import Iterator

import hypothesis
import pytest
import structlog
from argon2 import PasswordHasher

from shared_code.auth import passwords

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
