"""Reading ranges, in pieces, and what a change in between does."""

import random

import pytest

from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.ports import EtagMismatch, Missing, Storage
from tests.contract.conftest import all_of

MIB = 1024 * 1024
BYTES = "application/octet-stream"
BIG = random.Random(7).randbytes(9 * MIB + 17)  # bytes that differ, the same ones every time


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, None),
        (0, 10),
        (0, 1),
        (3, 4),
        (9, 1),
        (3, None),
        (3, 100),
        (0, 100),
        (10, None),
        (10, 5),
        (11, None),
        (500, 5),
        (0, 0),
        (3, 0),
        (10, 0),
    ],
)
async def test_ranges(storage: Storage, name: str, offset: int, length: int | None) -> None:
    data = b"0123456789"
    put = await storage.blobs.put(name, "b", data, content_type=BYTES)
    read = await storage.blobs.read(name, "b", offset=offset, length=length)
    assert await all_of(read) == data[offset : None if length is None else offset + length]
    assert (read.properties.size, read.properties.etag) == (10, put.etag)


@pytest.mark.parametrize(("offset", "length"), [(0, None), (0, 0), (0, 5), (5, None)])
async def test_an_empty_blob(storage: Storage, name: str, offset: int, length: int | None) -> None:
    put = await storage.blobs.put(name, "b", b"", content_type=BYTES, metadata={"k": "v"})
    read = await storage.blobs.read(name, "b", offset=offset, length=length, if_match=put.etag)
    assert await all_of(read) == b""
    assert (read.properties.size, read.properties.metadata, read.properties.content_type) == (0, {"k": "v"}, BYTES)


@pytest.mark.parametrize(
    ("offset", "length"), [(0, None), (1, 4 * MIB), (3 * MIB, 2 * MIB), (1, 9 * MIB), (4 * MIB, None), (9 * MIB, None)]
)
async def test_long_reads_come_in_pieces(storage: Storage, name: str, offset: int, length: int | None) -> None:
    await storage.blobs.put(name, "b", BIG, content_type=BYTES)
    read = await storage.blobs.read(name, "b", offset=offset, length=length)
    pieces = [piece async for piece in read.chunks]
    assert max(map(len, pieces)) <= 4 * MIB
    assert b"".join(pieces) == BIG[offset : None if length is None else offset + length]
    assert read.properties.size == len(BIG)


@pytest.mark.parametrize(("length", "calls"), [(1, 1), (4 * MIB, 1), (4 * MIB + 1, 2), (None, 3)])
async def test_one_storage_call_per_4_mib(
    azure: AzureStorage, name: str, length: int | None, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await azure.blobs.put(name, "b", BIG, content_type=BYTES)
    session = azure._clients()._session  # the pool is where calls can be counted
    made: list[object] = []
    request = session.request

    def counted(*args: object, **kwargs: object) -> object:
        made.append(args)
        return request(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they are

    monkeypatch.setattr(session, "request", counted)
    await all_of(await azure.blobs.read(name, "b", length=length))
    assert len(made) == calls


async def test_if_match(storage: Storage, name: str) -> None:
    old = await storage.blobs.put(name, "b", b"old", content_type=BYTES)
    new = await storage.blobs.put(name, "b", b"new", content_type=BYTES)
    assert await all_of(await storage.blobs.read(name, "b", if_match=new.etag)) == b"new"
    for length in (None, 0):
        with pytest.raises(EtagMismatch):
            await storage.blobs.read(name, "b", if_match=old.etag, length=length)


async def test_a_change_in_between_is_noticed(storage: Storage, name: str) -> None:
    await storage.blobs.put(name, "b", BIG, content_type=BYTES)
    read = await storage.blobs.read(name, "b")
    assert await anext(read.chunks) == BIG[: 4 * MIB]
    await storage.blobs.put(name, "b", BIG, content_type=BYTES)
    with pytest.raises(EtagMismatch):
        await anext(read.chunks)


async def test_a_deletion_in_between_is_noticed(storage: Storage, name: str) -> None:
    await storage.blobs.put(name, "b", BIG, content_type=BYTES)
    read = await storage.blobs.read(name, "b")
    await anext(read.chunks)
    await storage.blobs.delete(name, "b")
    with pytest.raises((EtagMismatch, Missing)):  # which of the two, Azurite and Azure see differently
        await anext(read.chunks)


async def test_a_read_may_be_left(storage: Storage, name: str) -> None:
    await storage.blobs.put(name, "b", BIG, content_type=BYTES)
    for started in (True, False):
        read = await storage.blobs.read(name, "b")
        if started:
            await anext(read.chunks)
        await read.chunks.aclose()  # type: ignore[attr-defined]  # the port asks for it; AsyncIterator cannot say so
        with pytest.raises(StopAsyncIteration):
            await anext(read.chunks)


@pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1)])
async def test_limits(storage: Storage, name: str, offset: int, length: int | None) -> None:
    with pytest.raises(ValueError):
        await storage.blobs.read(name, "b", offset=offset, length=length)
