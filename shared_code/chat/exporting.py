"""A conversation as a file: JSON, from which it can be imported without loss, or Markdown for people. Made while it is sent."""

from collections.abc import AsyncGenerator
from typing import Any

from shared_code.archive import Entry, json_document
from shared_code.clock import rfc3339

from .conversations import Conversations
from .messages import Messages
from .models import Conversation, Message
from .schemas import conversation_fields, message_fields
from .tree import place_of

FORMAT, VERSION = "lydian-chat", 1
PAGE = 100


class Exporting:
    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    def as_json(self, owner_id: str, conversation: Conversation) -> AsyncGenerator[bytes, None]:
        """All branches; a parent comes before its children."""
        shown = {**conversation_fields(conversation), "titled_by": conversation.titled_by}
        return json_document(format=FORMAT, version=VERSION, conversation=shown, messages=self._all(owner_id, conversation))

    async def _all(self, owner_id: str, conversation: Conversation) -> AsyncGenerator[dict[str, Any], None]:
        after = None
        while page := await self._messages.everything(owner_id, conversation, after=after, limit=PAGE):
            after = page[-1][0]
            for _, message in page:
                yield message_fields(message)

    async def as_markdown(self, owner_id: str, conversation: Conversation) -> AsyncGenerator[bytes, None]:
        """The path to the head, as it is shown."""
        title = " ".join((conversation.title or "Conversation").split())
        yield f"# {title}\n".encode()
        if conversation.system:
            yield ("\n" + "\n".join(f"> {line}".rstrip() for line in conversation.system.splitlines()) + "\n").encode()
        place = place_of(conversation.head_id) if conversation.head_id else None
        if place is None:
            return
        way = await self._messages.way_to(owner_id, conversation.id, place)
        for first in range(0, place.depth + 1, PAGE):
            last = min(first + PAGE - 1, place.depth)
            for message in await self._messages.along(owner_id, conversation.id, way, first, last):
                yield _section(message).encode()


class ChatExport:
    """What chat holds of a user, for the archive that they may ask for: each conversation as it can be imported."""

    def __init__(self, conversations: Conversations, exporting: Exporting) -> None:
        self._conversations, self._exporting = conversations, exporting

    async def entries(self, user_id: str) -> AsyncGenerator[Entry, None]:
        """``chat/<conversation>.json``, newest activity first; nothing for who has none."""
        for archived in (False, True):
            after = None
            while page := await self._conversations.rows(user_id, archived=archived, after=after, limit=PAGE):
                after = page[-1][0]
                for _, conversation in page:
                    document = self._exporting.as_json(user_id, conversation)
                    yield Entry(f"chat/{conversation.id}.json", document, conversation.updated_at)


def _section(message: Message) -> str:
    who = "You" if message.role == "user" else (message.model or "Assistant")
    notes = [f"Files: {', '.join(message.attachments)}"] if message.attachments else []
    if message.status != "complete":
        notes.append(f"This answer is {message.status}.")
    tail = "".join(f"\n*{note}*\n" for note in notes)
    return f"\n## {who}, {rfc3339(message.created_at)}\n\n{message.content}\n{tail}"
