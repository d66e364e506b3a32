"""JSON bodies, with every limit enforced while they are read."""

import asyncio
import json
import math
import re
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from shared_code.errors import InvalidRequest, TooLarge

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100
MAX_VALUES = 500_000
"""Of one body: each takes up to a hundred bytes of memory, whatever it takes of the body; a megabyte of anything sensible has far fewer."""
INLINE = 256 * 1024
"""Bytes of a body that are read on the event loop; more, in a thread: it may take a second."""

# A string that never ends is taken to the end in one go (no backtracking, closing quote optional): looking for its end
# from each of its quotes again would take hours for 1 MiB.
_STRING_OR_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.S)


def declared_length(request: Request) -> int:
    """The ``Content-Length`` in bytes; 0 without a usable one, as what counts is what arrives."""
    declared = request.headers.get("content-length", "")
    return int(declared) if re.fullmatch(r"[0-9]{1,18}", declared) else 0


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body, at most ``limit`` bytes; raises TooLarge without reading on."""
    if declared_length(request) > limit:
        raise TooLarge(f"The body has more than the {limit} bytes that this route takes.")
    parts, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise TooLarge(f"The body has more than the {limit} bytes that this route takes.")
            parts.append(chunk)
    except ClientDisconnect:
        raise InvalidRequest("The connection ended before the body did.", code="incomplete_body") from None
    return b"".join(parts)


async def parsed(body: bytes) -> Any:
    """The same as ``parse``, without keeping others from the event loop for long."""
    return parse(body) if len(body) <= INLINE else await asyncio.to_thread(parse, body)


def parse(body: bytes) -> Any:
    """The value of a JSON text (RFC 8259): UTF-8, no NaN or Infinity, at most 100 levels deep. Raises InvalidRequest and TooLarge."""
    check_depth(body)
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
        if b"\\u" in body:  # an escaped lone surrogate is text that nothing behind us can store
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it is not well-formed"
        raise InvalidRequest(f"The body is not JSON: {reason}.", code="invalid_json") from None
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class WrittenFloat(float):
    """A float that remembers how it was written: who needs the exact decimal (money) reads ``text``, all others a float."""

    __slots__ = ("text",)

    text: str


def _finite(text: str) -> float:
    number = WrittenFloat(text)
    if math.isinf(number):  # 1e999 would come back from us as Infinity, which is not JSON
        raise ValueError("a number beyond what a double holds")
    number.text = text
    return number


def check_depth(body: bytes) -> None:
    """Raises InvalidRequest for a JSON text of more than MAX_DEPTH levels, and TooLarge for one of more than MAX_VALUES values; whether
    it is one is for the parser to say."""
    brackets = body.count(b"[") + body.count(b"{")
    if brackets <= MAX_DEPTH and body.count(b",") <= MAX_VALUES:
        return
    depth = values = 0
    for match in _STRING_OR_MARK.finditer(body):
        token = match[0]
        if token in (b"[", b"{", b","):
            values += 1
            if values > MAX_VALUES:
                raise TooLarge(f"The body has more than {MAX_VALUES} values.")
        if token in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidRequest(f"The body is nested more than {MAX_DEPTH} levels deep.", code="invalid_json")
        elif token in (b"]", b"}"):
            depth -= 1
