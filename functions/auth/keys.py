"""API keys over HTTP (SPEC §5). A key cannot make, see or revoke keys: these routes ask for a signed-in person."""

from fastapi import APIRouter, Request, Response

from functions.dependencies import ContainerDep, Cursor, Limit, client_address
from shared_code.auth.key_schemas import ApiKeyList, ApiKeyRequest, ApiKeyResponse, NewApiKeyResponse, key_fields
from shared_code.auth.models import Client
from shared_code.storage import cursors
from shared_code.web.callers import AccountCaller
from shared_code.web.endpoint import idempotent


def add_routes(router: APIRouter) -> None:
    router.post("/api/auth/keys", name="auth_create_key", status_code=201)(create_key)
    router.get("/api/auth/keys", name="auth_list_keys")(list_keys)
    router.delete("/api/auth/keys/{key_id}", name="auth_revoke_key", status_code=204)(revoke_key)


@idempotent
async def create_key(
    request: Request, response: Response, body: ApiKeyRequest, caller: AccountCaller, container: ContainerDep
) -> NewApiKeyResponse:
    """A new API key. `key` is shown here only; send it as `Authorization: Bearer lyd_…`. With `ai` the key has a budget and limits
    of its own at the AI gateway, within those of its user."""
    response.headers["Cache-Control"] = "no-store"
    key, text = await container.api_keys.create(
        caller.user_id,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        client=_client(request),
        session_id=caller.session_id,
        ai=(body.ai.stored() or None) if body.ai else None,
    )
    return NewApiKeyResponse.model_validate({**key_fields(key), "key": text})


async def list_keys(caller: AccountCaller, container: ContainerDep, limit: Limit = 20, cursor: Cursor = None) -> ApiKeyList:
    of = ("keys", caller.user_id)
    keys = await container.api_keys.page(caller.user_id, after=cursors.decode(cursor, *of), limit=limit + 1)
    next_cursor = cursors.encode(keys[limit - 1].id, *of) if len(keys) > limit else None
    return ApiKeyList(items=[ApiKeyResponse.of(key) for key in keys[:limit]], next_cursor=next_cursor)


async def revoke_key(request: Request, key_id: str, caller: AccountCaller, container: ContainerDep) -> None:
    """End a key: at once on this instance, within five seconds on every other."""
    await container.api_keys.revoke(caller.user_id, key_id, _client(request))


def _client(request: Request) -> Client:
    return Client(request.headers.get("user-agent", ""), client_address(request))
