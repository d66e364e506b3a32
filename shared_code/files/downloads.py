"""Which bytes answer a request for a file: the variant, the conditions and the range (RFC 9110, 13 and 14)."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from shared_code.errors import NotFound, RangeNotSatisfiable
from shared_code.storage.ports import BlobRead, Blobs, EtagMismatch, Missing

from .models import File, VariantName
from .records import not_found

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}

_RANGE = re.compile(r"bytes=(?:([0-9]+)-([0-9]*)|-([0-9]+))", re.I)
_ETAG = re.compile(r'(W/)?"[^"]*"')


@dataclass(frozen=True, slots=True)
class Representation:
    """One variant of a file, before any byte is read."""

    container: str
    blob: str
    blob_etag: str
    content_type: str
    size: int
    etag: str
    """Strong, with its quotes."""
    modified_at: datetime
    filename: str

    @property
    def last_modified(self) -> str:
        return format_datetime(self.modified_at.astimezone(UTC).replace(microsecond=0), usegmt=True)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The request's headers that decide how much is sent; None for a header that is not there."""

    if_none_match: str | None = None
    if_modified_since: str | None = None
    range: str | None = None
    if_range: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """``length`` bytes from ``offset``; ``partial`` when that answers a Range."""

    offset: int
    length: int
    partial: bool


def choose(file: File, variant: VariantName | None, originals: str, variants: str) -> Representation:
    """The representation of an active file: by default optimized when ready, else original.

    ``originals`` and ``variants`` are the containers. Raises NotFound for a variant that is not there (yet).
    """
    image = file.image
    made = {"optimized": image.optimized, "thumbnail": image.thumbnail} if image and image.status == "ready" else {}
    name = variant or ("optimized" if made.get("optimized") else "original")
    if name == "original":
        etag = f'"{file.sha256 or file.blob_etag}"'
        return Representation(originals, file.id, file.blob_etag, file.content_type, file.size, etag, file.created_at, file.filename)
    chosen = made.get(name)
    if chosen is None or image is None:
        raise NotFound(f"This file has no {name} variant.", code="variant_not_found")
    return Representation(
        container=variants,
        blob=f"{file.id}/{name}",
        blob_etag=chosen.etag,
        content_type=chosen.content_type,
        size=chosen.size,
        etag=f'"{name}-{chosen.etag}"',
        modified_at=image.processed_at or file.created_at,
        filename=_renamed(file.filename, chosen.content_type),
    )


def _renamed(filename: str, content_type: str) -> str:
    stem, dot, extension = filename.rpartition(".")
    wanted = EXTENSIONS[content_type]
    if {extension.lower(), wanted} <= {"jpg", "jpeg"} or extension.lower() == wanted:
        return filename
    return f"{stem if dot and stem else filename}.{wanted}"


def not_modified(representation: Representation, conditions: Conditions) -> bool:
    """Whether the answer is 304: If-None-Match decides, and only without it If-Modified-Since (RFC 9110, 13.2.2)."""
    if conditions.if_none_match is not None:
        if conditions.if_none_match.strip() == "*":
            return True
        given = {match[0].removeprefix("W/") for match in _ETAG.finditer(conditions.if_none_match)}
        return representation.etag in given
    since = _date(conditions.if_modified_since)
    return since is not None and representation.modified_at.replace(microsecond=0) <= since


def span(representation: Representation, conditions: Conditions) -> Span:
    """The bytes to send; raises RangeNotSatisfiable.

    Several ranges, other units and malformed ranges are ignored, as RFC 9110, 14.2 allows: the whole is sent.
    """
    size = representation.size
    whole = Span(0, size, partial=False)
    match = _RANGE.fullmatch((conditions.range or "").replace(" ", ""))
    if match is None or not _if_range_holds(representation, conditions.if_range):
        return whole
    first, last, suffix = match.groups()
    if suffix is not None:
        length = min(_position(suffix), size)
        if length == 0:
            raise RangeNotSatisfiable(size)
        return Span(size - length, length, partial=True)
    begin, end = _position(first), _position(last) if last else size - 1
    if last and end < begin:
        return whole
    if begin >= size:
        raise RangeNotSatisfiable(size)
    return Span(begin, min(end, size - 1) - begin + 1, partial=True)


def _position(digits: str) -> int:
    """Their value, as far as it matters: beyond 18 digits all are behind the end of any file."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= 18 else 10**18


def _if_range_holds(representation: Representation, if_range: str | None) -> bool:
    if if_range is None:
        return True
    if if_range.startswith(('"', "W/")):
        return if_range.strip() == representation.etag  # a weak tag never holds (RFC 9110, 13.1.5)
    return _date(if_range) == representation.modified_at.replace(microsecond=0)


def _date(value: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value) if value else None
    except (ValueError, OverflowError):
        return None
    return parsed.replace(tzinfo=UTC) if parsed and parsed.tzinfo is None else parsed


async def open_bytes(blobs: Blobs, representation: Representation, wanted: Span) -> AsyncIterator[bytes]:
    """The bytes, opened; raises NotFound when they are gone or are no longer the ones that were checked."""
    try:
        read: BlobRead = await blobs.read(
            representation.container, representation.blob, offset=wanted.offset, length=wanted.length, if_match=representation.blob_etag
        )
    except (Missing, EtagMismatch):
        raise not_found() from None
    return read.chunks
