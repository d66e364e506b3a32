from collections.abc import AsyncIterator

import pytest_asyncio

from tests.unit.chat.chats import Room, make_room


@pytest_asyncio.fixture
async def room() -> AsyncIterator[Room]:
    made = await make_room()
    yield made
    await made.settled()
