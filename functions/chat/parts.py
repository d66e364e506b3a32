"""What the handlers of chat share: who asks, and how an answer is sent: as events, or whole."""

import re
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from starlette.responses import JSONResponse

from functions.dependencies import ContainerDep
from shared_code.chat.failures import to_error
from shared_code.chat.following import Delta
from shared_code.chat.models import Message
from shared_code.chat.ports import Payer
from shared_code.chat.schemas import message_fields
from shared_code.chat.service import Started
from shared_code.errors import Forbidden, InvalidRequest, LydianError
from shared_code.web.callers import Caller, CallerDependency
from shared_code.web.idempotency import HEADER
from shared_code.web.problems import problem_body, status_of
from shared_code.web.sse import EventStream, event

ChatCaller = Annotated[Caller, Depends(CallerDependency("chat"))]

EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events: `message`, `delta`…, then one `done` or `error`",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def payer(caller: Caller) -> Payer:
    return Payer(caller.user_id, caller.key_id, caller.ai)


def may_attach(caller: Caller, attachments: Sequence[str] | None) -> None:
    """Raises Forbidden for an API key that may not read files: a model would read them to it."""
    if attachments and caller.scopes is not None and "files" not in caller.scopes:
        raise Forbidden("Attaching files needs the scope files.", code="insufficient_scope")


def client_id(request: Request, given: str | None) -> str | None:
    """The client's own, else one made of its Idempotency-Key: an answer too long to be kept under that is not asked for twice."""
    key = request.headers.get(HEADER)
    return given or (f"{HEADER} {key}" if key else None)


async def answered(request: Request, container: ContainerDep, caller: Caller, started: Started, *, stream: bool) -> Response:
    """What has been started, as SPEC §7 says: events, or 201 when all is there. The answer goes on without whoever asked."""
    if stream:
        return EventStream(events(request, container, caller, started.conversation_id, started.answer_id, question=started.question_id))
    answer = await container.chat_following.ended(caller.user_id, started.conversation_id, started.answer_id)
    question = await container.chat_messages.get(caller.user_id, started.conversation_id, started.question_id)
    both = {"user_message": message_fields(question), "assistant_message": message_fields(answer)}
    if answer.status == "failed" and answer.error is not None:
        error = to_error(answer.error)
        error.extra.update(both)
        raise error
    return JSONResponse(both, 201, {"Location": f"/api/chat/conversations/{started.conversation_id}/messages"})


async def events(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    conversation_id: str,
    answer_id: str,
    *,
    question: str | None = None,
    offset: int | None = None,
) -> AsyncGenerator[bytes, None]:
    """An answer's events. Each id says how many characters of the answer there are up to its event."""
    at = offset or 0
    if offset is None:
        ids = {"user_message_id": question, "assistant_message_id": answer_id}
        yield event("message", ids, id="0")
    try:
        async for each in container.chat_following.follow(caller.user_id, conversation_id, answer_id, at):
            if isinstance(each, Delta):
                at = each.offset
                yield event("delta", {"text": each.text}, id=str(at))
            else:
                yield _terminal(request, each.message, at)
    except LydianError as error:  # storage is away, or the conversation has been deleted: the stream ends with why
        yield event("error", {"problem": _problem(request, error), "message": None}, id=str(at))


def _terminal(request: Request, message: Message, at: int) -> bytes:
    if message.status == "failed" and message.error is not None:
        error = {"problem": _problem(request, to_error(message.error)), "message": message_fields(message)}
        return event("error", error, id=str(at))
    return event("done", {"message": message_fields(message)}, id=str(at))


def _problem(request: Request, error: LydianError) -> dict[str, Any]:
    return problem_body(request.scope, status_of(error), error.code, error.message, error.extra)


def last_event_id(request: Request) -> int | None:
    """Characters that the client has; None when it begins. Raises InvalidRequest for what is no event's id of ours."""
    given = request.headers.get("last-event-id")
    if given is None or given == "":
        return None
    if not re.fullmatch(r"[0-9]{1,9}", given):
        raise InvalidRequest("Last-Event-ID is the id of an event of this stream.", code="invalid_last_event_id")
    return int(given)
