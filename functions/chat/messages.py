"""Messages over HTTP (SPEC §7): asking, asking again, following, stopping."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import JSONResponse

from functions.dependencies import ContainerDep, Cursor, Limit
from shared_code.chat.schemas import (
    AnswerResponse,
    AskRequest,
    EditRequest,
    MessageList,
    MessageResponse,
    RegenerateRequest,
    message_fields,
)
from shared_code.storage import cursors
from shared_code.web.endpoint import idempotent
from shared_code.web.sse import EventStream

from .parts import EVENTS, ChatCaller, answered, client_id, events, last_event_id, may_attach, payer

ANSWERS: dict[int | str, dict[str, Any]] = {
    **EVENTS,
    201: {"model": AnswerResponse, "description": "With `stream: false`: both, when complete"},
}
MESSAGES = "/api/chat/conversations/{conversation_id}/messages"
MESSAGE = MESSAGES + "/{message_id}"


def add_routes(router: APIRouter) -> None:
    router.get(MESSAGES, name="chat_list_messages", response_model=MessageList)(list_messages)
    router.post(MESSAGES, name="chat_create_message", responses=ANSWERS, response_class=Response)(create_message)
    router.post(f"{MESSAGE}/regenerate", name="chat_regenerate_message", responses=ANSWERS, response_class=Response)(regenerate_message)
    router.post(f"{MESSAGE}/edit", name="chat_edit_message", responses=ANSWERS, response_class=Response)(edit_message)
    router.post(f"{MESSAGE}/stop", name="chat_stop_message", response_model=MessageResponse)(stop_message)
    router.get(f"{MESSAGE}/stream", name="chat_stream_message", responses=EVENTS, response_class=Response)(stream_message)


async def list_messages(
    conversation_id: str,
    caller: ChatCaller,
    container: ContainerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    tree: Annotated[bool, Query(description="all branches, one after the other; a parent comes before its children")] = False,
    order: Annotated[Literal["oldest", "newest"], Query(description="of the path: `newest` begins at the head")] = "oldest",
) -> Response:
    """The path to the head, oldest first. A page costs as many storage calls in a long conversation as in a short one."""
    of = ("messages", caller.user_id, conversation_id, str(tree), order)
    after = cursors.decode(cursor, *of)
    found, position = await container.chat_paging.page(
        caller.user_id, conversation_id, tree=tree, newest_first=order == "newest", after=after, limit=limit
    )
    next_cursor = cursors.encode(position, *of) if position is not None else None
    return JSONResponse({"items": [message_fields(each) for each in found], "next_cursor": next_cursor})


@idempotent
async def create_message(conversation_id: str, request: Request, body: AskRequest, caller: ChatCaller, container: ContainerDep) -> Response:
    """Say something, and have it answered. The answer goes on when you leave; follow it again at its `stream`, end it with `stop`."""
    may_attach(caller, body.attachments)
    started = await container.chat.ask(
        payer(caller),
        conversation_id,
        body.content,
        parent_id=body.parent_id,
        model=body.model,
        attachments=body.attachments,
        client_id=client_id(request, body.client_id),
    )
    return await answered(request, container, caller, started, stream=body.stream)


@idempotent
async def regenerate_message(
    conversation_id: str,
    message_id: str,
    request: Request,
    caller: ChatCaller,
    container: ContainerDep,
    body: RegenerateRequest | None = None,
) -> Response:
    """Another answer to the same question, beside the others."""
    body = body or RegenerateRequest()
    asked = client_id(request, body.client_id)
    started = await container.chat.regenerate(payer(caller), conversation_id, message_id, model=body.model, client_id=asked)
    return await answered(request, container, caller, started, stream=body.stream)


@idempotent
async def edit_message(
    conversation_id: str, message_id: str, request: Request, body: EditRequest, caller: ChatCaller, container: ContainerDep
) -> Response:
    """Another question beside this one, and its answer; what was there stays."""
    may_attach(caller, body.attachments)
    started = await container.chat.edit(
        payer(caller),
        conversation_id,
        message_id,
        body.content,
        model=body.model,
        attachments=body.attachments,
        client_id=client_id(request, body.client_id),
    )
    return await answered(request, container, caller, started, stream=body.stream)


async def stop_message(conversation_id: str, message_id: str, caller: ChatCaller, container: ContainerDep) -> Response:
    """End a running answer, wherever it runs, and keep its text so far. One that has ended is answered as it is."""
    return JSONResponse(message_fields(await container.chat.stop(caller.user_id, conversation_id, message_id)))


async def stream_message(conversation_id: str, message_id: str, request: Request, caller: ChatCaller, container: ContainerDep) -> Response:
    """Follow an answer from its beginning, or from behind the event that `Last-Event-ID` names."""
    offset = last_event_id(request)
    message = await container.chat_messages.answer(caller.user_id, conversation_id, message_id)
    if request.scope["state"].get("head"):
        return Response(media_type="text/event-stream")
    following = events(request, container, caller, conversation_id, message.id, question=message.parent_id, offset=offset)
    return EventStream(following)
