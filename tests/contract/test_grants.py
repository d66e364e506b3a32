"""Direct uploads: a grant creates one blob, once, and nothing else."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from shared_code.clock import ManualClock
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import UploadGrant
from tests.contract.conftest import all_of, eventually


async def put(url: str, grant: UploadGrant, data: bytes = b"bytes") -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.put(url, content=data, headers=dict(grant.headers))).status_code


async def test_a_grant_works_once_in_a_new_container(azure: AzureStorage, name: str) -> None:
    grant = await azure.blobs.grant_upload(name, "dir/ünï code.png", content_type="image/png", lifetime=900)
    assert abs(grant.expires_at - datetime.now(UTC) - timedelta(seconds=900)) < timedelta(seconds=10)
    assert await put(grant.url, grant) == 201
    read = await azure.blobs.read(name, "dir/ünï code.png")
    assert (await all_of(read), read.properties.content_type) == (b"bytes", "image/png")
    assert await put(grant.url, grant, b"others") == 403
    assert await all_of(await azure.blobs.read(name, "dir/ünï code.png")) == b"bytes"


async def test_a_grant_is_for_one_name(azure: AzureStorage, name: str) -> None:
    grant = await azure.blobs.grant_upload(name, "mine", content_type="image/png", lifetime=900)
    assert await put(grant.url.replace("/mine?", "/other?"), grant) == 403
    assert await azure.blobs.properties(name, "other") is None


async def test_a_grant_neither_reads_nor_deletes_nor_lists(azure: AzureStorage, name: str) -> None:
    await azure.blobs.put(name, "mine", b"secret", content_type="text/plain")
    grant = await azure.blobs.grant_upload(name, "mine", content_type="image/png", lifetime=900)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(grant.url)).status_code == 403
        assert (await client.delete(grant.url)).status_code == 403
        listing = grant.url.replace("/mine?", "?restype=container&comp=list&")
        assert (await client.get(listing)).status_code == 403


@pytest.mark.parametrize(("old", "new"), [("sp=c", "sp=rcw"), ("se=2", "se=3"), ("sig=", "sig=A"), ("sr=b", "sr=c")])
async def test_a_tampered_grant_is_refused(azure: AzureStorage, name: str, old: str, new: str) -> None:
    grant = await azure.blobs.grant_upload(name, "mine", content_type="image/png", lifetime=900)
    assert old in grant.url
    assert await put(grant.url.replace(old, new), grant) == 403
    assert await azure.blobs.properties(name, "mine") is None


async def test_a_grant_expires(azure: AzureStorage, name: str) -> None:
    grant = await azure.blobs.grant_upload(name, "first", content_type="image/png", lifetime=-1)
    assert await put(grant.url, grant) == 403
    assert await azure.blobs.properties(name, "first") is None


async def test_cors_for_browsers(azure: AzureStorage, name: str) -> None:
    origin = "http://localhost:5173"
    await azure.blobs.allow_cors([origin])
    grant = await azure.blobs.grant_upload(name, "mine", content_type="image/png", lifetime=900)
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-ms-blob-type,content-type"}

    async def allowed() -> str | None:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.options(grant.url, headers=asked)
        return str(answer.headers["access-control-allow-origin"]) if answer.is_success else None

    assert await eventually(allowed) == origin


async def test_memory_keeps_the_same_rules(name: str) -> None:
    clock = ManualClock()
    storage = MemoryStorage(clock)
    grant = await storage.blobs.grant_upload(name, "mine", content_type="image/png", lifetime=60)
    assert grant.headers == {"x-ms-blob-type": "BlockBlob", "Content-Type": "image/png"}
    with pytest.raises(PermissionError):
        storage.blobs.put_granted(grant.url.replace("mine", "other"), b"x")
    storage.blobs.put_granted(grant.url, b"bytes")
    read = await storage.blobs.read(name, "mine")
    assert (await all_of(read), read.properties.content_type) == (b"bytes", "image/png")
    with pytest.raises(PermissionError):
        storage.blobs.put_granted(grant.url, b"again")
    late = await storage.blobs.grant_upload(name, "late", content_type="image/png", lifetime=60)
    clock.advance(60)
    with pytest.raises(PermissionError):
        storage.blobs.put_granted(late.url, b"x")
