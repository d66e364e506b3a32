"""What the services ask of storage: blobs, tables and queues, and how it may fail.

Both adapters (``azure_*.py`` and ``memory.py``) pass one contract suite, ``tests/contract``. Containers, tables and
queues come into being on first use. Any method may raise ``errors.StorageUnavailable``; a write may then have taken place
all the same, and one that was repeated by itself after a lost answer may report ``AlreadyExists``, ``EtagMismatch`` or
``Missing`` because of its own first try. Limits (``limits.py``) are checked before anything is sent: ``ValueError``.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Value = str | int | bool | float | bytes | datetime | None
"""A table property. ``None`` is never stored: writing it leaves the property out (and a merge leaves it alone).
Integers are 64 bits, strings at most 32 Ki UTF-16 code units, bytes 64 KiB, a row 252 properties and 1 MiB. Datetimes are
aware, kept to the microsecond, and come back in UTC. Property names are identifiers."""


class StorageError(Exception):
    """Base of what an adapter reports about the state of the data (not about its availability)."""


class AlreadyExists(StorageError):
    """An insert-if-absent lost. In a batch, ``index`` is the operation that failed."""

    def __init__(self, index: int = 0) -> None:
        super().__init__("already exists")
        self.index = index


class EtagMismatch(StorageError):
    """The row or blob changed since its ETag was read. In a batch, ``index`` is the operation that failed."""

    def __init__(self, index: int = 0) -> None:
        super().__init__("changed since it was read")
        self.index = index


class Missing(StorageError):
    """What was to be changed or read is not there. In a batch, ``index`` is the operation that failed."""

    def __init__(self, index: int = 0) -> None:
        super().__init__("not found")
        self.index = index


# --- tables ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One table row. ``partition`` and ``key`` are any text, also empty, up to 512 UTF-16 code units. What Azure forbids in
    keys (``/ \\ # ? %``, control characters) and ``!`` is encoded, counts for 3 and sorts where ``!`` does (``keys.py``)."""

    partition: str
    key: str
    values: Mapping[str, Value] = field(default_factory=dict)
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Insert:
    """Insert if absent; ``AlreadyExists`` otherwise."""

    key: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace the whole row; ``Missing`` when absent, ``EtagMismatch`` when ``etag`` (if given) is not the row's."""

    key: str
    values: Mapping[str, Value]
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Merge:
    """Set the given properties and keep the others; ``Missing`` and ``EtagMismatch`` as in Replace."""

    key: str
    values: Mapping[str, Value]
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Upsert:
    """Insert, or replace the whole row whatever it holds."""

    key: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the row; ``Missing`` when absent, ``EtagMismatch`` as in Replace."""

    key: str
    etag: str | None = None


Operation = Insert | Replace | Merge | Upsert | Delete


@dataclass(frozen=True, slots=True)
class Where:
    """One condition on a property; conditions are joined by *and*. A row without the property does not match,
    whatever the operator. ``prefix`` is for strings. Compare a property only with values of its own type."""

    column: str
    op: Literal["eq", "ne", "gt", "ge", "lt", "le", "prefix"]
    value: str | int | bool | datetime


class Tables(Protocol):
    """Rows by (table, partition, key), sorted by key within a partition. Table names match ``[A-Za-z][A-Za-z0-9]{2,62}``."""

    async def get(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None. One storage call."""

    async def apply(self, table: str, partition: str, operation: Operation) -> str:
        """Carry out one operation and return the row's new ETag ("" for Delete). One storage call."""

    async def batch(self, table: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Carry out 1 to 100 operations on distinct keys (≤ 4 MiB), all or none; return the new ETags ("" for Delete). One storage call."""

    async def query(
        self,
        table: str,
        partition: str | None = None,
        *,
        after: str | None = None,
        before: str | None = None,
        prefix: str = "",
        where: Sequence[Where] = (),
        limit: int = 100,
        after_partition: str | None = None,
    ) -> list[Row]:
        """Up to ``limit`` (1–1000) rows in order of (partition, key): with ``prefix``, key > ``after``, key < ``before``.

        Without ``partition`` it reads every partition (for jobs, never for requests); ``after_partition`` with
        ``after`` then continues behind that row (alone: behind that partition). One storage call unless the service itself pages.
        """

    async def drop(self, table: str) -> None:
        """Remove the whole table; no error when it is not there."""

    async def list_tables(self, prefix: str = "") -> list[str]:
        """Names of existing tables that start with ``prefix``, sorted."""


# --- blobs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlobProperties:
    """``etag`` has no quotes. ``metadata``: lower-case names, printable ASCII values without spaces at their ends."""

    name: str
    size: int
    etag: str
    content_type: str | None
    created_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlobRead:
    """Bytes on their way: ``chunks`` is read once and holds at most a few MiB at a time; always close it (``aclose``)
    when it is not read to its end. ``properties.size`` is the whole blob's size."""

    properties: BlobProperties
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class UploadGrant:
    """Leave to PUT one blob directly. ``headers`` must be sent with it."""

    url: str
    headers: Mapping[str, str]
    expires_at: datetime


class Blobs(Protocol):
    """Bytes by (container, name)."""

    async def put(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
        if_absent: bool = False,
    ) -> BlobProperties:
        """Write a whole small blob (≤ 64 MiB) in one storage call. ``if_absent``: ``AlreadyExists`` when it is there."""

    async def stage(self, container: str, name: str, block: int, data: bytes) -> None:
        """Stage block number ``block`` (0–49,999; ≤ 100 MiB) of a blob that stays invisible until ``commit``; what is
        never committed disappears by itself (Azure: after a week)."""

    async def commit(
        self,
        container: str,
        name: str,
        blocks: int,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
        if_absent: bool = False,
    ) -> BlobProperties:
        """Make the blob of the staged blocks 0 … ``blocks`` - 1, in that order (0 blocks: empty). ``Missing`` when one of them was
        never staged. Two storage calls."""

    async def read(self, container: str, name: str, *, offset: int = 0, length: int | None = None, if_match: str | None = None) -> BlobRead:
        """Open the bytes from ``offset`` (at most ``length``; none when ``offset`` is at or behind the end). ``Missing``;
        ``EtagMismatch`` when ``if_match`` is not the blob's ETag, also from ``chunks`` when the blob changes while it is being
        read (when it is deleted: either). One storage call per 4 MiB, made when the piece is asked for."""

    async def properties(self, container: str, name: str) -> BlobProperties | None: ...

    async def delete(self, container: str, name: str) -> bool:
        """Delete; False when it was not there."""

    def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        """Every blob whose name starts with ``prefix``, by name (metadata included)."""

    async def grant_upload(self, container: str, name: str, *, content_type: str, lifetime: int) -> UploadGrant:
        """A blob-scoped, create-only grant for ``lifetime`` seconds."""


# --- queues ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    id: str
    text: str
    receipt: str
    dequeue_count: int
    inserted_at: datetime


class Queues(Protocol):
    """At-least-once text messages by queue name: ≤ 48 KiB in UTF-8, no control characters but tab and line feed. They never expire."""

    async def send(self, queue: str, text: str, *, delay: int = 0) -> None:
        """Add a message, visible after ``delay`` seconds (0–604,800)."""

    async def receive(self, queue: str, *, limit: int = 1, visibility: int = 30) -> list[Message]:
        """Take up to ``limit`` (1–32) messages; each comes back after ``visibility`` (1–604,800) seconds unless it is deleted."""

    async def delete(self, queue: str, message: Message) -> None:
        """Remove a received message; no error when it is gone or was received again by another."""

    async def peek(self, queue: str, *, limit: int = 32) -> list[Message]:
        """Look without taking; ``receipt`` is empty."""

    async def count(self, queue: str) -> int:
        """About how many messages there are, those taken or delayed included."""


class Storage(Protocol):
    """The three of them, and whether they answer."""

    @property
    def blobs(self) -> Blobs: ...
    @property
    def tables(self) -> Tables: ...
    @property
    def queues(self) -> Queues: ...

    async def check(self) -> None:
        """Ask each once; raise ``errors.StorageUnavailable`` naming the one that does not answer."""

    async def aclose(self) -> None: ...
