"""What files talks about: a file's record, its image variants, its shares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from shared_code import ids

Status = Literal["active", "deleted"]
RecordStatus = Literal["active", "deleted", "storing"]
"""``storing``: its bytes are on their way to the blob. It counts towards the quota, is in no list and answers as missing."""
ABANDONED = timedelta(hours=1)
"""An upload older than this (beyond its grant) was cut off."""
VariantName = Literal["original", "optimized", "thumbnail"]
FILE_ID_LENGTH = 2 * ids.LENGTH


@dataclass(frozen=True, slots=True)
class Variant:
    content_type: str
    size: int
    width: int
    height: int
    etag: str


@dataclass(frozen=True, slots=True)
class Image:
    """``source_etag`` is the blob that was looked at, so that a second delivery of the same event changes nothing."""

    status: Literal["pending", "ready", "failed"]
    width: int | None = None
    height: int | None = None
    error: str | None = None
    optimized: Variant | None = None
    thumbnail: Variant | None = None
    source_etag: str = ""
    processed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A record. Its id ends with its owner's id, so that a blob's name alone leads to its record."""

    id: str
    owner_id: str
    filename: str
    content_type: str
    size: int
    sha256: str | None
    folder: str
    """Starts and ends with a slash."""
    status: RecordStatus
    metadata: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    blob_etag: str
    revision: int = 1
    """Counts changes by people; ``If-Match`` compares it."""
    image: Image | None = None
    row_etag: str = ""

    @property
    def etag(self) -> str:
        """The record's entity tag. What follows the dot is the image's state, which no client edits."""
        return f"{self.revision}.{self.image.status if self.image else 'none'}"


@dataclass(frozen=True, slots=True)
class Pending:
    """A direct upload (SAS) that is not complete: the quota holds ``file.size``, and the file is in no list and not counted yet."""

    file: File
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Usage:
    """One owner's totals, kept exactly: every change of a file changes them in the same batch."""

    active_files: int = 0
    deleted_files: int = 0
    bytes: int = 0
    reserved_bytes: int = 0
    """Promised to direct uploads that are not complete."""
    by_type: Mapping[str, int] = field(default_factory=dict)
    """Files (active and deleted) by content type."""


@dataclass(frozen=True, slots=True)
class Share:
    id: str
    owner_id: str
    file_id: str
    token_hash: str
    created_at: datetime
    expires_at: datetime
    max_downloads: int | None
    downloads: int = 0
    last_access_at: datetime | None = None
    password_hash: str | None = None
    revoked: bool = False
    wrong_passwords: int = 0
    wrong_since: datetime | None = None
    row_etag: str = ""


def new_file_id(owner_id: str, now: datetime) -> str:
    return ids.new_id(now) + owner_id


def owner_of(file_id: str) -> str | None:
    """The owner that a file's id names; None when it is no file id."""
    return file_id[ids.LENGTH :] if ids.is_id(file_id, FILE_ID_LENGTH) else None
