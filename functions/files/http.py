"""Files over HTTP (SPEC §4): records, totals and shares. Bytes in and out have modules of their own beside this one."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from starlette.responses import JSONResponse

from functions.dependencies import BaseUrl, ContainerDep, Cursor, Limit
from shared_code.clock import rfc3339
from shared_code.errors import Forbidden
from shared_code.files.schemas import (
    FileChange,
    FileList,
    FileResponse,
    NewShareResponse,
    ShareList,
    ShareRequest,
    ShareResponse,
    StatsResponse,
    file_response,
    share_fields,
)
from shared_code.files.tables import file_key
from shared_code.storage import cursors
from shared_code.web.callers import FilesCaller
from shared_code.web.endpoint import Endpoint, idempotent

from . import content, uploads

router = APIRouter(tags=["files"], route_class=Endpoint)

Etag = Annotated[str | None, Header()]


@router.get("/api/files", name="files_list", response_model=FileList)
async def list_files(
    caller: FilesCaller,
    base_url: BaseUrl,
    container: ContainerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    folder: Annotated[str | None, Query(max_length=512, description="this folder and those below it")] = None,
    type: Annotated[str | None, Query(max_length=255, description="`image/png`, or `image` for all images")] = None,
    status: Literal["active", "deleted", "all"] = "active",
) -> Response:
    of = ("files", caller.user_id, folder, type, status)
    files = await container.files.page(
        caller.user_id,
        after=cursors.decode(cursor, *of),
        limit=limit + 1,
        folder=folder,
        content_type=type,
        status=None if status == "all" else status,
    )
    more = len(files) > limit
    next_cursor = cursors.encode(file_key(files[limit - 1].id), *of) if more else None
    return JSONResponse({"items": [file_response(file, base_url) for file in files[:limit]], "next_cursor": next_cursor})


@router.get("/api/files/stats", name="files_stats")
async def stats(caller: FilesCaller, container: ContainerDep, scope: Literal["own", "all"] = "own") -> StatsResponse:
    """The caller's totals as they are now; with `scope=all`, for administrators, everyone's as of the last roll-up."""
    if scope == "own":
        return StatsResponse.of(await container.files.usage(caller.user_id), rfc3339(container.clock.now()))
    if caller.role != "admin":
        raise Forbidden("Everyone's totals are for administrators.")
    totals = await container.files_statistics.latest()
    return StatsResponse.of(totals.usage, rfc3339(totals.as_of))


uploads.add_routes(router)
content.add_routes(router)


@router.get("/api/files/{file_id}/metadata", name="files_get_metadata", response_model=FileResponse)
async def get_metadata(
    file_id: str, caller: FilesCaller, base_url: BaseUrl, container: ContainerDep, if_none_match: Etag = None
) -> Response:
    file = await container.files.get(caller.user_id, file_id)
    headers = {"ETag": f'"{file.etag}"', "Cache-Control": "private, no-cache"}
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    if headers["ETag"] in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    return JSONResponse(file_response(file, base_url), headers=headers)


@router.patch("/api/files/{file_id}/metadata", name="files_update_metadata", response_model=FileResponse)
async def update_metadata(
    file_id: str, body: FileChange, caller: FilesCaller, base_url: BaseUrl, container: ContainerDep, if_match: Etag = None
) -> Response:
    file = await container.files.update(caller.user_id, file_id, filename=body.filename, metadata=body.metadata, if_match=if_match)
    return JSONResponse(file_response(file, base_url), headers={"ETag": f'"{file.etag}"'})


@router.delete("/api/files/{file_id}", name="files_delete", status_code=204)
async def delete_file(file_id: str, caller: FilesCaller, container: ContainerDep, permanent: bool = False) -> None:
    if permanent:
        await container.files.delete_permanently(caller.user_id, file_id)
    else:
        await container.files.delete(caller.user_id, file_id)


@router.post("/api/files/{file_id}/restore", name="files_restore", response_model=FileResponse)
async def restore(file_id: str, caller: FilesCaller, base_url: BaseUrl, container: ContainerDep) -> Response:
    return JSONResponse(file_response(await container.files.restore(caller.user_id, file_id), base_url))


@router.post("/api/files/{file_id}/share", name="files_create_share", status_code=201)
@idempotent
async def create_share(
    file_id: str, response: Response, caller: FilesCaller, base_url: BaseUrl, container: ContainerDep, body: ShareRequest | None = None
) -> NewShareResponse:
    """A link for whoever has it. The token is shown here only."""
    wanted = body or ShareRequest()
    share, token = await container.files.shares.create(
        caller.user_id, file_id, expires_in=wanted.expires_in, password=wanted.password, max_downloads=wanted.max_downloads
    )
    response.headers["Cache-Control"] = "no-store"
    return NewShareResponse(**share_fields(share), token=token, url=f"{base_url}/share/{token}")


@router.get("/api/files/{file_id}/shares", name="files_list_shares")
async def list_shares(file_id: str, caller: FilesCaller, container: ContainerDep, limit: Limit = 20, cursor: Cursor = None) -> ShareList:
    of = ("shares", caller.user_id, file_id)
    shares = await container.files.shares.page(caller.user_id, file_id, after=cursors.decode(cursor, *of), limit=limit + 1)
    next_cursor = cursors.encode(shares[limit - 1].id, *of) if len(shares) > limit else None
    return ShareList(items=[ShareResponse.of(share) for share in shares[:limit]], next_cursor=next_cursor)


@router.delete("/api/files/{file_id}/shares/{share_id}", name="files_revoke_share", status_code=204)
async def revoke_share(file_id: str, share_id: str, caller: FilesCaller, container: ContainerDep) -> None:
    await container.files.shares.revoke(caller.user_id, file_id, share_id)
