"""Blobs on Azure Blob storage (or Azurite): bytes by requests of our own, all else by the SDK."""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from azure.core import MatchConditions
from azure.storage.blob import (
    BlobBlock,
    BlobSasPermissions,
    ContentSettings,
    CorsRule,
    UserDelegationKey,
    generate_blob_sas,
)
from azure.storage.blob import BlobProperties as SdkProperties
from azure.storage.blob.aio import ContainerClient

from . import limits
from .azure_blob_rest import BlobRequests
from .azure_clients import Clients, GetClients
from .azure_errors import Translating, create, creating
from .azure_faults import BEING_DELETED, NOT_CREATED, fault
from .azure_requests import Answer
from .ports import BlobProperties, BlobRead, Missing, UploadGrant

_guard: AbstractContextManager[None] = Translating("blob")
_DELEGATION = timedelta(hours=12)
_DELEGATION_SPARE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class DelegationKey:
    """A user-delegation key, kept until it can no longer cover a grant. Azure allows 7 days; a stolen one should not last so long."""

    key: UserDelegationKey
    expires_at: datetime


class AzureBlobs:
    def __init__(self, clients: GetClients, emulator_origins: Sequence[str] = ()) -> None:
        """``emulator_origins`` may upload to a local emulator from a browser; on Azure the infrastructure code says who may."""
        self._clients = clients
        self._new_origins = emulator_origins

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
        client = self._container(container, name)
        limits.blob_size(data, limits.MAX_PUT)
        limits.metadata(metadata or {})
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-blob-content-type": content_type}
        headers |= {f"x-ms-meta-{key}": value for key, value in (metadata or {}).items()}
        if if_absent:
            headers["If-None-Match"] = "*"
        requests = self._clients().blob_requests
        answer = await _creating(client, lambda: requests.put(container, name, data, headers, repeatable=not if_absent))
        last_modified = parsedate_to_datetime(answer.headers["Last-Modified"])
        return BlobProperties(name, len(data), _unquoted(answer.headers["ETag"]), content_type, last_modified, dict(metadata or {}))

    async def stage(self, container: str, name: str, block: int, data: bytes) -> None:
        client = self._container(container, name)
        limits.block_number(block)
        limits.block_size(data)
        # The SDK, which commits the block, sends each id in base64.
        query = f"comp=block&blockid={quote(b64encode(_block_id(block).encode()), safe='')}"
        requests = self._clients().blob_requests
        await _creating(client, lambda: requests.put(container, name, data, {}, query))

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
        client = self._container(container, name)
        limits.block_number(blocks, most=limits.MAX_BLOCKS)
        limits.metadata(metadata or {})
        blob, settings = client.get_blob_client(name), ContentSettings(content_type=content_type)
        staged = [BlobBlock(_block_id(block)) for block in range(blocks)]
        condition: dict[str, Any] = {"match_condition": MatchConditions.IfMissing} if if_absent else {}
        with _guard:
            answer = await creating(
                lambda: blob.commit_block_list(staged, content_settings=settings, metadata=dict(metadata or {}), **condition),
                client.create_container,
            )
            # The answer does not say how long the blob became.
            size = (await blob.get_blob_properties()).size if blocks else 0
        return _written(name, size, content_type, metadata, answer)

    async def read(self, container: str, name: str, *, offset: int = 0, length: int | None = None, if_match: str | None = None) -> BlobRead:
        client = self._container(container, name)
        limits.byte_range(offset, length)
        requests = self._clients().blob_requests
        first = await _piece(requests, container, name, offset, length, if_match) if length != 0 else None
        if first is None:
            return await self._nothing(client, name, if_match)
        total = int(first.headers["Content-Range"].rpartition("/")[2])
        properties = _read_properties(first.headers, name, total)
        end = total if length is None else min(total, offset + length)
        return BlobRead(properties, _pieces(requests, container, name, first, offset, end, properties.etag))

    async def _nothing(self, client: ContainerClient, name: str, if_match: str | None) -> BlobRead:
        """No byte was asked for, or none is there (the service answers 416): the properties without a body."""
        with _guard:
            properties = await client.get_blob_client(name).get_blob_properties(**_condition(if_match))
        return BlobRead(_properties(properties, name, properties.size), _no_bytes())

    async def properties(self, container: str, name: str) -> BlobProperties | None:
        client = self._container(container, name)
        try:
            with _guard:
                found = await client.get_blob_client(name).get_blob_properties()
        except Missing:
            return None
        return _properties(found, name, found.size)

    async def delete(self, container: str, name: str) -> bool:
        client = self._container(container, name)
        try:
            with _guard:
                await client.delete_blob(name)
        except Missing:
            return False
        return True

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        limits.container_name(container)
        client = self._clients().container(container)
        try:
            with _guard:
                async for found in client.list_blobs(name_starts_with=prefix or None, include=["metadata"]):
                    yield _properties(found, found.name, found.size)
        except Missing:
            return

    async def grant_upload(self, container: str, name: str, *, content_type: str, lifetime: int) -> UploadGrant:
        client = self._container(container, name)
        clients = self._clients()
        expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=lifetime)
        with _guard:
            if self._new_origins and clients.account.is_local:
                origins, self._new_origins = self._new_origins, ()
                await self.allow_cors(origins)
            await _ensure(clients, container)
            key = await _signing_key(clients, expires_at)
        token = generate_blob_sas(
            account_name=str(client.account_name),
            container_name=container,
            blob_name=name,
            permission=BlobSasPermissions(create=True),
            expiry=expires_at,
            protocol=None if clients.account.is_local else "https",
            **key,
        )
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": content_type}
        return UploadGrant(f"{client.get_blob_client(name).url}?{token}", headers, expires_at)

    async def allow_cors(self, origins: Sequence[str]) -> None:
        """Replace the account's CORS rules for blobs by one: these origins may GET, HEAD, PUT and OPTIONS, with any header.

        For local storage; on Azure the infrastructure code sets the rules. No origins: no rule.
        """
        rule = CorsRule(
            list(origins), ["GET", "HEAD", "PUT", "OPTIONS"], allowed_headers=["*"], exposed_headers=["*"], max_age_in_seconds=3600
        )
        with _guard:
            await self._clients().blob_service.set_service_properties(cors=[rule] if origins else [])

    async def check(self) -> None:
        with _guard:
            async for _ in self._clients().blob_service.list_containers(results_per_page=1).by_page():
                break

    def _container(self, container: str, name: str) -> ContainerClient:
        limits.container_name(container)
        limits.blob_name(name)
        return self._clients().container(container)


async def _creating(client: ContainerClient, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    """A write; when its container is not there, that is made and the write repeated. Raises the port's exceptions."""
    answer = await attempt()
    if answer.status >= 400 and _code(answer) in NOT_CREATED | BEING_DELETED:
        with _guard:
            await create(client.create_container)
        answer = await attempt()
    return _succeeded(answer)


def _succeeded(answer: Answer) -> Answer:
    if answer.status >= 300:
        raise fault("blob", answer.status, _code(answer))
    return answer


def _code(answer: Answer) -> str:
    return answer.headers.get("x-ms-error-code", "")


async def _piece(requests: BlobRequests, container: str, name: str, offset: int, length: int | None, etag: str | None) -> Answer | None:
    """At most 4 MiB in one storage call; None when the blob has no byte at ``offset``."""
    size = limits.CHUNK if length is None else min(length, limits.CHUNK)
    headers = {"x-ms-range": f"bytes={offset}-{offset + size - 1}"}
    if etag is not None:
        headers["If-Match"] = f'"{etag}"'
    answer = await requests.get(container, name, headers)
    return None if answer.status == 416 else _succeeded(answer)


async def _pieces(
    requests: BlobRequests, container: str, name: str, piece: Answer | None, offset: int, end: int, etag: str
) -> AsyncIterator[bytes]:
    """The first piece, which is here already, and those behind it up to ``end``, none of another version of the blob."""
    while piece is not None:
        data, piece = piece.body, None
        offset += len(data)
        yield data
        del data
        if offset < end:
            piece = await _piece(requests, container, name, offset, end - offset, etag)


async def _no_bytes() -> AsyncIterator[bytes]:
    return
    yield b""


async def _ensure(clients: Clients, container: str) -> None:
    """A grant's PUT comes from outside and cannot create the container: see to it here, once per process."""
    if container in clients.known_containers:
        return
    client = clients.container(container)
    if not await client.exists():
        await create(client.create_container)
    clients.known_containers.add(container)


async def _signing_key(clients: Clients, expires_at: datetime) -> dict[str, Any]:
    """The account's key when there is one, else a user-delegation key that outlives the grant."""
    account_key = getattr(clients.blob_service.credential, "account_key", None)
    if account_key is not None:
        return {"account_key": account_key}
    kept = clients.delegation_key
    if kept is None or kept.expires_at < expires_at + _DELEGATION_SPARE:
        now = datetime.now(UTC)
        until = max(now + _DELEGATION, expires_at + 2 * _DELEGATION_SPARE)
        # Starts a little earlier, so that clocks need not agree.
        kept = DelegationKey(await clients.blob_service.get_user_delegation_key(now - _DELEGATION_SPARE, until), until)
        clients.delegation_key = kept
    return {"user_delegation_key": kept.key}


def _block_id(block: int) -> str:
    return f"{block:05d}"  # the ids of one blob have one length


def _condition(etag: str | None) -> dict[str, Any]:
    return {} if etag is None else {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified}


def _unquoted(etag: str) -> str:
    return etag.strip('"')


def _written(name: str, size: int, content_type: str, metadata: Mapping[str, str] | None, answer: Mapping[str, Any]) -> BlobProperties:
    return BlobProperties(name, size, _unquoted(answer["etag"]), content_type, answer["last_modified"], dict(metadata or {}))


def _read_properties(headers: Mapping[str, str], name: str, size: int) -> BlobProperties:
    created = parsedate_to_datetime(headers.get("x-ms-creation-time") or headers["Last-Modified"])
    metadata = {key[10:].lower(): value for key, value in headers.items() if key.lower().startswith("x-ms-meta-")}
    return BlobProperties(name, size, _unquoted(headers["ETag"]), headers.get("Content-Type"), created, metadata)


def _properties(found: SdkProperties, name: str, size: int) -> BlobProperties:
    created = found.creation_time or found.last_modified
    assert created is not None, "the service dates every blob"
    return BlobProperties(name, size, _unquoted(found.etag), found.content_settings.content_type, created, dict(found.metadata or {}))
