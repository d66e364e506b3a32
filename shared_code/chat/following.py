"""Following an answer, from any instance and from any place in it: what comes is exactly the text behind that place."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from shared_code.errors import Busy, StorageUnavailable

from .messages import Messages
from .models import Message
from .running import FLUSH, Runs

MAX_MISSES = 20
"""Looks in a row at which storage may be away."""


@dataclass(frozen=True, slots=True)
class Delta:
    """``offset``: how many characters of the answer there are up to the end of this piece."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer as it is stored for good."""

    message: Message


class Following:
    def __init__(self, messages: Messages, runs: Runs, *, look: float = FLUSH) -> None:
        """``look``: seconds between two looks at an answer that another process writes."""
        self._messages, self._runs, self._look = messages, runs, look

    async def follow(self, owner_id: str, conversation_id: str, message_id: str, offset: int = 0) -> AsyncGenerator[Delta | Ended, None]:
        """The text behind character ``offset`` as it comes, then one Ended. NotFound before the first of them.

        A reader that is slow gets larger pieces: nothing is kept for it. One that has heard more than was stored when the
        writer died hears no more text; the message in Ended is what counts.
        """
        run = self._runs.find(message_id)
        if run is not None and (run.owner_id != owner_id or run.message.conversation_id != conversation_id):
            run = None
        while run is not None:
            if offset < run.length:
                text = run.text(offset)
                offset += len(text)
                yield Delta(text, offset)
            elif run.over:
                break
            else:
                await run.changed()
        if run is not None and run.over and run.final is not None:
            for event in _rest(run.final, offset):
                yield event
            return
        misses = 0
        while True:
            try:
                message = await self._messages.get(owner_id, conversation_id, message_id)
                misses = 0
            except StorageUnavailable:
                misses += 1
                if misses > MAX_MISSES:
                    raise
                await asyncio.sleep(self._look)
                continue
            if message.status != "streaming":
                for event in _rest(message, offset):
                    yield event
                return
            if len(message.content) > offset:
                text = message.content[offset:]
                offset = len(message.content)
                yield Delta(text, offset)
            await asyncio.sleep(self._look)

    async def ended(self, owner_id: str, conversation_id: str, message_id: str) -> Message:
        """The message, once it has ended."""
        async for event in self.follow(owner_id, conversation_id, message_id):
            if isinstance(event, Ended):
                return event.message
        raise Busy("This answer takes too long.")


def _rest(message: Message, offset: int) -> list[Delta | Ended]:
    rest = message.content[offset:]
    return [*([Delta(rest, offset + len(rest))] if rest else []), Ended(message)]
