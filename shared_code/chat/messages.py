"""Reading messages: one, a page of a path, all of a tree. Whatever is read, an answer whose writer died is ended first."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from shared_code.errors import Conflict, NotFound
from shared_code.storage.ports import Row, Tables

from . import tree
from .contents import Contents
from .models import Conversation, Message
from .tables import CHATS, message_key, messages_prefix, segment_key, to_message
from .tree import Place, Stretch

AT_ONCE = 8
MAX_QUERY = 1000

Settle = Callable[[str, Message], Awaitable[Message]]
"""(owner, a message as it was read): the message as it is, ended when whoever wrote it has died."""


class Messages:
    def __init__(self, tables: Tables, contents: Contents, settle: Settle) -> None:
        self._tables, self._contents, self._settle = tables, contents, settle

    async def get(self, owner_id: str, conversation_id: str, message_id: str) -> Message:
        """NotFound for one that is not there, or not in this conversation of this owner. One storage call, two for long ones."""
        [message] = await self._whole(owner_id, [to_message(await self._row(owner_id, conversation_id, message_id))])
        return message

    async def bare(self, owner_id: str, conversation_id: str, message_id: str) -> Message:
        """As ``get``, but without a content that is in a blob, and as it was left."""
        return to_message(await self._row(owner_id, conversation_id, message_id))

    async def answer(self, owner_id: str, conversation_id: str, message_id: str) -> Message:
        """As ``bare``. Conflict for a question."""
        message = await self.bare(owner_id, conversation_id, message_id)
        check_answer(message)
        return message

    async def _row(self, owner_id: str, conversation_id: str, message_id: str) -> Row:
        place = tree.place_of(message_id)
        row = await self._tables.get(CHATS, owner_id, message_key(conversation_id, place)) if place else None
        if row is None or row.values["id"] != message_id:
            raise not_found()
        return row

    async def ancestry(self, owner_id: str, conversation_id: str, segment: int) -> tree.Ancestry:
        """One storage call, none for the first segment, which hangs on nothing."""
        if segment == 0:
            return ()
        row = await self._tables.get(CHATS, owner_id, segment_key(conversation_id, segment))
        packed = row.values.get("ancestry", b"") if row else b""
        assert isinstance(packed, bytes)
        return tree.unpack(packed)

    async def way_to(self, owner_id: str, conversation_id: str, place: Place) -> list[Stretch]:
        return tree.path(await self.ancestry(owner_id, conversation_id, place.segment), place)

    async def along(self, owner_id: str, conversation_id: str, way: Sequence[Stretch], first: int, last: int) -> list[Message]:
        """The messages of a way at depths ``first`` to ``last``, from the root on: one query for each segment that it crosses
        there (one, in a conversation without branches), and one read for each long content."""
        at_once = asyncio.Semaphore(AT_ONCE)

        async def read(stretch: Stretch) -> list[Row]:
            async with at_once:
                return await self._tables.query(
                    CHATS,
                    owner_id,
                    prefix=messages_prefix(conversation_id),
                    after=_just_before(conversation_id, stretch),
                    before=message_key(conversation_id, Place(stretch.segment, stretch.last + 1)),
                    limit=stretch.last - stretch.first + 1,
                )

        found = await asyncio.gather(*map(read, tree.between(way, first, last)))
        return await self._whole(owner_id, [to_message(row) for rows in found for row in rows])

    async def everything(self, owner_id: str, conversation: Conversation, *, after: str | None, limit: int) -> list[tuple[str, Message]]:
        """(row key, message) of all branches, one after the other; a parent comes before its children. One query."""
        prefix = messages_prefix(conversation.id)
        rows = await self._tables.query(CHATS, owner_id, prefix=prefix, after=after, limit=limit)
        messages = await self._whole(owner_id, [to_message(row) for row in rows])
        return [(row.key, message) for row, message in zip(rows, messages, strict=True)]

    async def _whole(self, owner_id: str, messages: Sequence[Message]) -> list[Message]:
        settled = [await self._settle(owner_id, each) if each.status == "streaming" else each for each in messages]
        return await self._contents.filled(settled)


def _just_before(conversation_id: str, stretch: Stretch) -> str:
    """A key behind which the stretch begins."""
    if stretch.first:
        return message_key(conversation_id, Place(stretch.segment, stretch.first - 1))
    return message_key(conversation_id, Place(stretch.segment, 0))[:-1]


def not_found() -> NotFound:
    return NotFound("There is no such message.", code="message_not_found")


def check_answer(message: Message) -> None:
    """Conflict for a question: it neither runs nor stops."""
    if message.role != "assistant":
        raise Conflict("Only answers run.", code="not_an_answer")
