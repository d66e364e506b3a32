"""Rows and operations as the Table service's REST API writes them: JSON entities, paths, multipart batches.

Sources: Microsoft, "Payload format for Table service operations", "Query Entities", "Insert Entity", "Insert Or Replace
Entity", "Update Entity", "Merge Entity", "Delete Entity", "Performing entity group transactions".
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NamedTuple, assert_never
from urllib.parse import quote
from uuid import uuid4

from . import keys, limits
from .ports import Delete, Insert, Merge, Operation, Replace, Row, Upsert, Value

ACCEPT = "application/json;odata=minimalmetadata"
"""Types that JSON has not are named in the answer; without that an Int64 could not be told from a string."""
JSON = "application/json"
_TYPE = "@odata.type"

# ASCII, for Azurite decodes a body chunk by chunk, which breaks a longer character between two of them.
_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Write(NamedTuple):
    """One operation as a request. ``path`` follows the account's; ``if_match`` and ``body`` may be empty."""

    method: str
    path: str
    body: bytes
    if_match: str

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice ends as doing it once, whatever is answered. Not so an insert, a delete, and what has an ETag."""
        return self.method in ("PUT", "PATCH") and self.if_match in ("", "*")


class Part(NamedTuple):
    """One operation's answer within a batch's."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes


def entity_path(table: str, partition: str, key: str) -> str:
    """``ValueError`` when a key is too long, or has a lone surrogate."""
    return f"/{table}(PartitionKey='{_in_path(partition)}',RowKey='{_in_path(key)}')"


def write(table: str, partition: str, operation: Operation) -> Write:
    """``ValueError`` when the row breaks a limit."""
    if isinstance(operation, Delete):
        return Write("DELETE", entity_path(table, partition, operation.key), b"", _condition(operation.etag))
    limits.row(partition, operation.key, operation.values)
    body = _entity(partition, operation.key, operation.values)
    match operation:
        case Insert():
            return Write("POST", f"/{table}", body, "")
        case Upsert():
            return Write("PUT", entity_path(table, partition, operation.key), body, "")
        case Replace():
            return Write("PUT", entity_path(table, partition, operation.key), body, _condition(operation.etag))
        case Merge():
            return Write("PATCH", entity_path(table, partition, operation.key), body, _condition(operation.etag))
        case _:
            assert_never(operation)


def row(entity: Mapping[str, Any]) -> Row:
    """``ValueError``, ``KeyError`` or ``TypeError`` for what no table service would send."""
    values: dict[str, Value] = {}
    for name, value in entity.items():
        # A property's name is an identifier, so what has a dot is metadata.
        if "." in name or name in ("PartitionKey", "RowKey", "Timestamp") or value is None:
            continue
        read = _READERS.get(entity.get(name + _TYPE, ""))
        values[name] = value if read is None else read(value)
    # As the SDK does for an answer without an ETag: it is made of the timestamp.
    etag = entity.get("odata.etag") or f"W/\"datetime'{quote(entity['Timestamp'])}'\""
    return Row(keys.decode(entity["PartitionKey"]), keys.decode(entity["RowKey"]), values, etag)


def batch(writes: Sequence[Write], url: str) -> tuple[str, bytes]:
    """Content type and body of one change set. ``url`` is the account's. ``ValueError`` beyond 4 MiB."""
    change_set = f"changeset_{uuid4()}"
    pieces: list[bytes] = []
    for index, one in enumerate(writes):
        pieces += (_step(one, index, change_set, url), one.body, b"\r\n")
    boundary = f"batch_{uuid4()}"
    head = f"--{boundary}\r\nContent-Type: multipart/mixed; boundary={change_set}\r\n\r\n"
    body = b"".join([head.encode(), *pieces, f"--{change_set}--\r\n\r\n--{boundary}--\r\n".encode()])
    if len(body) > limits.MAX_BATCH_BYTES:
        raise ValueError(f"a batch holds at most {limits.MAX_BATCH_BYTES} bytes")
    return f"multipart/mixed; boundary={boundary}", body


def batch_parts(body: bytes) -> list[Part]:
    """The answers within a batch's answer, in order. ``ValueError`` when it is not one."""
    boundary = _BOUNDARY.search(body)
    if boundary is None:
        raise ValueError("no change set")
    pieces = body.split(b"--" + boundary[1])[1:]
    if not pieces or not pieces.pop().startswith(b"--"):
        raise ValueError("the change set has no end")
    found = [_PART.match(piece) for piece in pieces]
    if not all(found):
        raise ValueError("a part is no HTTP answer")
    return [Part(int(one[1]), _headers(one[2]), one[3]) for one in found if one is not None]


def error(body: bytes) -> tuple[str, str]:
    """Code and message of an error's answer, JSON or XML; empty when it has none."""
    text = body[:_ERROR_READ].decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)["odata.error"]
            return str(found["code"]), str(found["message"]["value"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return "", ""
    code = _XML_CODE.search(text)
    return (code[1] if code else ""), ""


def failed_index(operations: Sequence[Operation], status: int, body: bytes, content_id: str) -> int:
    """Which operation a batch's only answer is about.

    The message begins with its index ("2:The specified …"), or the request's Content-ID is given back. Should the service
    leave out both, it is the first operation that can fail in this way.
    """
    index = _INDEX.match(error(body)[1])
    for given in (index[1] if index else "", content_id):
        if given.isascii() and given.isdigit() and int(given) < len(operations):
            return int(given)
    kinds: tuple[type[Operation], ...] = (Insert,) if status == 409 else (Replace, Merge, Delete)
    possible = (n for n, op in enumerate(operations) if isinstance(op, kinds) and (status != 412 or getattr(op, "etag", None)))
    return next(possible, 0)


_ERROR_READ = 64 * 1024
_BOUNDARY = re.compile(rb'(?i)content-type:[ \t]*multipart/mixed;[ \t]*boundary="?-*([\w.-]+)')  # Azurite puts the dashes here too
_PART = re.compile(rb"\r?\n(?:[\w-]+:[^\r\n]*\r?\n)+\r?\nHTTP/1\.\d (\d{3})[^\r\n]*\r?\n((?:[^\r\n]+\r?\n)*)\r?\n(.*)", re.DOTALL)
_INDEX = re.compile(r"(\d{1,2}):")
_XML_CODE = re.compile(r"<(?:\w+:)?[Cc]ode>(\w{1,100})<")


def _headers(lines: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines.decode("latin-1").splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _step(one: Write, index: int, change_set: str, url: str) -> bytes:
    lines = [
        f"--{change_set}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {index}\r\n",
        f"{one.method} {url}{one.path} HTTP/1.1\r\nAccept: {ACCEPT}\r\nDataServiceVersion: 3.0",
    ]
    if one.body:
        lines[1] += f"\r\nContent-Type: {JSON}\r\nContent-Length: {len(one.body)}"
    if one.method == "POST":
        lines[1] += "\r\nPrefer: return-no-content"
    if one.if_match:
        lines[1] += f"\r\nIf-Match: {one.if_match}"
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _in_path(key: str) -> str:
    return quote(keys.encode(key).replace("'", "''"), safe="")


def _condition(etag: str | None) -> str:
    limits.etag(etag)
    return "*" if etag is None else etag


def _entity(partition: str, key: str, values: Mapping[str, Value]) -> bytes:
    entity: dict[str, Any] = {"PartitionKey": keys.encode(partition), "RowKey": keys.encode(key)}
    for name, value in values.items():
        if isinstance(value, str | bool):
            entity[name] = value
        elif value is not None:
            entity[name + _TYPE], entity[name] = _stored(value)
    return _dumps(entity).encode()


def _stored(value: int | float | bytes | datetime) -> tuple[str, str | float]:
    if isinstance(value, int):
        # Every integer as Int64: a column that held both widths could not be compared by one filter.
        return "Edm.Int64", str(int(value))
    if isinstance(value, float):
        return "Edm.Double", value if isfinite(value) else _NOT_FINITE.get(value, "NaN")
    if isinstance(value, datetime):
        return "Edm.DateTime", value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    return "Edm.Binary", b64encode(value).decode()


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)  # of the service's 100 ns, the last digit is dropped
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


_NOT_FINITE = {float("inf"): "Infinity", float("-inf"): "-Infinity"}
_READERS: dict[str, Callable[[Any], Value]] = {"Edm.Int64": int, "Edm.Double": float, "Edm.DateTime": _moment, "Edm.Binary": b64decode}
