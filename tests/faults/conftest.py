"""Faults of what the app stands on. It runs in ``.ci/run`` and not in ``make test``: a suite that stops processes and waits for others."""

from collections.abc import Iterator

import pytest

from tests.faults.support import QUOTA, Storage
from tests.integration.support import Host, running_host
from tests.unit.apps import signing_pem


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    found = Storage()
    found.start()
    yield found
    found.close()


@pytest.fixture(scope="module")
def host(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with running_host(tmp_path_factory.mktemp("host"), **storage.settings) as found:
        yield found


@pytest.fixture(scope="module")
def hosts(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Host]]:
    """Two instances on one storage."""
    settings = {**storage.settings, "JWT_PRIVATE_KEY": signing_pem(), "FILES_QUOTA_BYTES": str(QUOTA * 10)}
    with (
        running_host(tmp_path_factory.mktemp("one"), **settings) as one,
        running_host(tmp_path_factory.mktemp("other"), **settings) as other,
    ):
        yield [one, other]
