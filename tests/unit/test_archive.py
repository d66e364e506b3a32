"""An archive that is made while it is sent: it opens when it is whole, and holds nothing for longer than it must."""

import io
import json
import tracemalloc
import zipfile
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import pytest

from shared_code.archive import PIECE, Entry, json_document, whole, zipped
from shared_code.errors import StorageUnavailable

AT = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)


async def entries(*given: Entry) -> AsyncGenerator[Entry, None]:
    for each in given:
        yield each


async def read(*given: Entry) -> zipfile.ZipFile:
    return opened(b"".join([chunk async for chunk in zipped(entries(*given))]))


def opened(data: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive


async def test_an_archive_opens() -> None:
    archive = await read(
        Entry("a.json", whole(b"{}" * 500_000), AT), Entry("f/bild ü.jpg", whole(b"x" * 700_000), AT, 700_000, packed=True)
    )
    assert archive.namelist() == ["a.json", "f/bild ü.jpg"]
    assert archive.read("a.json") == b"{}" * 500_000
    assert archive.getinfo("a.json").compress_size < 10_000
    assert archive.getinfo("f/bild ü.jpg").compress_type == zipfile.ZIP_STORED
    assert archive.getinfo("a.json").date_time == (2026, 1, 2, 3, 4, 6)
    assert (await read()).namelist() == []


async def test_more_than_four_gibibytes_are_announced_as_such() -> None:
    """Its sizes follow with 64 bits, since they may need them (APPNOTE 4.3.9.2)."""
    archive = await read(Entry("big.mp4", whole(b"not that many"), AT, 5 * 2**30, packed=True))
    assert archive.getinfo("big.mp4").extract_version >= zipfile.ZIP64_VERSION
    assert archive.read("big.mp4") == b"not that many"


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a/../b", "a//b", "a\\b", "C:/x", "a/", "."])
async def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        await read(Entry(name, whole(b""), AT))


async def test_a_name_is_used_once() -> None:
    with pytest.raises(ValueError, match="name"):
        await read(Entry("a", whole(b""), AT), Entry("a", whole(b""), AT))


async def test_json_for_people() -> None:
    async def items() -> AsyncGenerator[Any, None]:
        yield {"name": "Zoë"}
        yield {"name": "half \ud83d"}

    text = b"".join([chunk async for chunk in json_document(id="x", items=items(), none=nothing())]).decode()
    assert json.loads(text) == {"id": "x", "items": [{"name": "Zoë"}, {"name": "half \ud83d"}], "none": []}
    assert "Zoë" in text


async def nothing() -> AsyncGenerator[Any, None]:
    return
    yield


class Counting:
    """Bytes that count how many were asked for, and how often they were closed."""

    def __init__(self, chunks: int, *, fails: Exception | None = None) -> None:
        self.asked, self.closed, self._chunks, self._fails = 0, 0, chunks, fails

    async def bytes(self) -> AsyncGenerator[bytes, None]:
        chunk = bytes(4 * 1024 * 1024)
        try:
            for _ in range(self._chunks):
                self.asked += 1
                yield chunk
            if self._fails:
                raise self._fails
        finally:
            self.closed += 1


@pytest.mark.parametrize("packed", [True, False])
async def test_a_hundred_mebibytes_are_never_held(packed: bool) -> None:
    source = Counting(25)
    tracemalloc.start()
    try:
        archive = zipped(entries(Entry("big", source.bytes(), AT, 25 * 4 * 2**20, packed)))
        size, ahead = 0, 0
        async for chunk in archive:
            size += len(chunk)
            assert len(chunk) <= 2 * PIECE
            if packed:
                ahead = max(ahead, source.asked * 4 * 2**20 - size)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * 2**20
    assert ahead <= 4 * 2**20, "nothing is read before it is taken"
    assert source.closed == 1
    assert size > (100 * 2**20 if packed else 0)


async def test_who_leaves_stops_it() -> None:
    source = Counting(25)
    archive = zipped(entries(Entry("big", source.bytes(), AT, packed=True)))
    await anext(archive)
    await archive.aclose()
    assert (source.asked, source.closed) == (1, 1)


async def test_a_failure_leaves_nothing_that_opens() -> None:
    source, got = Counting(2, fails=StorageUnavailable("down")), []

    async def take() -> None:
        async for chunk in zipped(entries(Entry("a", whole(b"a"), AT), Entry("big", source.bytes(), AT, packed=True))):
            got.append(chunk)

    with pytest.raises(StorageUnavailable):
        await take()
    assert len(b"".join(got)) > 2**22
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(got)))
