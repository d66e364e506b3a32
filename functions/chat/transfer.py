"""Search, export and import over HTTP (SPEC §7)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import JSONResponse

from functions.dependencies import ContainerDep, Cursor, Limit
from shared_code.chat.import_schemas import MAX_BYTES, ImportRequest
from shared_code.chat.schemas import ConversationResponse, Format, SearchResponse, conversation_fields, search_fields
from shared_code.storage import cursors
from shared_code.web.endpoint import idempotent, takes_bytes
from shared_code.web.outgoing import Outgoing

from .parts import ChatCaller

EXPORTS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/ImportRequest"}},
            "text/markdown": {"schema": {"type": "string"}},
        }
    }
}


def add_routes(router: APIRouter) -> None:
    router.get("/api/chat/search", name="chat_search", response_model=SearchResponse)(search)
    router.post("/api/chat/import", name="chat_import_conversation", status_code=201)(import_conversation)
    path = "/api/chat/conversations/{conversation_id}/export"
    router.get(path, name="chat_export_conversation", responses=EXPORTS, response_class=Response)(export_conversation)


async def search(
    caller: ChatCaller,
    container: ContainerDep,
    q: Annotated[str, Query(min_length=1, max_length=200, description="words that must all occur, in any case, also within words")],
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """The caller's conversations (by title) and messages, newest first. `limits` says what was looked through."""
    of = ("search", caller.user_id, q)
    found = await container.chat_search.find(caller.user_id, q, after=cursors.decode(cursor, *of), limit=limit)
    next_cursor = cursors.encode(found.position, *of) if found.position is not None else None
    return JSONResponse(search_fields(found, next_cursor))


async def export_conversation(
    conversation_id: str, request: Request, caller: ChatCaller, container: ContainerDep, format: Format = "json"
) -> Response:
    """The whole conversation as JSON, which `POST /api/chat/import` takes, or what is shown of it as Markdown."""
    found = await container.chat_conversations.get(caller.user_id, conversation_id)
    name, kind = ("json", "application/json") if format == "json" else ("md", "text/markdown; charset=utf-8")
    headers = {"Content-Disposition": f'attachment; filename="conversation-{found.id}.{name}"', "Cache-Control": "no-store"}
    if request.scope["state"].get("head"):
        return Response(headers=headers, media_type=kind)
    exporting = container.chat_exporting
    chunks = exporting.as_json(caller.user_id, found) if format == "json" else exporting.as_markdown(caller.user_id, found)
    return Outgoing(chunks, headers=headers, media_type=kind)


@idempotent
@takes_bytes(MAX_BYTES)
async def import_conversation(response: Response, body: ImportRequest, caller: ChatCaller, container: ContainerDep) -> ConversationResponse:
    """A conversation from its export, as a new one of yours. At most 8 MiB and 10,000 messages; refused whole or taken whole."""
    made = await container.chat_importing.run(caller.user_id, body)
    response.headers["Location"] = f"/api/chat/conversations/{made.id}"
    return ConversationResponse(**conversation_fields(made))
