"""Blobs: whole writes, staged writes, listing and deleting."""

from datetime import UTC, datetime, timedelta

import pytest

from shared_code.storage.ports import AlreadyExists, Missing, Storage
from tests.contract.conftest import all_of, outcomes

TEXT = "text/plain; charset=utf-8"
NAMES = ["plain", "a/b/c.txt", "with space", "ünïcode 世界 🎉", "%2F+&=?#", 'it\'s "quoted"', "0" * 1024]


@pytest.mark.parametrize("blob", NAMES)
async def test_put_and_read(storage: Storage, name: str, blob: str) -> None:
    put = await storage.blobs.put(name, blob, b"hello", content_type=TEXT, metadata={"owner_id": "u1", "empty": ""})
    read = await storage.blobs.read(name, blob)
    assert await all_of(read) == b"hello"
    found = await storage.blobs.properties(name, blob)
    assert found is not None
    for properties in (put, read.properties, found):
        assert (properties.name, properties.size, properties.etag, properties.content_type) == (blob, 5, put.etag, TEXT)
        assert properties.metadata == {"owner_id": "u1", "empty": ""}
        assert abs(properties.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert put.etag
    assert '"' not in put.etag
    assert await storage.blobs.delete(name, blob) is True
    assert await storage.blobs.properties(name, blob) is None


async def test_put_overwrites_and_changes_the_etag(storage: Storage, name: str) -> None:
    first = await storage.blobs.put(name, "b", b"one", content_type=TEXT, metadata={"a": "1"})
    second = await storage.blobs.put(name, "b", b"three", content_type="image/png")
    assert first.etag != second.etag
    read = await storage.blobs.read(name, "b")
    assert (await all_of(read), read.properties.content_type, read.properties.metadata) == (b"three", "image/png", {})


async def test_put_if_absent(storage: Storage, name: str) -> None:
    await storage.blobs.put(name, "b", b"one", content_type=TEXT, if_absent=True)
    with pytest.raises(AlreadyExists):
        await storage.blobs.put(name, "b", b"two", content_type=TEXT, if_absent=True)
    assert await all_of(await storage.blobs.read(name, "b")) == b"one"


async def test_twenty_puts_if_absent_have_one_winner(storage: Storage, name: str) -> None:
    results = await outcomes(*(storage.blobs.put(name, "b", b"%d" % n, content_type=TEXT, if_absent=True) for n in range(20)))
    assert sorted(type(result).__name__ for result in results) == ["AlreadyExists"] * 19 + ["BlobProperties"]
    read = await storage.blobs.read(name, "b")
    winner = results[int(await all_of(read))]
    assert getattr(winner, "etag", None) == read.properties.etag


async def test_what_is_staged_is_invisible_until_it_is_committed(storage: Storage, name: str) -> None:
    for block in (2, 0, 1):
        await storage.blobs.stage(name, "b", block, bytes([65 + block]) * 3)
    assert await storage.blobs.properties(name, "b") is None
    assert [blob async for blob in storage.blobs.list(name)] == []
    with pytest.raises(Missing):
        await storage.blobs.read(name, "b")
    done = await storage.blobs.commit(name, "b", 3, content_type=TEXT, metadata={"k": "v"})
    read = await storage.blobs.read(name, "b")
    assert await all_of(read) == b"AAABBBCCC"
    assert (done.size, done.etag, done.content_type, done.metadata) == (9, read.properties.etag, TEXT, {"k": "v"})
    assert read.properties.metadata == {"k": "v"}


async def test_staging_a_block_again_replaces_it(storage: Storage, name: str) -> None:
    await storage.blobs.stage(name, "b", 0, b"old")
    await storage.blobs.stage(name, "b", 0, b"new")
    await storage.blobs.commit(name, "b", 1, content_type=TEXT)
    assert await all_of(await storage.blobs.read(name, "b")) == b"new"


async def test_staging_leaves_the_present_blob_alone(storage: Storage, name: str) -> None:
    put = await storage.blobs.put(name, "b", b"present", content_type=TEXT)
    await storage.blobs.stage(name, "b", 0, b"future")
    read = await storage.blobs.read(name, "b")
    assert (await all_of(read), read.properties.etag) == (b"present", put.etag)


async def test_committing_nothing_makes_an_empty_blob(storage: Storage, name: str) -> None:
    done = await storage.blobs.commit(name, "b", 0, content_type=TEXT)
    assert done.size == 0
    assert await all_of(await storage.blobs.read(name, "b")) == b""


async def test_committing_what_was_not_staged(storage: Storage, name: str) -> None:
    await storage.blobs.stage(name, "b", 0, b"x")
    with pytest.raises(Missing):
        await storage.blobs.commit(name, "b", 2, content_type=TEXT)
    assert await storage.blobs.properties(name, "b") is None


async def test_commit_if_absent(storage: Storage, name: str) -> None:
    put = await storage.blobs.put(name, "b", b"present", content_type=TEXT)
    await storage.blobs.stage(name, "b", 0, b"late")
    with pytest.raises(AlreadyExists):
        await storage.blobs.commit(name, "b", 1, content_type=TEXT, if_absent=True)
    found = await storage.blobs.properties(name, "b")
    assert found is not None
    assert found.etag == put.etag


async def test_twenty_commits_if_absent_have_one_winner(storage: Storage, name: str) -> None:
    await storage.blobs.stage(name, "b", 0, b"x")
    results = await outcomes(*(storage.blobs.commit(name, "b", 1, content_type=TEXT, if_absent=True) for _ in range(20)))
    assert sorted(type(result).__name__ for result in results) == ["AlreadyExists"] * 19 + ["BlobProperties"]
    assert await all_of(await storage.blobs.read(name, "b")) == b"x"


async def test_list_by_prefix_in_order_with_metadata(storage: Storage, name: str) -> None:
    for blob in ("b/2", "a", "b/1", "c/ü"):
        await storage.blobs.put(name, blob, blob.encode(), content_type=TEXT, metadata={"n": blob[-1]} if blob.startswith("b") else None)
    found = [blob async for blob in storage.blobs.list(name)]
    assert [blob.name for blob in found] == ["a", "b/1", "b/2", "c/ü"]
    below = [blob async for blob in storage.blobs.list(name, "b/")]
    assert [(blob.name, blob.size, blob.content_type, blob.metadata) for blob in below] == [
        ("b/1", 3, TEXT, {"n": "1"}),
        ("b/2", 3, TEXT, {"n": "2"}),
    ]
    properties = await storage.blobs.properties(name, "b/1")
    assert properties is not None
    assert properties.etag == below[0].etag
    assert [blob async for blob in storage.blobs.list(name, "none")] == []


async def test_what_is_not_there(storage: Storage, name: str) -> None:
    for container in (name, name + "-made"):
        if container != name:
            await storage.blobs.put(container, "other", b"", content_type=TEXT)
        assert await storage.blobs.properties(container, "b") is None
        assert await storage.blobs.delete(container, "b") is False
        with pytest.raises(Missing):
            await storage.blobs.read(container, "b")
    assert [blob async for blob in storage.blobs.list(name)] == []


async def test_limits(storage: Storage, name: str) -> None:
    for metadata in ({"Upper": "x"}, {"with-dash": "x"}, {"k": "ünï"}, {"k": " x"}, {"k": "a\nb"}):
        with pytest.raises(ValueError):
            await storage.blobs.put(name, "b", b"", content_type=TEXT, metadata=metadata)
    for blob in ("", "x" * 1025, "ends/", "ends."):
        with pytest.raises(ValueError):
            await storage.blobs.put(name, blob, b"", content_type=TEXT)
    for container in ("ab", "Upper", "-a-b", "a--b", "x" * 64):
        with pytest.raises(ValueError):
            await storage.blobs.properties(container, "b")
    for block, data in ((-1, b"x"), (50_000, b"x"), (0, b"")):
        with pytest.raises(ValueError):
            await storage.blobs.stage(name, "b", block, data)
    with pytest.raises(ValueError):
        await storage.blobs.put(name, "b", bytes(64 * 1024 * 1024 + 1), content_type=TEXT)
    with pytest.raises(ValueError):
        await storage.blobs.commit(name, "b", 50_001, content_type=TEXT)
