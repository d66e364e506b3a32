"""A ZIP archive made while it is sent: neither it nor any of its files is ever held whole.

zipfile writes to a stream that cannot seek: sizes and checksums follow each file's bytes (APPNOTE 4.3.9), with 64 bits where
they need them. What zipfile keeps for its directory (measured: 1.3 kB a file) is all that grows.
"""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

PIECE = 256 * 1024
"""Bytes that are compressed, and sent, at once. A storage adapter's chunks are up to 4 MiB."""
SMALL = 16 * 1024
"""Up to here compressing takes less (about 0.3 ms) than the way to a thread and back is worth."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive. ``size`` is the expected one in bytes, if known: from 2 GiB it must be. ``packed``: its bytes are
    compressed already, as those of images are."""

    name: str
    chunks: AsyncGenerator[bytes, None]
    modified_at: datetime
    size: int = 0
    packed: bool = False


async def zipped(entries: AsyncGenerator[Entry, None]) -> AsyncGenerator[bytes, None]:
    """The archive's bytes, as fast as they are taken. Close it (``aclose``) when it is not read to its end.

    Whatever ``entries`` or an entry raises is raised here, and by then there is no valid archive: its directory comes last.
    ValueError for a name that is taken, or that would lead anywhere else than into the archive.
    """
    sink = _Sink()
    archive = zipfile.ZipFile(sink, "w")
    try:
        async with aclosing(entries):
            async for entry in entries:
                with archive.open(_info(archive, entry), "w") as file:
                    async with aclosing(entry.chunks):
                        async for chunk in entry.chunks:
                            for start in range(0, len(chunk), PIECE):
                                piece = chunk[start : start + PIECE]
                                if entry.packed or len(piece) <= SMALL:
                                    file.write(piece)
                                else:
                                    await asyncio.to_thread(file.write, piece)
                                if sink.size >= PIECE:
                                    yield sink.take()
        archive.close()
        yield sink.take()
    finally:
        archive.fp = None  # or its finalizer would write a directory after all


def _info(archive: zipfile.ZipFile, entry: Entry) -> zipfile.ZipInfo:
    parts = entry.name.split("/")
    if entry.name in archive.NameToInfo or "\\" in entry.name or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        raise ValueError("this name cannot be in the archive")
    info = zipfile.ZipInfo(entry.name, max(entry.modified_at.astimezone(UTC).timetuple()[:6], (1980, 1, 1, 0, 0, 0)))
    info.compress_type = zipfile.ZIP_STORED if entry.packed else zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    info.file_size = entry.size
    return info


class _Sink(io.RawIOBase):
    """What zipfile has written and nobody has taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def take(self) -> bytes:
        parts, self._parts, self.size = self._parts, [], 0
        return b"".join(parts)


async def json_document(**members: Any) -> AsyncGenerator[bytes, None]:
    """An object in JSON for people. A member that is an asynchronous generator becomes a list, of which one item at a time is held."""
    opening = "{"
    for name, value in members.items():
        yield f"{opening}\n {json.dumps(name)}: ".encode()
        opening = ","
        if not isinstance(value, AsyncGenerator):
            yield _encoded(value)
            continue
        yield b"["
        first = True
        async with aclosing(value):
            async for item in value:
                yield (b"\n" if first else b",\n") + _encoded(item)
                first = False
        yield b"]"
    yield b"\n}\n"


async def whole(data: bytes) -> AsyncGenerator[bytes, None]:
    """What is small enough to be there at once."""
    yield data


def _encoded(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character, which only an escape can carry
        return json.dumps(value).encode()
