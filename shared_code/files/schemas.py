"""Files' requests and responses, as OpenAPI shows them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared_code.clock import rfc3339

from . import models
from .names import human_size
from .shares import DEFAULT_SECONDS, MAX_SECONDS, MIN_SECONDS


class VariantResponse(BaseModel):
    content_type: str
    size: int
    width: int
    height: int


class ImageResponse(BaseModel):
    status: Literal["pending", "ready", "failed"]
    width: int | None
    height: int | None
    error: str | None
    variants: dict[str, VariantResponse]
    saved_bytes: int | None = Field(description="original minus optimized")


class FileResponse(BaseModel):
    id: str
    filename: str
    content_type: str
    size: int
    sha256: str | None
    etag: str = Field(description="the record's; what If-Match of a change compares")
    status: models.Status
    folder: str
    metadata: dict[str, Any]
    owner_id: str
    created_at: str
    updated_at: str
    deleted_at: str | None
    url: str
    image: ImageResponse | None


def file_response(file: models.File, base_url: str) -> dict[str, Any]:
    """A File as FileResponse describes it; built by hand, since lists make up to 100 of them."""
    return {
        "id": file.id,
        "filename": file.filename,
        "content_type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "etag": file.etag,
        "status": file.status,
        "folder": file.folder.rstrip("/") or "/",
        "metadata": file.metadata,
        "owner_id": file.owner_id,
        "created_at": rfc3339(file.created_at),
        "updated_at": rfc3339(file.updated_at),
        "deleted_at": rfc3339(file.deleted_at) if file.deleted_at else None,
        "url": f"{base_url}/api/files/{file.id}",
        "image": _image_response(file) if file.image else None,
    }


def _image_response(file: models.File) -> dict[str, Any]:
    image = file.image
    assert image is not None
    variants = {
        name: {"content_type": variant.content_type, "size": variant.size, "width": variant.width, "height": variant.height}
        for name, variant in (("optimized", image.optimized), ("thumbnail", image.thumbnail))
        if variant is not None
    }
    return {
        "status": image.status,
        "width": image.width,
        "height": image.height,
        "error": image.error,
        "variants": variants,
        "saved_bytes": file.size - image.optimized.size if image.optimized else None,
    }


class FileList(BaseModel):
    items: list[FileResponse]
    next_cursor: str | None


class UploadError(BaseModel):
    filename: str
    problem: dict[str, Any]


class MultipleUploadResponse(BaseModel):
    items: list[FileResponse]
    errors: list[UploadError]


class FileChange(BaseModel):
    filename: str | None = Field(default=None, min_length=1, max_length=4096)
    metadata: dict[str, Any] | None = None


class ShareRequest(BaseModel):
    expires_in: int = Field(default=DEFAULT_SECONDS, ge=MIN_SECONDS, le=MAX_SECONDS, strict=True, description="seconds")
    password: str | None = Field(default=None, min_length=1, max_length=128)
    max_downloads: int | None = Field(default=None, ge=1, le=1_000_000_000, strict=True)


class ShareResponse(BaseModel):
    id: str
    file_id: str
    created_at: str
    expires_at: str
    max_downloads: int | None
    downloads: int
    last_access_at: str | None
    has_password: bool
    revoked: bool

    @classmethod
    def of(cls, share: models.Share) -> "ShareResponse":
        return cls(**share_fields(share))


class NewShareResponse(ShareResponse):
    token: str = Field(description="shown here only")
    url: str


def share_fields(share: models.Share) -> dict[str, Any]:
    return {
        "id": share.id,
        "file_id": share.file_id,
        "created_at": rfc3339(share.created_at),
        "expires_at": rfc3339(share.expires_at),
        "max_downloads": share.max_downloads,
        "downloads": share.downloads,
        "last_access_at": rfc3339(share.last_access_at) if share.last_access_at else None,
        "has_password": share.password_hash is not None,
        "revoked": share.revoked,
    }


class ShareList(BaseModel):
    items: list[ShareResponse]
    next_cursor: str | None


class UploadUrlRequest(BaseModel):
    model_config = ConfigDict(strict=True)

    filename: str = Field(min_length=1, max_length=4096)
    content_type: str = Field(min_length=1, max_length=255)
    size: int = Field(ge=0, le=2**50, description="bytes")
    folder: str = "/"
    metadata: dict[str, Any] = Field(default_factory=dict)


class UploadUrlResponse(BaseModel):
    file_id: str
    upload_url: str
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str]
    expires_at: str


class StatsResponse(BaseModel):
    total_files: int
    active_files: int
    deleted_files: int
    total_bytes: int
    total_size: str = Field(description='for people: "1.2 GB"')
    by_type: dict[str, int] = Field(description="files by content type")
    as_of: str

    @classmethod
    def of(cls, usage: models.Usage, as_of: str) -> "StatsResponse":
        return cls(
            total_files=usage.active_files + usage.deleted_files,
            active_files=usage.active_files,
            deleted_files=usage.deleted_files,
            total_bytes=usage.bytes,
            total_size=human_size(usage.bytes),
            by_type=dict(usage.by_type),
            as_of=as_of,
        )
