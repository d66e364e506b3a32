"""Asking: a question gets its place, its answer begins to run, and both can be followed, stopped and asked again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from shared_code.clock import Clock
from shared_code.errors import InvalidInput
from shared_code.storage.ports import EtagMismatch, Merge, Missing, Tables

from .attachments import Attachments
from .conversations import Conversations, busy, contended
from .finishing import Finishing
from .history import History, check_fits
from .messages import Messages, check_answer, not_found
from .models import Conversation, Message
from .placing import Draft, Placed, Placing
from .ports import Answers, ModelFacts, Payer, Prompt
from .running import Runs
from .tables import CHATS, key_of

STOPS_WITHIN = 1.0
"""Seconds that the writer of an answer has to end it when it is stopped; then it is ended for it."""
TRIES = 8


@dataclass(frozen=True, slots=True)
class Started:
    """What a request for an answer has led to. ``again``: it had been sent before."""

    conversation_id: str
    question_id: str
    answer_id: str
    again: bool


class Chat:
    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        answers: Answers,
        conversations: Conversations,
        messages: Messages,
        placing: Placing,
        runs: Runs,
        finishing: Finishing,
        attachments: Attachments,
        history: History,
    ) -> None:
        self._tables, self._clock, self._answers, self._conversations = tables, clock, answers, conversations
        self._messages, self._placing, self._runs, self._finishing = messages, placing, runs, finishing
        self._attachments, self._history = attachments, history
        self._beginning: set[asyncio.Task[Placed]] = set()

    async def ask(
        self,
        payer: Payer,
        conversation_id: str,
        content: str,
        *,
        parent_id: str | None = None,
        model: str | None = None,
        attachments: Sequence[str] = (),
        client_id: str | None = None,
    ) -> Started:
        """A question and its answer, behind ``parent_id`` or what is shown last. Nothing is stored when it is refused: NotFound
        for conversation, parent, model or file; InvalidInput for what this model cannot take; Busy."""
        draft = Draft((self._question(content, attachments),), "" if parent_id is None else parent_id, client_id)
        return await self._begin(payer, conversation_id, draft, model)

    async def edit(
        self,
        payer: Payer,
        conversation_id: str,
        message_id: str,
        content: str,
        *,
        model: str | None = None,
        attachments: Sequence[str] | None = None,
        client_id: str | None = None,
    ) -> Started:
        """A question beside another one, and its answer; with the other's attachments unless told otherwise. As ``ask``."""
        question = await self._messages.bare(payer.user_id, conversation_id, message_id)
        if question.role != "user":
            raise InvalidInput("Only questions are edited; an answer is regenerated.", loc=("path", "message_id"), code="not_a_question")
        attached = question.attachments if attachments is None else attachments
        draft = Draft((self._question(content, attached),), question.parent_id, client_id)
        return await self._begin(payer, conversation_id, draft, model, gone=attachments is None)

    async def regenerate(
        self, payer: Payer, conversation_id: str, message_id: str, *, model: str | None = None, client_id: str | None = None
    ) -> Started:
        """Another answer to the same question; ``message_id`` is the question or one of its answers. As ``ask``."""
        message = await self._messages.bare(payer.user_id, conversation_id, message_id)
        question_id = message.id if message.role == "user" else message.parent_id
        if question_id is None:
            raise InvalidInput("This answer has no question.", loc=("path", "message_id"), code="no_question")
        question = await self._messages.get(payer.user_id, conversation_id, question_id)
        return await self._begin(payer, conversation_id, Draft((), question.id, client_id), model, question)

    def _question(self, content: str, attachments: Sequence[str]) -> Message:
        return Message("", "", None, "user", content, self._clock.now(), attachments=tuple(attachments))

    async def _begin(
        self,
        payer: Payer,
        conversation_id: str,
        draft: Draft,
        model_name: str | None,
        asked: Message | None = None,
        *,
        gone: bool = False,
    ) -> Started:
        """``gone``: files may be attached that have been deleted, as to a question that was asked before that."""
        owner_id = payer.user_id
        conversation, known = await asyncio.gather(
            self._conversations.get(owner_id, conversation_id), self._placing.known(owner_id, conversation_id, draft.client_id)
        )
        if known:
            return _started(conversation_id, known, asked, again=True)
        model = await self._answers.model(model_name or conversation.model, payer)
        question = asked or draft.messages[0]
        check_fits(model, conversation.system, question.content)
        if asked is None:
            await self._attachments.check(owner_id, question.attachments, model, gone=gone)
        self._runs.room(owner_id)
        answer = Message("", "", None, "assistant", "", self._clock.now(), model=model.name, status="streaming")

        async def begin() -> Placed:
            placed = await self._placing.add(owner_id, conversation_id, replace(draft, messages=(*draft.messages, answer)))
            if placed.messages is not None:
                question = asked or placed.messages[0]
                self._runs.start(owner_id, placed.messages[-1], self._prompt(payer, model, placed.conversation, question))
            return placed

        # Whoever leaves in between shall not leave a stored answer that nobody writes.
        beginning = asyncio.ensure_future(begin())
        self._beginning.add(beginning)  # the loop itself keeps only a weak reference
        beginning.add_done_callback(self._begun)
        placed = await asyncio.shield(beginning)
        return _started(conversation_id, placed.ids, asked, again=placed.messages is None)

    def _begun(self, beginning: "asyncio.Task[Placed]") -> None:
        self._beginning.discard(beginning)
        if not beginning.cancelled():
            beginning.exception()  # looked at, so that nobody's being there for it is no warning

    def _prompt(self, payer: Payer, model: ModelFacts, conversation: Conversation, question: Message) -> Callable[[], Awaitable[Prompt]]:
        return lambda: self._history.prompt(payer, model, conversation.system, question)

    async def stop(self, owner_id: str, conversation_id: str, message_id: str) -> Message:
        """End a running answer, wherever it runs, and return it with the text so far; one that has ended is returned as it is.

        Its writer is told by its row, and looks twice a second; if it does not answer in a second, we end it ourselves.
        """
        message = await self._messages.get(owner_id, conversation_id, message_id)
        check_answer(message)
        if message.status != "streaming":
            return message
        if run := self._runs.find(message_id):
            run.stopping.set()
        else:
            await self._ask_to_stop(owner_id, message)
        waited = 0.0
        while waited < STOPS_WITHIN:
            await asyncio.sleep(0.05)
            waited += 0.05
            if self._runs.find(message_id) is None:
                message = await self._messages.get(owner_id, conversation_id, message_id)
                if message.status != "streaming":
                    return message
        try:
            return await self._finishing.finish(owner_id, replace(message, status="stopped", finish_reason="stopped"))
        except Missing:
            raise not_found() from None

    async def _ask_to_stop(self, owner_id: str, message: Message) -> None:
        for attempt in range(TRIES):
            try:
                await self._tables.apply(CHATS, owner_id, Merge(key_of(message), {"stop": True}, message.etag))
                return
            except EtagMismatch:
                await contended(attempt)
            except Missing:
                raise not_found() from None
            message = await self._messages.bare(owner_id, message.conversation_id, message.id)
            if message.status != "streaming":
                return
        raise busy()


def _started(conversation_id: str, ids: Sequence[str], asked: Message | None, *, again: bool) -> Started:
    return Started(conversation_id, asked.id if asked else ids[0], ids[-1], again)
