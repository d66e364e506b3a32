"""A conversation's title, made by a model after the first answer. A title that the user gives wins, before and after."""

from dataclasses import replace

import structlog

from shared_code.errors import LydianError, NotFound

from .conversations import MAX_TITLE, Conversations
from .history import room_for_input
from .messages import Messages
from .models import Conversation
from .ports import Answers, Payer, Prompt, Text, Turn

log = structlog.get_logger("lydian.chat")

SYSTEM = (
    "Write a title of at most six words for the conversation that begins below, in its language. "
    "Answer with the title alone: no quotation marks, no full stop."
)
MAX_INPUT = 1500
"""Characters of question and answer each: a title is not worth more."""
MAX_TOKENS = 24
FALLBACK = 60
"""Characters of the question that are the title where no model gives one."""


class Titles:
    def __init__(self, conversations: Conversations, messages: Messages, answers: Answers) -> None:
        self._conversations, self._messages, self._answers = conversations, messages, answers

    async def make(self, owner_id: str, conversation_id: str, message_id: str) -> None:
        """Give the conversation a title if it has none. Safe to repeat; costs the user what a title costs."""
        try:
            conversation = await self._conversations.get(owner_id, conversation_id)
            if conversation.titled_by:
                return
            answer = await self._messages.get(owner_id, conversation_id, message_id)
            if answer.parent_id is None or not answer.content:
                return
            question = await self._messages.get(owner_id, conversation_id, answer.parent_id)
        except NotFound:
            return
        # By who answered: an API key that asked may be limited to that model, and who chose it knows what it costs.
        title = await self._asked(owner_id, answer.model or conversation.model, question.content, answer.content)
        title = cleaned(title) or cleaned(question.content)[:FALLBACK]
        if not title:
            return

        def change(found: Conversation) -> Conversation:
            return found if found.titled_by else replace(found, title=title, titled_by="model")

        try:
            await self._conversations.change(owner_id, conversation_id, change)
        except NotFound:
            pass  # deleted meanwhile

    async def _asked(self, owner_id: str, name: str | None, question: str, answer: str) -> str:
        try:
            model = await self._answers.model(name)
            most = min(MAX_INPUT, room_for_input(model))
            text = f"Question: {question[:most]}\n\nAnswer: {answer[:most]}"
            turns = [Turn("user", (Text(text),))]
            asked = await self._answers.ask(Prompt(Payer(owner_id), model.name, SYSTEM, turns, max_output_tokens=MAX_TOKENS))
            try:
                found = ""
                async for piece in asked.texts():
                    found += piece
                    if len(found) > MAX_TITLE:
                        break
                return found
            finally:
                await asked.close()
        except LydianError as error:
            log.info("title_not_generated", code=error.code)  # no budget, no model: the question will do
            return ""


def cleaned(text: str) -> str:
    """One line without quotation marks around it."""
    return " ".join(text.split()).strip("\"'“”„«»`*# ")[:MAX_TITLE].removesuffix(".")
