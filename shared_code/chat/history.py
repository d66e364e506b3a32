"""What a model is told of a conversation: the system prompt, and as much of the path's end as its context window holds.

Tokens are estimated, on the safe side: one for three bytes of UTF-8 (English has four to five bytes a token, Chinese and
Japanese about three), and some for each message and image.
"""

from shared_code.errors import InvalidInput

from .attachments import Attachments, Room
from .messages import Messages
from .models import Message
from .ports import Image, ModelFacts, Payer, Prompt, Text, Turn
from .tree import place_of

PAGE = 50
MAX_MESSAGES = 1000
"""Of a history, however large the window: so that a prompt costs a bounded number of storage calls."""
BYTES_PER_TOKEN, PER_MESSAGE, PER_IMAGE = 3, 8, 1600


class History:
    def __init__(self, messages: Messages, attachments: Attachments) -> None:
        self._messages, self._attachments = messages, attachments

    async def prompt(self, payer: Payer, model: ModelFacts, system: str | None, question: Message) -> Prompt:
        """The prompt that ends with ``question``. What is left out is left out whole, oldest first."""
        owner_id, room = payer.user_id, Room()
        left = room_for_input(model) - tokens(system or "")
        place = place_of(question.id)
        assert place is not None
        way = await self._messages.way_to(owner_id, question.conversation_id, place)
        turns: list[Turn] = []
        last, full = place.depth, False
        while last >= 0 and not full and len(turns) < MAX_MESSAGES:
            first = max(0, last - PAGE + 1)
            for message in reversed(await self._messages.along(owner_id, question.conversation_id, way, first, last)):
                if message.id != question.id and not message.content and not message.attachments:
                    continue  # an answer that has failed, or has not begun
                turn = await self._turn(owner_id, message, model, room)
                left -= turn_tokens(turn)
                if turns and left < 0:
                    full = True
                    break
                turns.append(turn)
            last = first - 1
        return Prompt(payer, model.name, system, turns[::-1])

    async def _turn(self, owner_id: str, message: Message, model: ModelFacts, room: Room) -> Turn:
        files = await self._attachments.parts(owner_id, message, model, room) if message.attachments else []
        return Turn(message.role, (*files, *([Text(message.content)] if message.content or not files else [])))


def tokens(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN) + PER_MESSAGE


def turn_tokens(turn: Turn) -> int:
    return PER_MESSAGE + sum(PER_IMAGE if isinstance(part, Image) else tokens(part.text) for part in turn.parts)


def room_for_input(model: ModelFacts) -> int:
    """Tokens of the window that are not kept free for the answer: at least half of it."""
    return model.context_window - min(model.max_output_tokens, model.context_window // 2)


def check_fits(model: ModelFacts, system: str | None, content: str) -> None:
    """Raises InvalidInput when not even the question fits."""
    if tokens(system or "") + tokens(content) > room_for_input(model):
        message = f"This is too long for {model.name}, whose context window has {model.context_window} tokens."
        raise InvalidInput(message, loc=("body", "content"), code="context_length_exceeded")
