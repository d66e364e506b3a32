"""Conversations as their owner arranges them: made, named, shown on another branch, deleted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared_code.errors import StorageUnavailable
from shared_code.storage.events import Events

from .conversations import Conversations
from .messages import Messages
from .models import Conversation
from .ports import Answers


class Managing:
    def __init__(self, conversations: Conversations, messages: Messages, answers: Answers, events: Events) -> None:
        self._conversations, self._messages, self._answers, self._events = conversations, messages, answers, events

    async def create(self, owner_id: str, *, title: str | None, model: str | None, system: str | None) -> Conversation:
        """NotFound for a model that is not there."""
        if model is not None:
            await self._answers.model(model)
        return await self._conversations.create(owner_id, title=title, model=model, system=system)

    async def change(self, owner_id: str, conversation_id: str, given: Mapping[str, Any]) -> Conversation:
        """Set what is given of ``title``, ``model``, ``system``, ``archived`` and ``head_id``. NotFound, also for a model or message
        that is not there."""
        await self._conversations.get(owner_id, conversation_id)
        if given.get("model") is not None:
            await self._answers.model(given["model"])
        if given.get("head_id") is not None:
            await self._messages.bare(owner_id, conversation_id, given["head_id"])
        titled: dict[str, Any] = {"titled_by": "user" if given["title"] else ""} if "title" in given else {}
        return await self._conversations.change(owner_id, conversation_id, lambda found: replace(found, **given, **titled))

    async def delete(self, owner_id: str, conversation_id: str) -> None:
        """Take it out of every list; its messages go in the background. NotFound."""
        await self._conversations.delete(owner_id, conversation_id)
        try:
            event = {"kind": "conversation_deleted", "user_id": owner_id, "conversation_id": conversation_id}
            await self._events.send("chat", event)
        except StorageUnavailable:
            pass  # the purge finds what was noted
