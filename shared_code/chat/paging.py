"""Pages of messages: of the path to the head from either end, and of the whole tree."""

import re

from shared_code.errors import InvalidCursor

from .conversations import Conversations
from .messages import Messages
from .models import Message
from .tables import messages_prefix
from .tree import place_of


class Paging:
    def __init__(self, conversations: Conversations, messages: Messages) -> None:
        self._conversations, self._messages = conversations, messages

    async def page(
        self, owner_id: str, conversation_id: str, *, tree: bool, newest_first: bool, after: str | None, limit: int
    ) -> tuple[list[Message], str | None]:
        """Up to ``limit`` messages, and where the next page goes on; None at the end. NotFound.

        Further pages go on along the path that the first one took, also when another branch is shown meanwhile.
        """
        conversation = await self._conversations.get(owner_id, conversation_id)
        if tree:
            prefix = messages_prefix(conversation_id)
            key = f"{prefix}{after}" if after is not None else None
            found = await self._messages.everything(owner_id, conversation, after=key, limit=limit + 1)
            position = found[limit - 1][0].removeprefix(prefix) if len(found) > limit else None
            return [message for _, message in found[:limit]], position
        head_id, passed = _position(after) if after is not None else (conversation.head_id or "", None)
        place = place_of(head_id)
        if place is None:
            return [], None
        if newest_first:
            last = place.depth if passed is None else min(passed - 1, place.depth)
            first = max(0, last - limit + 1)
            ends = first == 0
        else:
            first = 0 if passed is None else passed + 1
            last = min(first + limit - 1, place.depth)
            ends = last == place.depth
        way = await self._messages.way_to(owner_id, conversation_id, place)
        found_there = await self._messages.along(owner_id, conversation_id, way, first, last)
        if newest_first:
            found_there.reverse()
        return found_there, None if ends else f"{head_id} {first if newest_first else last}"


def _position(after: str) -> tuple[str, int]:
    """The head of a path, and the depth that the page before ended at."""
    match = re.fullmatch(r"([0-9a-z]+) ([0-9]{1,7})", after)
    if match is None:
        raise InvalidCursor("This cursor does not belong to this list.")
    return match[1], int(match[2])
