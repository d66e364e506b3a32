"""Files in a conversation: images for models that see, text files as text; nothing else is of use to a model."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from shared_code.errors import InvalidInput, NotFound, TooLarge

from .models import Message
from .ports import FileFacts, Files, Image, ModelFacts, Text

MAX_ATTACHMENTS = 10
"""Of one message."""
MAX_IMAGE_BYTES = 5 * 1024 * 1024
"""Of an image as it is sent: its optimized variant, as soon as there is one."""
MAX_TEXT_BYTES = 256 * 1024
MAX_TOTAL_BYTES = 8 * 1024 * 1024
"""Of all that is sent with one prompt; older ones are only named then."""
IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
TEXT_TYPES = frozenset({"text/plain"})


@dataclass(slots=True)
class Room:
    """What is left of MAX_TOTAL_BYTES."""

    left: int = MAX_TOTAL_BYTES


class Attachments:
    def __init__(self, files: Files) -> None:
        self._files = files

    async def check(self, owner_id: str, attached: Sequence[str], model: ModelFacts, *, gone: bool = False) -> None:
        """NotFound for a file that is not there or somebody else's, unless it may be ``gone``; InvalidInput for one that this model
        cannot take."""
        if len(attached) > MAX_ATTACHMENTS:
            raise _refused(f"A message takes at most {MAX_ATTACHMENTS} files.", "too_many_attachments")
        if len(set(attached)) != len(attached):
            raise _refused("A file is attached twice.", "duplicate_attachment")
        found = await asyncio.gather(*(self._files.look(owner_id, file_id) for file_id in attached), return_exceptions=True)
        for facts in found:
            if isinstance(facts, FileFacts):
                self._check(facts, model)
            elif not (gone and isinstance(facts, NotFound)):
                raise facts

    def _check(self, facts: FileFacts, model: ModelFacts) -> None:
        if facts.content_type in IMAGE_TYPES:
            if not model.vision:
                raise _refused(f"{model.name} cannot see images.", "model_without_vision")
        elif facts.content_type not in TEXT_TYPES:
            raise _refused(f"{facts.filename} is {facts.content_type}: models take images and plain text.", "unsupported_attachment")
        elif facts.size > MAX_TEXT_BYTES:
            raise _refused(f"{facts.filename} is too large: a text file may have {MAX_TEXT_BYTES} bytes.", "attachment_too_large")

    async def parts(self, owner_id: str, message: Message, model: ModelFacts, room: Room) -> list[Text | Image]:
        """A message's files for the model. Of one that has gone, or for which there is no room, only that it was there is said."""
        return [await self._part(owner_id, file_id, model, room) for file_id in message.attachments]

    async def _part(self, owner_id: str, file_id: str, model: ModelFacts, room: Room) -> Text | Image:
        try:
            facts = await self._files.look(owner_id, file_id)
        except NotFound:
            return Text("[A file that has been deleted]")
        named = Text(f"[File: {facts.filename}]")
        image = facts.content_type in IMAGE_TYPES
        if (image and not model.vision) or not (image or facts.content_type in TEXT_TYPES):
            return named
        try:
            limit = min(room.left, MAX_IMAGE_BYTES if image else MAX_TEXT_BYTES)
            content_type, data = await self._files.read(owner_id, file_id, limit=limit)
        except (NotFound, TooLarge):
            return named
        room.left -= len(data)
        if image:
            return Image(content_type, data)
        return Text(f"File {facts.filename}:\n{data.decode('utf-8', 'replace')}")


def _refused(message: str, code: str) -> InvalidInput:
    return InvalidInput(message, loc=("body", "attachments"), code=code)
