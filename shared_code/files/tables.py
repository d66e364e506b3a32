"""Files' rows.

``files``, partition = owner: ``f:<inverted id>`` a file (so that lists are newest first), ``p:<id>`` a direct upload that is not complete,
``s:<file id>:<inverted share id>`` where a share of the file is, ``usage`` the owner's totals.
``shares``, partition = hash of the token, key ``share``: the share.
``filestats``: everyone's totals (``storage/sums.py``).
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from shared_code import ids
from shared_code.storage.ports import Row, Value

from .models import File, Image, Pending, RecordStatus, Share, Usage, Variant

FILES = "files"
SHARES = "shares"
STATISTICS = "filestats"
FILE_PREFIX, PENDING_PREFIX, SHARE_PREFIX = "f:", "p:", "s:"
USAGE_KEY, SHARE_KEY = "usage", "share"


def file_key(file_id: str) -> str:
    return FILE_PREFIX + ids.inverted(file_id)


def pending_key(file_id: str) -> str:
    return PENDING_PREFIX + file_id


def share_index_key(file_id: str, share_id: str = "") -> str:
    return f"{SHARE_PREFIX}{file_id}:{ids.inverted(share_id)}"


def file_values(file: File) -> dict[str, Value]:
    return {
        "v": 1,
        "id": file.id,
        "filename": file.filename,
        "content_type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "folder": file.folder,
        "status": file.status,
        "metadata": json.dumps(file.metadata, ensure_ascii=False, separators=(",", ":")),
        "created_at": file.created_at,
        "updated_at": file.updated_at,
        "deleted_at": file.deleted_at,
        "blob_etag": file.blob_etag,
        "revision": file.revision,
        **(image_values(file.image) if file.image else {}),
    }


def image_values(image: Image) -> dict[str, Value]:
    return {
        "image_status": image.status,
        "image_width": image.width,
        "image_height": image.height,
        "image_error": image.error,
        "image_source": image.source_etag,
        "image_at": image.processed_at,
        "image_optimized": _variant_text(image.optimized),
        "image_thumbnail": _variant_text(image.thumbnail),
    }


def to_file(row: Row) -> File:
    values = row.values
    return File(
        id=str(values["id"]),
        owner_id=row.partition,
        filename=str(values["filename"]),
        content_type=str(values["content_type"]),
        size=_integer(values["size"]),
        sha256=text_or_none(values, "sha256"),
        folder=str(values["folder"]),
        status=cast(RecordStatus, values["status"]),
        metadata=json.loads(str(values["metadata"])),
        created_at=moment(values["created_at"]),
        updated_at=moment(values["updated_at"]),
        deleted_at=moment_or_none(values, "deleted_at"),
        blob_etag=str(values["blob_etag"]),
        revision=_integer(values["revision"]),
        image=_image(values),
        row_etag=row.etag,
    )


def pending_values(pending: Pending) -> dict[str, Value]:
    return {**file_values(pending.file), "expires_at": pending.expires_at}


def to_pending(row: Row) -> Pending:
    return Pending(to_file(row), moment(row.values["expires_at"]))


def usage_values(usage: Usage) -> dict[str, Value]:
    return {
        "v": 1,
        "kind": "usage",
        "active_files": usage.active_files,
        "deleted_files": usage.deleted_files,
        "bytes": usage.bytes,
        "reserved_bytes": usage.reserved_bytes,
        "by_type": json.dumps(usage.by_type),
    }


def to_usage(row: Row) -> Usage:
    values = row.values
    return Usage(
        active_files=_integer(values["active_files"]),
        deleted_files=_integer(values["deleted_files"]),
        bytes=_integer(values["bytes"]),
        reserved_bytes=_integer(values["reserved_bytes"]),
        by_type=json.loads(str(values["by_type"])),
    )


def share_values(share: Share) -> dict[str, Value]:
    return {
        "v": 1,
        "id": share.id,
        "owner_id": share.owner_id,
        "file_id": share.file_id,
        "created_at": share.created_at,
        "expires_at": share.expires_at,
        "max_downloads": share.max_downloads,
        "downloads": share.downloads,
        "last_access_at": share.last_access_at,
        "password_hash": share.password_hash,
        "revoked": share.revoked,
        "wrong_passwords": share.wrong_passwords,
        "wrong_since": share.wrong_since,
    }


def to_share(row: Row) -> Share:
    values = row.values
    limit = values.get("max_downloads")
    return Share(
        id=str(values["id"]),
        owner_id=str(values["owner_id"]),
        file_id=str(values["file_id"]),
        token_hash=row.partition,
        created_at=moment(values["created_at"]),
        expires_at=moment(values["expires_at"]),
        max_downloads=None if limit is None else _integer(limit),
        downloads=_integer(values["downloads"]),
        last_access_at=moment_or_none(values, "last_access_at"),
        password_hash=text_or_none(values, "password_hash"),
        revoked=bool(values["revoked"]),
        wrong_passwords=_integer(values["wrong_passwords"]),
        wrong_since=moment_or_none(values, "wrong_since"),
        row_etag=row.etag,
    )


def _variant_text(variant: Variant | None) -> str | None:
    if variant is None:
        return None
    return json.dumps([variant.content_type, variant.size, variant.width, variant.height, variant.etag])


def _variant(values: Mapping[str, Value], name: str) -> Variant | None:
    text = values.get(name)
    return Variant(*json.loads(str(text))) if text else None


def _image(values: Mapping[str, Value]) -> Image | None:
    status: Any = values.get("image_status")
    if status is None:
        return None
    width, height = values.get("image_width"), values.get("image_height")
    return Image(
        status=status,
        width=None if width is None else _integer(width),
        height=None if height is None else _integer(height),
        error=text_or_none(values, "image_error"),
        optimized=_variant(values, "image_optimized"),
        thumbnail=_variant(values, "image_thumbnail"),
        source_etag=str(values.get("image_source") or ""),
        processed_at=moment_or_none(values, "image_at"),
    )


def _integer(value: Value) -> int:
    assert isinstance(value, int)
    return value


def moment(value: Value) -> datetime:
    assert isinstance(value, datetime)
    return value


def moment_or_none(values: Mapping[str, Value], name: str) -> datetime | None:
    value = values.get(name)
    return None if value is None else moment(value)


def text_or_none(values: Mapping[str, Value], name: str) -> str | None:
    value = values.get(name)
    return None if value is None else str(value)
