"""One careless server for all modules."""

from collections.abc import Iterator

import pytest

from tests.unit.preflight.servers import Careless, serving


@pytest.fixture(scope="session")
def careless() -> Iterator[str]:
    with serving(Careless) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"
