"""A conversation from its export: under new ids, with nothing lost, or refused whole.

The document's order is kept where no path then crosses more than MAX_CROSSED segments, as in what we have exported ourselves. In
other trees, where any message may have any number of answers, the largest answer's side goes on in the same segment, so that a path
crosses at most log2(n) of them, whatever the shape (heavy paths: Sleator and Tarjan, 1983).
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared_code import ids
from shared_code.clock import Clock
from shared_code.errors import InvalidInput, StorageUnavailable
from shared_code.rate_limit import RateLimiter, Rule
from shared_code.storage.events import Events
from shared_code.storage.ports import Delete, Insert, Missing, Operation, Tables

from . import tree
from .contents import Contents
from .conversations import insertions, note_remains
from .import_schemas import ImportedMessage, ImportedUsage, ImportRequest
from .models import Conversation, Failure, Message, Usage
from .tables import CHATS, REMAINS, WORK, key_of, message_values, pending, segment_key
from .tree import Place

MAX_OPERATIONS, MAX_CHARACTERS = 96, 600_000
"""Of one batch: 100 operations and 4 MiB are Azure's; a character takes up to six bytes there."""
AT_ONCE = 8
MAX_CROSSED = 13
"""log2 of an import's most messages."""


@dataclass(slots=True)
class Placement:
    """Where each message goes, in order of the document, and what its segments hang on."""

    places: list[Place]
    ancestry: list[tree.Ancestry]


class Importing:
    def __init__(self, tables: Tables, clock: Clock, contents: Contents, events: Events, limiter: RateLimiter, rate: Rule | None) -> None:
        self._tables, self._clock, self._contents, self._events = tables, clock, contents, events
        self._limiter, self._rate = limiter, rate

    async def run(self, owner_id: str, document: ImportRequest) -> Conversation:
        """RateLimited, Busy; InvalidInput for ids that occur twice, parents that are not there, and circles. The conversation's own row
        comes last: an import that dies is in no list, and what it has left is removed by the sweep."""
        await self._limiter.take("chat_import", owner_id, self._rate)
        sources = document.messages
        self._check_times(document)
        parents = _parents(sources)
        placement = await asyncio.to_thread(place_all, parents)
        now = self._clock.now()
        created_at = document.conversation.created_at or now
        conversation_id = ids.new_id(created_at)  # ids are in order of time
        messages = self._numbered(conversation_id, sources, parents, placement)
        head = document.conversation.head_id
        numbers = {source.id: number for number, source in enumerate(sources)}
        if head is not None and head not in numbers:
            raise _refused("head_id names no message of this document.", "unknown_head", ("body", "conversation", "head_id"))
        shown = messages[numbers[head]].id if head is not None else (messages[-1].id if messages else None)
        given = document.conversation
        conversation = Conversation(
            id=conversation_id,
            owner_id=owner_id,
            title=given.title,
            titled_by=given.titled_by if given.title else "",
            model=given.model,
            system=given.system,
            archived=given.archived,
            head_id=shown,
            created_at=created_at,
            updated_at=now,
            activity=ids.new_id(now),
            segments=len(placement.ancestry),
        )
        await note_remains(self._tables, self._clock, owner_id, conversation_id)
        await self._write(owner_id, conversation, messages, placement)
        await self._tables.batch(CHATS, owner_id, insertions(conversation))
        try:
            await self._tables.apply(WORK, REMAINS, Delete(f"{owner_id}:{conversation_id}"))
        except Missing:
            pass
        try:
            await self._events.send("chat", {"kind": "index", "user_id": owner_id})
        except StorageUnavailable:
            pass  # the next answer has it taken in
        return conversation

    def _check_times(self, document: ImportRequest) -> None:
        latest = self._clock.now() + timedelta(days=1)
        if (created_at := document.conversation.created_at) is not None and created_at > latest:
            raise _refused("This conversation is from the future.", "invalid_time", ("body", "conversation", "created_at"))
        for number, source in enumerate(document.messages):
            if source.created_at > latest:
                raise _refused("This message is from the future.", "invalid_time", ("body", "messages", number, "created_at"))

    def _numbered(
        self, conversation_id: str, sources: Sequence[ImportedMessage], parents: Sequence[int | None], placement: Placement
    ) -> list[Message]:
        """In order of the document; ids in order of time, as they were, so that siblings keep their order."""
        made: dict[int, str] = {}
        for number in sorted(range(len(sources)), key=lambda each: (sources[each].created_at, sources[each].id)):
            made[number] = tree.new_message_id(sources[number].created_at, placement.places[number])
        return [
            Message(
                id=made[number],
                conversation_id=conversation_id,
                parent_id=None if (parent := parents[number]) is None else made[parent],
                role=source.role,
                content=source.content,
                created_at=source.created_at,
                model=source.model,
                status="stopped" if source.status == "streaming" else source.status,
                usage=_usage(source.usage) if source.usage else None,
                finish_reason=source.finish_reason,
                error=Failure(source.error.kind, source.error.code, source.error.detail) if source.error else None,
                attachments=tuple(source.attachments),
            )
            for number, source in enumerate(sources)
        ]

    async def _write(self, owner_id: str, conversation: Conversation, messages: Sequence[Message], placement: Placement) -> None:
        at_once = asyncio.Semaphore(AT_ONCE)

        async def put(message: Message) -> Message:
            async with at_once:
                return await self._contents.put(owner_id, message)

        operations: list[tuple[int, Operation]] = [
            (len(ancestry) * 2, Insert(segment_key(conversation.id, segment), {"ancestry": tree.pack(ancestry)}))
            for segment, ancestry in enumerate(placement.ancestry)
            if ancestry
        ]
        for message in await asyncio.gather(*map(put, messages)):
            size = 500 + (0 if message.blob else len(message.content))
            operations += [(size, Insert(key_of(message), message_values(message))), (100, pending(message))]

        async def write(batch: Sequence[Operation]) -> None:
            async with at_once:
                await self._tables.batch(CHATS, owner_id, batch)

        await asyncio.gather(*map(write, batches(operations)))


def batches(operations: Sequence[tuple[int, Operation]]) -> list[list[Operation]]:
    """Operations with their sizes in characters, packed into what one batch takes."""
    found: list[list[Operation]] = []
    size = 0
    for each, operation in operations:
        if not found or size + each > MAX_CHARACTERS or len(found[-1]) >= MAX_OPERATIONS:
            found.append([])
            size = 0
        found[-1].append(operation)
        size += each
    return found


def _parents(sources: Sequence[ImportedMessage]) -> list[int | None]:
    """Each message's parent, as its number in the document."""
    numbers: dict[str, int] = {}
    for number, source in enumerate(sources):
        if source.id in numbers:
            raise _refused("Two messages have this id.", "duplicate_id", ("body", "messages", number, "id"))
        numbers[source.id] = number
    parents: list[int | None] = []
    for number, source in enumerate(sources):
        if source.parent_id is not None and source.parent_id not in numbers:
            raise _refused("This parent is not in the document.", "unknown_parent", ("body", "messages", number, "parent_id"))
        parents.append(None if source.parent_id is None else numbers[source.parent_id])
    return parents


def place_all(parents: Sequence[int | None]) -> Placement:
    """A place for each node of a forest, given each one's parent. InvalidInput when some lead in a circle."""
    children: dict[int, list[int]] = defaultdict(list)
    order = [number for number, parent in enumerate(parents) if parent is None]
    for number, parent in enumerate(parents):
        if parent is not None:
            children[parent].append(number)
    for number in order:  # grows while it is walked: parents before their children
        order.extend(children[number])
    if len(order) < len(parents):
        message = "The parents of some messages lead in a circle."
        raise _refused(message, "circular_parents", ("body", "messages"))
    follows = {above: above + 1 for above in range(len(parents) - 1) if parents[above + 1] == above}
    if all(parent is None or parent < number for number, parent in enumerate(parents)):
        as_written = _placed(range(len(parents)), parents, follows, MAX_CROSSED)
        if as_written is not None:
            return as_written
    sizes = [1] * len(parents)
    for number in reversed(order):
        if (above := parents[number]) is not None:
            sizes[above] += sizes[number]
    largest = {above: max(below, key=lambda each: (sizes[each], -each)) for above, below in children.items() if below}
    placement = _placed(order, parents, largest)
    assert placement is not None
    return placement


def _placed(order: Sequence[int], parents: Sequence[int | None], follows: Mapping[int, int], most: int | None = None) -> Placement | None:
    """``follows``: which child goes on in its parent's segment. None when a path would cross more than ``most`` segments."""
    places: list[Place | None] = [None] * len(parents)
    ancestry: list[tree.Ancestry] = []
    for number in order:
        above = parents[number]
        over = places[above] if above is not None else None
        if above is not None and over is not None and follows.get(above) == number:
            places[number] = Place(over.segment, over.depth + 1)
            continue
        places[number] = Place(len(ancestry), over.depth + 1 if over else 0)
        ancestry.append(tree.branch(ancestry[over.segment] if over else (), over))
        if most is not None and len(ancestry[-1]) >= most:
            return None
    return Placement([place for place in places if place is not None], ancestry)


def _usage(given: ImportedUsage) -> Usage:
    return Usage(given.input_tokens, given.cached_tokens, given.output_tokens, given.cost, given.estimated)


def _refused(message: str, code: str, loc: tuple[str | int, ...]) -> InvalidInput:
    return InvalidInput(message, loc=loc, code=code)
