"""Bytes on their way in: multipart uploads, and direct ones by a grant."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from functions.dependencies import BaseUrl, ContainerDep
from shared_code.clock import rfc3339
from shared_code.errors import InvalidInput, LydianError, StorageUnavailable, TooLarge
from shared_code.files.incoming import Received
from shared_code.files.models import File
from shared_code.files.names import MAX_FOLDER_BYTES, MAX_METADATA_BYTES
from shared_code.files.schemas import FileResponse, MultipleUploadResponse, UploadUrlRequest, UploadUrlResponse, file_response
from shared_code.files.uploads import Uploads
from shared_code.web import json_body, multipart
from shared_code.web.callers import Caller, FilesCaller
from shared_code.web.endpoint import idempotent
from shared_code.web.problems import problem_body, status_of

MAX_FILES = 20
OVERHEAD = 256 * 1024
"""Bytes that fields, boundaries and headers may add to the files of a multipart body."""
HELD = 4 * 1024 * 1024
"""Bytes of small files that wait in memory for the end of a body with several; beyond it they are staged."""
STORED_AT_ONCE = 4


def add_routes(router: APIRouter) -> None:
    router.post(
        "/api/files/upload", name="files_upload", status_code=201, response_model=FileResponse, openapi_extra=_form("file", several=False)
    )(upload)
    router.post(
        "/api/files/upload/multiple",
        name="files_upload_multiple",
        status_code=201,
        response_model=MultipleUploadResponse,
        responses={207: {"model": MultipleUploadResponse, "description": "Some were stored"}},
        openapi_extra=_form("files", several=True),
    )(upload_multiple)
    router.post("/api/files/upload-url", name="files_create_upload_url", status_code=201)(idempotent(create_upload_url))
    router.post("/api/files/{file_id}/complete", name="files_complete_upload", response_model=FileResponse)(complete)


async def upload(request: Request, caller: FilesCaller, base_url: BaseUrl, container: ContainerDep) -> Response:
    """Store one file. The body is read as a stream; its type is decided from its bytes."""
    form = await _read_one(request, caller, container.files_uploads)
    file = await container.files_uploads.store(
        caller.user_id, form.received[0], form.filenames[0], folder=form.folder or "/", metadata=form.metadata or {}
    )
    return JSONResponse(file_response(file, base_url), 201, {"Location": f"/api/files/{file.id}", "ETag": f'"{file.etag}"'})


async def upload_multiple(request: Request, caller: FilesCaller, base_url: BaseUrl, container: ContainerDep) -> Response:
    """Store up to 20 files; a bad one never loses a good one."""
    uploads, errors = container.files_uploads, _Errors(request)
    form = await _read_several(request, caller, uploads, errors)
    at_once = asyncio.Semaphore(STORED_AT_ONCE)

    async def store(received: Received, filename: str) -> File | None:
        async with at_once:
            try:
                return await uploads.store(caller.user_id, received, filename, folder=form.folder or "/", metadata=form.metadata or {})
            except LydianError as error:
                errors.add(filename, error)
                return None

    stored = await asyncio.gather(*(store(*pair) for pair in zip(form.received, form.filenames, strict=True)))
    items = [file_response(file, base_url) for file in stored if file is not None]
    if not items:
        raise errors.first or InvalidInput("The form has no part named files.", loc=("body", "files"), code="missing_file")
    return JSONResponse({"items": items, "errors": errors.listed}, 207 if errors.listed else 201)


async def create_upload_url(body: UploadUrlRequest, response: Response, caller: FilesCaller, container: ContainerDep) -> UploadUrlResponse:
    """Leave to PUT the bytes straight to storage within 15 minutes; then call `complete`."""
    file_id, grant = await container.files_uploads.grant(
        caller.user_id, body.filename, body.content_type, body.size, folder=body.folder, metadata=body.metadata
    )
    response.headers["Cache-Control"] = "no-store"
    return UploadUrlResponse(file_id=file_id, upload_url=grant.url, headers=dict(grant.headers), expires_at=rfc3339(grant.expires_at))


async def complete(file_id: str, caller: FilesCaller, base_url: BaseUrl, container: ContainerDep) -> Response:
    """The bytes of a direct upload are there: check them as an upload does and make the file visible."""
    file = await container.files_uploads.complete(caller.user_id, file_id)
    return JSONResponse(file_response(file, base_url), headers={"ETag": f'"{file.etag}"'})


class _Form:
    def __init__(self) -> None:
        self.received: list[Received] = []
        self.filenames: list[str] = []
        self.folder: str | None = None
        self.metadata: dict[str, Any] | None = None

    async def take_field(self, part: multipart.Part) -> None:
        if part.name == "folder":
            self.folder = await _text(part, MAX_FOLDER_BYTES * 2, "invalid_folder")
        elif part.name == "metadata":
            # Checked twice as long: white space between the tokens does not count.
            text = await _text(part, MAX_METADATA_BYTES * 2, "invalid_metadata")
            try:
                self.metadata = json_body.parse(text.encode()) if text.strip() else {}
            except LydianError as error:
                raise InvalidInput(f"metadata: {error.message}", loc=("body", "metadata"), code="invalid_metadata") from None
            if not isinstance(self.metadata, dict):
                raise InvalidInput("metadata is a JSON object.", loc=("body", "metadata"), code="invalid_metadata")


async def _text(part: multipart.Part, limit: int, code: str) -> str:
    try:
        return await part.text(limit)
    except TooLarge as error:
        if part.body_failed:
            raise
        raise InvalidInput(error.message, loc=("body", part.name), code=code) from None


async def _read_one(request: Request, caller: Caller, uploads: Uploads) -> _Form:
    form = _Form()
    async for part in multipart.parts(request, uploads.rules.max_bytes + OVERHEAD):
        if part.name != "file":
            await form.take_field(part)
            continue
        if form.received:
            raise InvalidInput(
                "This route takes one file; send several to /api/files/upload/multiple.", loc=("body", "file"), code="too_many_files"
            )
        form.received.append(await uploads.receive(caller.user_id, part.content_type, part.chunks()))
        form.filenames.append(part.filename or "")
    if not form.received:
        raise InvalidInput("The form has no part named file.", loc=("body", "file"), code="missing_file")
    return form


async def _read_several(request: Request, caller: Caller, uploads: Uploads, errors: "_Errors") -> _Form:
    form, held, left = _Form(), 0, uploads.rules.max_bytes
    async for part in multipart.parts(request, uploads.rules.max_bytes + OVERHEAD):
        if part.name != "files":
            await form.take_field(part)
            continue
        if len(form.received) + len(errors.listed) == MAX_FILES:
            raise InvalidInput(f"This route takes at most {MAX_FILES} files.", loc=("body", "files"), code="too_many_files")
        try:
            received = await uploads.receive(caller.user_id, part.content_type, part.chunks(), max_bytes=left, hold=max(0, HELD - held))
        except LydianError as error:
            if part.body_failed or isinstance(error, StorageUnavailable):
                raise
            errors.add(part.filename or "", error)
            continue
        held, left = held + len(received.data), left - received.size
        form.received.append(received)
        form.filenames.append(part.filename or "")
    return form


class _Errors:
    """The files that were refused, each with its problem."""

    def __init__(self, request: Request) -> None:
        self._scope = request.scope
        self.listed: list[dict[str, Any]] = []
        self.first: LydianError | None = None

    def add(self, filename: str, error: LydianError) -> None:
        self.first = self.first or error
        body = problem_body(self._scope, status_of(error), error.code, error.message, error.extra)
        self.listed.append({"filename": filename, "problem": body})


def _form(name: str, *, several: bool) -> dict[str, Any]:
    """The multipart body for OpenAPI: FastAPI cannot know it, since it is read as a stream."""
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    properties = {
        name: {"type": "array", "items": file, "minItems": 1, "maxItems": MAX_FILES} if several else file,
        "folder": {"type": "string", "default": "/", "description": "a path"},
        "metadata": {"type": "string", "contentMediaType": "application/json", "description": "a JSON object, at most 8 KiB"},
    }
    schema = {"type": "object", "required": [name], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
