"""Multipart bodies (RFC 7578), parsed as they arrive and with every limit enforced while reading."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from shared_code.errors import InvalidRequest, TooLarge, UnsupportedType

from .json_body import declared_length

MAX_PARTS = 64
"""The parser itself limits a part's headers, in number and length."""


@dataclass(frozen=True, slots=True)
class Begin:
    name: str
    filename: str | None
    content_type: str | None


Event = Begin | bytes | None
"""A part begins, some of its bytes, a part ends (None)."""


class Part:
    """One part: read ``chunks`` to its end, or ask for its ``text``, before the next part is taken."""

    def __init__(self, begin: Begin, events: AsyncIterator[Event]) -> None:
        self.name, self.filename, self.content_type = begin.name, begin.filename, begin.content_type
        self._events = events
        self._ended = False
        self.body_failed = False
        """The whole body cannot be read on: an error that this part raised is not this part's."""

    async def chunks(self) -> AsyncIterator[bytes]:
        while not self._ended:
            try:
                event = await anext(self._events)
            except BaseException:
                self.body_failed = True
                raise
            if event is None:
                self._ended = True
            elif isinstance(event, bytes):
                yield event

    async def text(self, limit: int) -> str:
        """The part as UTF-8 text of at most ``limit`` bytes; raises TooLarge and InvalidRequest."""
        data = bytearray()
        async for chunk in self.chunks():
            data += chunk
            if len(data) > limit:
                raise TooLarge(f"The field {self.name[:100]} has more than {limit} bytes.", code="field_too_large")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidRequest(f"The field {self.name[:100]} is not UTF-8.", code="invalid_multipart") from None

    async def skip(self) -> None:
        async for _ in self.chunks():
            pass


async def parts(request: Request, max_bytes: int) -> AsyncIterator[Part]:
    """The parts of a body of at most ``max_bytes``, in order. What a caller leaves unread of a part is skipped.

    Raises UnsupportedType unless the body is multipart/form-data, InvalidRequest ``invalid_multipart`` when it is broken,
    ends too soon or has too long headers, TooLarge for too many parts or bytes.
    """
    boundary = _boundary(request)
    if declared_length(request) > max_bytes:
        raise _too_large(max_bytes)
    events = _events(request, boundary, max_bytes)
    async for event in events:
        assert isinstance(event, Begin)
        part = Part(event, events)
        yield part
        await part.skip()


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise UnsupportedType("Send the file as multipart/form-data.", code="unsupported_media_type")
    boundary: bytes = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:  # RFC 2046, 5.1.1
        raise _broken("the boundary is missing or too long")
    return boundary


async def _events(request: Request, boundary: bytes, max_bytes: int) -> AsyncIterator[Event]:
    collector, size = _Collector(), 0
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(max_bytes)
            if chunk:
                parser.write(chunk)
            while collector.events:
                yield collector.events.popleft()
            if collector.ended:
                break
    except MultipartParseError as error:
        raise _broken(str(error)[:200]) from None
    except ClientDisconnect:
        raise InvalidRequest("The connection ended before the body did.", code="incomplete_body") from None
    if not collector.ended:
        raise _broken("it ends before its last boundary")


class _Collector:
    """Turns the push parser's callbacks into events."""

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self.ended = False
        self._parts = 0
        self._field, self._value = bytearray(), bytearray()
        self._headers: dict[str, bytes] = {}

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._part_begin,
            "on_part_data": self._part_data,
            "on_part_end": lambda: self.events.append(None),
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        self._parts += 1
        self._headers = {}
        if self._parts > MAX_PARTS:
            raise TooLarge(f"The body has more than {MAX_PARTS} parts.", code="too_many_parts")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self.events.append(data[start:end])

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition", b""))
        name = options.get(b"name")
        if disposition != b"form-data" or name is None:
            raise _broken("a part has no name")
        filename = options.get(b"filename")
        content_type = self._headers.get("content-type")
        self.events.append(
            Begin(
                _text(name),
                _text(filename) if filename is not None else None,
                content_type.decode("latin-1") if content_type is not None else None,
            )
        )

    def _end(self) -> None:
        self.ended = True


def _text(raw: bytes) -> str:
    """Names are UTF-8 (RFC 7578, 5.1), with Latin-1 from those who do not know."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The body has more than the {max_bytes} bytes that this route takes.", code="file_too_large")


def _broken(reason: str) -> InvalidRequest:
    return InvalidRequest(f"The multipart body cannot be read: {reason}.", code="invalid_multipart")
