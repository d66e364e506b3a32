"""Chat over HTTP (SPEC §7): conversations. Messages, and what concerns whole conversations, have modules of their own beside this one."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from starlette.responses import JSONResponse

from functions.dependencies import ContainerDep, Cursor, Limit
from shared_code.chat.schemas import (
    ConversationChange,
    ConversationList,
    ConversationRequest,
    ConversationResponse,
    conversation_fields,
)
from shared_code.errors import InvalidInput
from shared_code.storage import cursors
from shared_code.web.endpoint import Endpoint, idempotent

from . import messages, transfer
from .parts import ChatCaller

router = APIRouter(tags=["chat"], route_class=Endpoint)


@router.post("/api/chat/conversations", name="chat_create_conversation", status_code=201)
@idempotent
async def create_conversation(
    response: Response, caller: ChatCaller, container: ContainerDep, body: ConversationRequest | None = None
) -> ConversationResponse:
    """An empty conversation. Without a title it gets one after its first answer."""
    body = body or ConversationRequest(title=None, model=None, system=None)
    made = await container.chat_managing.create(caller.user_id, title=body.title, model=body.model, system=body.system)
    response.headers["Location"] = f"/api/chat/conversations/{made.id}"
    return ConversationResponse(**conversation_fields(made))


@router.get("/api/chat/conversations", name="chat_list_conversations", response_model=ConversationList)
async def list_conversations(
    caller: ChatCaller,
    container: ContainerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    archived: Annotated[bool, Query(description="those that are archived, instead of those that are not")] = False,
) -> Response:
    """The caller's conversations, newest activity first."""
    of = ("conversations", caller.user_id, str(archived))
    after = cursors.decode(cursor, *of)
    found = await container.chat_conversations.rows(caller.user_id, archived=archived, after=after, limit=limit + 1)
    next_cursor = cursors.encode(found[limit - 1][0], *of) if len(found) > limit else None
    return JSONResponse({"items": [conversation_fields(each) for _, each in found[:limit]], "next_cursor": next_cursor})


@router.get("/api/chat/conversations/{conversation_id}", name="chat_get_conversation", response_model=ConversationResponse)
async def get_conversation(conversation_id: str, caller: ChatCaller, container: ContainerDep) -> Response:
    return JSONResponse(conversation_fields(await container.chat_conversations.get(caller.user_id, conversation_id)))


@router.patch("/api/chat/conversations/{conversation_id}", name="chat_update_conversation", response_model=ConversationResponse)
async def update_conversation(conversation_id: str, body: ConversationChange, caller: ChatCaller, container: ContainerDep) -> Response:
    """Change what is given. `head_id` shows another branch."""
    given = body.model_dump(exclude_unset=True)
    for name in ("archived", "head_id"):
        if name in given and given[name] is None:
            raise InvalidInput(f"{name} cannot be null.", loc=("body", name))
    changed = await container.chat_managing.change(caller.user_id, conversation_id, given)
    return JSONResponse(conversation_fields(changed))


@router.delete("/api/chat/conversations/{conversation_id}", name="chat_delete_conversation", status_code=204)
async def delete_conversation(conversation_id: str, caller: ChatCaller, container: ContainerDep) -> Response:
    """Remove it, its messages and what search knows of them. It is in no answer from now on; its text is gone within minutes."""
    await container.chat_managing.delete(caller.user_id, conversation_id)
    return Response(status_code=204)


messages.add_routes(router)
transfer.add_routes(router)
