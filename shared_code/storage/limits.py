"""What storage accepts, checked alike by every adapter before anything is sent. A breach is a ``ValueError``: a mistake of
the caller, not a state of the data.

Sources: Microsoft, "Understanding the Table service data model", "Naming and referencing containers, blobs, and metadata",
"Naming queues and metadata".
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from .keys import utf16_units
from .ports import Delete, Operation, Value, Where

MAX_STRING_UNITS = 32 * 1024
MAX_BINARY = 64 * 1024
MAX_ROW = 1024 * 1024
MAX_PROPERTIES = 252
MAX_BATCH = 100
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_PUT = 64 * 1024 * 1024
MAX_BLOCK = 100 * 1024 * 1024
MAX_BLOCKS = 50_000
MAX_MESSAGE = 48 * 1024
MAX_DELAY = 604_800
CHUNK = 4 * 1024 * 1024
"""The most that one read asks of storage."""

_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
_METADATA_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_METADATA_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?|")
# What XML 1.0 cannot carry, or (\r) does not give back as it was.
_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_ETAG = re.compile(r"(?!\*\Z)[!-~]+")
_RESERVED = frozenset({"PartitionKey", "RowKey", "Timestamp"})
_EARLIEST = datetime(1601, 1, 1, tzinfo=UTC)


def table_name(name: str) -> None:
    if not _TABLE.fullmatch(name):
        raise ValueError(f"not a table name: {name!r}")


def container_name(name: str) -> None:
    """Containers and queues follow one rule."""
    if not _CONTAINER.fullmatch(name):
        raise ValueError(f"not a container or queue name: {name!r}")


def blob_name(name: str) -> None:
    if not 1 <= len(name) <= 1024 or name[-1] in "./":
        raise ValueError("a blob name has 1 to 1024 characters and ends in neither a dot nor a slash")


def blob_size(data: bytes, most: int) -> None:
    if len(data) > most:
        raise ValueError(f"{len(data)} bytes, the most is {most}")


def block_size(data: bytes) -> None:
    """A block holds at least a byte (an empty blob is a commit of no blocks)."""
    if not data:
        raise ValueError("a block is not empty")
    blob_size(data, MAX_BLOCK)


def block_number(block: int, *, most: int = MAX_BLOCKS - 1) -> None:
    if not 0 <= block <= most:
        raise ValueError(f"block {block} is not within 0 to {most}")


def metadata(values: Mapping[str, str]) -> None:
    """Names travel as headers, whose case is lost: lower case only. Values: printable ASCII, no spaces at the ends."""
    for name, value in values.items():
        if not _METADATA_NAME.fullmatch(name) or not _METADATA_VALUE.fullmatch(value):
            raise ValueError(f"metadata {name!r} is not a lower-case identifier with a printable ASCII value")


def byte_range(offset: int, length: int | None) -> None:
    if offset < 0 or (length is not None and length < 0):
        raise ValueError("offset and length are not negative")


def message(text: str, delay: int) -> None:
    if len(text.encode()) > MAX_MESSAGE:
        raise ValueError(f"a message holds at most {MAX_MESSAGE} bytes")
    if _NOT_XML.search(text):
        raise ValueError("a message travels as XML, which cannot carry this control character")
    if not 0 <= delay <= MAX_DELAY:
        raise ValueError(f"delay is 0 to {MAX_DELAY} seconds")


def visibility(seconds: int) -> None:
    if not 1 <= seconds <= MAX_DELAY:
        raise ValueError(f"visibility is 1 to {MAX_DELAY} seconds")


def page(limit: int, most: int) -> None:
    if not 1 <= limit <= most:
        raise ValueError(f"limit is 1 to {most}")


def batch(operations: Sequence[Operation]) -> None:
    """Count, distinct keys and total size; the rows themselves are checked one by one."""
    if not 1 <= len(operations) <= MAX_BATCH:
        raise ValueError(f"a batch holds 1 to {MAX_BATCH} operations")
    if len({operation.key for operation in operations}) != len(operations):
        raise ValueError("the keys of a batch are distinct")
    if sum(_size(op.values) for op in operations if not isinstance(op, Delete)) > MAX_BATCH_BYTES:
        raise ValueError(f"a batch holds at most {MAX_BATCH_BYTES} bytes")


def row(partition: str, key: str, values: Mapping[str, Value]) -> None:
    """Names, types, ranges, and the size of the row by Azure's formula."""
    if len(values) > MAX_PROPERTIES:
        raise ValueError(f"a row holds at most {MAX_PROPERTIES} properties")
    for name, value in values.items():
        _property_name(name)
        _property_value(name, value)
    if 4 + 2 * (len(partition) + len(key)) + _size(values) > MAX_ROW:
        raise ValueError(f"a row holds at most {MAX_ROW} bytes")


def etag(value: str | None) -> None:
    """It travels as a header: printable ASCII, no spaces. ``*`` would match whatever is there, so it is no ETag."""
    if value is not None and not _ETAG.fullmatch(value):
        raise ValueError("not an ETag of a row")


def where(conditions: Sequence[Where]) -> None:
    for condition in conditions:
        _property_name(condition.column)
        _property_value(condition.column, condition.value)
        if condition.op == "prefix" and not isinstance(condition.value, str):
            raise ValueError("prefix compares strings")


def _property_name(name: str) -> None:
    if not name.isidentifier() or len(name) > 255 or name in _RESERVED:
        raise ValueError(f"not a property name: {name!r}")


def _property_value(name: str, value: Value) -> None:
    if isinstance(value, str):
        if len(value) * 2 > MAX_STRING_UNITS and utf16_units(value) > MAX_STRING_UNITS:
            raise ValueError(f"{name} is longer than {MAX_STRING_UNITS} UTF-16 code units")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"{name} is beyond 64 bits")
    elif isinstance(value, bytes):
        if len(value) > MAX_BINARY:
            raise ValueError(f"{name} is longer than {MAX_BINARY} bytes")
    elif isinstance(value, datetime):
        if value.tzinfo is None or value < _EARLIEST:
            raise ValueError(f"{name} is a naive datetime, or one before 1601")
    elif value is not None and not isinstance(value, float):
        raise ValueError(f"{name} has the type {type(value).__name__}, which a table cannot hold")


def _size(values: Mapping[str, Value]) -> int:
    return sum(8 + 2 * len(name) + _value_size(value) for name, value in values.items())


def _value_size(value: Value) -> int:
    if isinstance(value, str):
        return 4 + 2 * len(value)
    return 4 + len(value) if isinstance(value, bytes) else 8
