"""A shop: the whole app on storage in memory, the official SDK, and a Stripe of its own, all in this process."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.payments.shop import Shop


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    made = Shop()
    yield made
    await made.aclose()
