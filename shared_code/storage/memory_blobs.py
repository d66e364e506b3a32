"""Blobs in memory: the rules of Azure Blob storage without its latency. One event loop; nothing survives the process."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from secrets import token_urlsafe

from ..clock import Clock
from . import limits
from .ports import AlreadyExists, BlobProperties, BlobRead, EtagMismatch, Missing, UploadGrant


@dataclass(frozen=True, slots=True)
class _Blob:
    data: bytes
    properties: BlobProperties


@dataclass(slots=True)
class _Container:
    blobs: dict[str, _Blob] = field(default_factory=dict)
    staged: dict[str, dict[int, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Granted:
    container: str
    name: str
    grant: UploadGrant


class MemoryBlobs:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._containers: dict[str, _Container] = {}
        self._grants: dict[str, _Granted] = {}
        self._versions = count(1)

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
        _check_names(container, name)
        limits.blob_size(data, limits.MAX_PUT)
        return self._write(container, name, bytes(data), content_type, metadata or {}, if_absent)

    async def stage(self, container: str, name: str, block: int, data: bytes) -> None:
        _check_names(container, name)
        limits.block_number(block)
        limits.block_size(data)
        self._containers.setdefault(container, _Container()).staged.setdefault(name, {})[block] = bytes(data)

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
        _check_names(container, name)
        limits.block_number(blocks, most=limits.MAX_BLOCKS)
        found = self._containers.get(container, _Container())
        if if_absent and name in found.blobs:
            raise AlreadyExists
        staged = found.staged.get(name, {})
        if any(block not in staged for block in range(blocks)):
            raise Missing
        data = b"".join(staged[block] for block in range(blocks))
        return self._write(container, name, data, content_type, metadata or {}, if_absent)

    def _write(
        self, container: str, name: str, data: bytes, content_type: str, metadata: Mapping[str, str], if_absent: bool
    ) -> BlobProperties:
        limits.metadata(metadata)
        kept = self._containers.setdefault(container, _Container())
        if if_absent and name in kept.blobs:
            raise AlreadyExists
        etag = f"0x{next(self._versions):016X}"
        properties = BlobProperties(name, len(data), etag, content_type, self._clock.now(), dict(metadata))
        kept.blobs[name] = _Blob(data, properties)
        kept.staged.pop(name, None)
        return properties

    async def read(self, container: str, name: str, *, offset: int = 0, length: int | None = None, if_match: str | None = None) -> BlobRead:
        _check_names(container, name)
        limits.byte_range(offset, length)
        blob = self._find(container, name)
        if blob is None:
            raise Missing
        if if_match is not None and if_match != blob.properties.etag:
            raise EtagMismatch
        end = len(blob.data) if length is None else min(len(blob.data), offset + length)
        return BlobRead(blob.properties, self._pieces(container, name, blob, offset, end))

    async def _pieces(self, container: str, name: str, blob: _Blob, offset: int, end: int) -> AsyncIterator[bytes]:
        first = True
        while offset < end:
            # As on Azure: the first piece came with the answer, those behind it are asked for when they are wanted.
            current = blob if first else self._find(container, name)
            if current is None:
                raise Missing
            if current.properties.etag != blob.properties.etag:
                raise EtagMismatch
            piece = blob.data[offset : min(end, offset + limits.CHUNK)]
            offset, first = offset + len(piece), False
            yield piece

    async def properties(self, container: str, name: str) -> BlobProperties | None:
        _check_names(container, name)
        blob = self._find(container, name)
        return blob.properties if blob else None

    async def delete(self, container: str, name: str) -> bool:
        _check_names(container, name)
        found = self._containers.get(container)
        return found is not None and found.blobs.pop(name, None) is not None

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        limits.container_name(container)
        found = self._containers.get(container, _Container())
        for blob in sorted(found.blobs.values(), key=lambda blob: blob.properties.name):
            if blob.properties.name.startswith(prefix):
                yield blob.properties

    async def grant_upload(self, container: str, name: str, *, content_type: str, lifetime: int) -> UploadGrant:
        _check_names(container, name)
        url = f"memory://{container}/{name}?grant={token_urlsafe(8)}"
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": content_type}
        grant = UploadGrant(url, headers, self._clock.now() + timedelta(seconds=lifetime))
        self._grants[url] = _Granted(container, name, grant)
        return grant

    def put_granted(self, url: str, data: bytes) -> None:
        """For tests: what a client does with a grant. ``PermissionError`` when it is unknown or expired, or the blob is there."""
        granted = self._grants.get(url)
        if granted is None or self._clock.now() >= granted.grant.expires_at or self._find(granted.container, granted.name):
            raise PermissionError("the grant does not allow this")
        self._write(granted.container, granted.name, bytes(data), granted.grant.headers["Content-Type"], {}, if_absent=True)

    def _find(self, container: str, name: str) -> _Blob | None:
        found = self._containers.get(container)
        return found.blobs.get(name) if found else None


def _check_names(container: str, name: str) -> None:
    limits.container_name(container)
    limits.blob_name(name)
