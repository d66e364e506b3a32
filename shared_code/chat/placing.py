"""Where new messages get their place: with their conversation's head and its place in the list, all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared_code import ids
from shared_code.clock import Clock
from shared_code.errors import InvalidInput, NotFound
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Insert, Missing, Operation, Tables, Upsert, Value

from . import tree
from .contents import Contents
from .conversations import TRIES, Conversations, busy, contended, replacements
from .messages import Messages
from .models import Conversation, Message
from .tables import CHATS, WORK, client_key, key_of, message_key, message_values, pending, running_partition, segment_key
from .tree import Place

MAX_DEPTH = tree.MAX_PLACES - 2


@dataclass(frozen=True, slots=True)
class Draft:
    """Messages that follow each other, without ids yet; the last one is an answer that begins to run.

    ``parent_id``: what they follow; "" what is shown last; None: nothing, they begin a tree of their own.
    """

    messages: tuple[Message, ...]
    parent_id: str | None = ""
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """``messages`` are those of the draft with their ids; None when ``client_id`` has been here before, and led to ``ids``."""

    ids: tuple[str, ...]
    messages: tuple[Message, ...] | None
    conversation: Conversation


class Placing:
    def __init__(self, tables: Tables, clock: Clock, conversations: Conversations, messages: Messages, contents: Contents) -> None:
        self._tables, self._clock, self._conversations = tables, clock, conversations
        self._messages, self._contents = messages, contents

    async def known(self, owner_id: str, conversation_id: str, client_id: str | None) -> tuple[str, ...] | None:
        """The ids that a ``client_id`` has led to. One storage call."""
        if client_id is None:
            return None
        row = await self._tables.get(CHATS, owner_id, client_key(conversation_id, client_id))
        return tuple(str(row.values["ids"]).split()) if row else None

    async def add(self, owner_id: str, conversation_id: str, draft: Draft) -> Placed:
        """Give each message its place; the last one is shown from then on. NotFound for the conversation or the parent;
        InvalidInput where the tree can grow no further; Busy when too many others are at it."""
        kept = [await self._contents.put(owner_id, replace(message, conversation_id=conversation_id)) for message in draft.messages]
        try:
            async with self._conversations.locked(owner_id, conversation_id):
                placed = await self._place(owner_id, conversation_id, replace(draft, messages=tuple(kept)))
        except BaseException:
            for message in kept:
                await self._contents.discard(message)
            raise
        if placed.messages is None:
            for message in kept:
                await self._contents.discard(message)
        return placed

    async def _place(self, owner_id: str, conversation_id: str, draft: Draft) -> Placed:
        run = ids.new_id(self._clock.now())
        for attempt in range(TRIES):
            conversation = await self._conversations.get(owner_id, conversation_id)
            parent_id = conversation.head_id if draft.parent_id == "" else draft.parent_id
            parent = tree.place_of(parent_id) if parent_id else None
            if parent_id and parent_id != conversation.head_id:
                await self._messages.bare(owner_id, conversation_id, parent_id)
            first, operations = await self._first_place(owner_id, conversation, parent)
            messages = self._numbered(conversation_id, draft.messages, parent_id, first, run)
            changed = replace(
                conversation,
                head_id=messages[-1].id,
                activity=ids.new_id(self._clock.now()),
                updated_at=self._clock.now(),
                segments=max(conversation.segments, first.segment + 1),
            )
            operations = [*_rows(messages), *operations, *replacements(conversation, changed)]
            if draft.client_id is not None:
                found = " ".join(message.id for message in messages)
                operations.append(Insert(client_key(conversation_id, draft.client_id), {"ids": found}))
            await self._note_running(owner_id, messages[-1])
            try:
                etags = await self._tables.batch(CHATS, owner_id, operations)
                etag = etags[len(messages) - 1]
            except (AlreadyExists, EtagMismatch, Missing):
                if (ours := await self._ours(owner_id, messages[-1])) is not None:
                    etag = ours  # it was written after all, and the answer to that was lost
                elif known := await self.known(owner_id, conversation_id, draft.client_id):
                    return Placed(known, None, conversation)
                else:
                    await contended(attempt)
                    continue
            messages[-1] = replace(messages[-1], etag=etag)
            return Placed(tuple(message.id for message in messages), tuple(messages), changed)
        raise busy()

    async def _first_place(self, owner_id: str, conversation: Conversation, parent: Place | None) -> tuple[Place, list[Operation]]:
        """Where the first message goes: on in its parent's segment, or, where that goes on already, in a new one."""
        depth = parent.depth + 1 if parent else 0
        if depth > MAX_DEPTH:
            raise InvalidInput(f"A conversation holds at most {MAX_DEPTH} messages one after the other.", code="conversation_too_long")
        if parent is not None:
            row = await self._tables.get(CHATS, owner_id, message_key(conversation.id, Place(parent.segment, depth)))
            if row is None:
                return Place(parent.segment, depth), []
        segment = conversation.segments
        if segment == 0:
            return Place(0, 0), []  # the first message of all
        before = await self._messages.ancestry(owner_id, conversation.id, parent.segment) if parent else ()
        ancestry = tree.branch(before, parent)
        if len(ancestry) > tree.MAX_BRANCHES or segment >= tree.MAX_PLACES:
            message = f"A path of a conversation branches off at most {tree.MAX_BRANCHES} times."
            raise InvalidInput(message, code="conversation_too_branched")
        return Place(segment, depth), [Insert(segment_key(conversation.id, segment), {"ancestry": tree.pack(ancestry)})]

    def _numbered(self, conversation_id: str, drafts: Sequence[Message], parent_id: str | None, first: Place, run: str) -> list[Message]:
        messages: list[Message] = []
        for offset, draft in enumerate(drafts):
            now = self._clock.now()
            message_id = tree.new_message_id(now, Place(first.segment, first.depth + offset))
            messages.append(replace(draft, id=message_id, conversation_id=conversation_id, parent_id=parent_id, created_at=now))
            if offset == len(drafts) - 1:
                messages[-1] = replace(messages[-1], beat_at=now, run=run)
            parent_id = message_id
        return messages

    async def _note_running(self, owner_id: str, answer: Message) -> None:
        """So that the sweep finds it if we die. Before it is there: an entry without its message is harmless."""
        values: dict[str, Value] = {
            "owner_id": owner_id,
            "conversation_id": answer.conversation_id,
            "message_id": answer.id,
            "at": self._clock.now(),
        }
        await self._tables.apply(WORK, running_partition(owner_id), Upsert(answer.run, values))

    async def _ours(self, owner_id: str, message: Message) -> str | None:
        """The ETag of what we wrote, if we did: ids are unique."""
        try:
            return (await self._messages.bare(owner_id, message.conversation_id, message.id)).etag
        except NotFound:
            return None


def _rows(messages: Sequence[Message]) -> list[Operation]:
    """The rows themselves, and that search has yet to see those that are complete."""
    rows: list[Operation] = [Insert(key_of(message), message_values(message)) for message in messages]
    return [*rows, *(pending(message) for message in messages if message.status == "complete")]
