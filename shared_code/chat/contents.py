"""Where a message's text is: in its row, or in a blob when it is long."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from shared_code import ids
from shared_code.clock import Clock
from shared_code.storage.ports import Blobs, Missing

from .models import Message
from .tables import CONTAINER, PIECE, blob_prefix

AT_ONCE = 8


class Contents:
    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self._blobs, self._clock = blobs, clock

    async def put(self, owner_id: str, message: Message) -> Message:
        """The message as its row can hold it: a content of more than 16,000 characters goes to a new blob first.

        What is written there and then referred to by no row goes with its conversation.
        """
        if len(message.content) <= PIECE:
            return message
        name = f"{blob_prefix(owner_id, message.conversation_id)}{ids.new_id(self._clock.now())}"
        await self._blobs.put(CONTAINER, name, message.content.encode(), content_type="text/plain; charset=utf-8")
        return replace(message, blob=name)

    async def filled(self, messages: Sequence[Message]) -> list[Message]:
        """With their contents; one storage call for each long one."""
        at_once = asyncio.Semaphore(AT_ONCE)

        async def fill(message: Message) -> Message:
            if not message.blob:
                return message
            async with at_once:
                return replace(message, content=await self._read(message.blob))

        if not any(message.blob for message in messages):
            return list(messages)
        return await asyncio.gather(*map(fill, messages))

    async def _read(self, name: str) -> str:
        try:
            read = await self._blobs.read(CONTAINER, name)
            return b"".join([chunk async for chunk in read.chunks]).decode()
        except Missing:
            return ""  # its conversation is being deleted

    async def discard(self, message: Message) -> None:
        if message.blob:
            await self._blobs.delete(CONTAINER, message.blob)
