"""Bytes on their way out: to the owner, and to whoever holds a share link."""

import base64
import binascii
import html
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from functions.common import pages
from functions.dependencies import ContainerDep
from shared_code.errors import LydianError
from shared_code.files.downloads import Conditions, Representation, not_modified, span
from shared_code.files.models import VariantName
from shared_code.files.service import FilesService
from shared_code.web.callers import FilesCaller
from shared_code.web.outgoing import Outgoing, closed
from shared_code.web.problems import from_error

WHOLE = 4 * 1024 * 1024
"""Bytes that storage gives in one answer; up to here they are sent in one piece, beyond it as a stream."""

INLINE_TYPES = ("image/", "video/")
INLINE = ("application/pdf", "text/plain")

Variant = Annotated[VariantName | None, Query(description="by default `optimized` when it is ready, else `original`")]
BINARY: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "The range"},
}


def add_routes(router: APIRouter) -> None:
    router.get("/api/files/{file_id}", name="files_download", response_class=Response, responses=BINARY)(download)
    router.get("/share/{token}", name="files_download_share", response_class=Response, responses=BINARY)(download_share)


async def download(
    request: Request, file_id: str, caller: FilesCaller, container: ContainerDep, variant: Variant = None, download: bool = False
) -> Response:
    """The file's bytes, with ranges (RFC 9110, 14) and conditions (RFC 9110, 13). Who has not taken them after nine and a half minutes,
    or takes none for one, is cut off, and asks for the rest by its range."""
    representation = await container.files.representation(caller.user_id, file_id, variant)
    return await send(request, container.files, representation, attachment=download)


async def download_share(
    request: Request, token: str, container: ContainerDep, variant: Variant = None, download: bool = False
) -> Response:
    """The shared bytes. A password comes in `X-Share-Password` or as HTTP Basic. A browser gets errors as a page."""
    service = container.files
    try:
        opened = await service.shares.open(token, _password(request))
        representation = service.representation_of(opened.file, variant)
        return await send(request, service, representation, attachment=download, before=lambda: service.shares.count_download(opened.share))
    except LydianError as error:
        if not pages.wants_html(request.headers.get("accept", "")):
            raise
        return _refused(from_error(request.scope, error), error)


def _refused(problem: Response, error: LydianError) -> Response:
    """The same refusal, status and headers, for who opened a link that somebody sent: such people read no JSON."""
    text = html.escape(error.message) or "The file cannot be had."
    headers = {name: value for name, value in problem.headers.items() if name not in ("content-type", "content-length")}
    body = f'<div class="card"><h1>This file cannot be shown</h1><p>{text}</p><p class="hint">Ask whoever sent you the link.</p></div>'
    page = pages.page("A shared file", body, headers={"Cache-Control": "no-store", **headers})
    page.status_code = problem.status_code
    return page


async def send(
    request: Request,
    service: FilesService,
    representation: Representation,
    *,
    attachment: bool,
    before: Callable[[], Awaitable[None]] | None = None,
) -> Response:
    """The answer to a request for these bytes. ``before`` runs once they are open and before the first of them is sent."""
    headers = _headers(representation, attachment)
    conditions = Conditions(
        request.headers.get("if-none-match"),
        request.headers.get("if-modified-since"),
        request.headers.get("range"),
        request.headers.get("if-range"),
    )
    if not_modified(representation, conditions):
        for name in ("Content-Type", "Content-Disposition"):
            del headers[name]
        return Response(status_code=304, headers=headers)
    if request.scope["state"].get("head"):
        # Range means something to GET only (RFC 9110, 14.2).
        return Response(headers={**headers, "Content-Length": str(representation.size)})
    wanted = span(representation, conditions)
    status = 206 if wanted.partial else 200
    if wanted.partial:
        headers["Content-Range"] = f"bytes {wanted.offset}-{wanted.offset + wanted.length - 1}/{representation.size}"
    chunks = await service.open(representation, wanted)
    try:
        if before is not None:
            await before()
        if wanted.length <= WHOLE:
            body = b"".join([chunk async for chunk in chunks])
            return Response(body, status, headers)
    except BaseException:
        await closed(chunks)
        raise
    headers["Content-Length"] = str(wanted.length)
    return Outgoing(chunks, status, headers)


def _headers(representation: Representation, attachment: bool) -> dict[str, str]:
    kind = representation.content_type
    inline = not attachment and (kind.startswith(INLINE_TYPES) or kind in INLINE)
    return {
        "Content-Type": f"{kind}; charset=utf-8" if kind == "text/plain" else kind,
        "Content-Disposition": disposition("inline" if inline else "attachment", representation.filename),
        "ETag": representation.etag,
        "Last-Modified": representation.last_modified,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
    }


def disposition(kind: str, filename: str) -> str:
    """Content-Disposition with an ASCII name for old clients and the true one in RFC 8187's form (RFC 6266, 4.3)."""
    plain = "".join(character if " " <= character <= "~" and character not in '"\\%' else "_" for character in filename)
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'


def _password(request: Request) -> str | None:
    given = request.headers.get("x-share-password")
    if given is not None:
        # Starlette decodes headers as Latin-1; most clients write UTF-8.
        raw = given.encode("latin-1")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return given
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    return password if colon else None
