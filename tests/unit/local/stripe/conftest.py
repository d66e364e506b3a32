import warnings
from collections.abc import AsyncIterator

import pytest

from tests.unit.local.stripe.support import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    warnings.filterwarnings("ignore", message="Use 'content=<...>'")  # the SDK's way with httpx, which is none of ours
    made = World()
    yield made
    await made.http.aclose()
    await made.server.stop()
