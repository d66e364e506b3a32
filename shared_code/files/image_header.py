"""Reads what an image file says about itself, without decoding a pixel and without trusting it.

Only the container is walked: segments, chunks and blocks are jumped over by their lengths, so that the cost is small and
bounded whatever the file claims. GIF, PNG and WebP are walked to their end, which shows a cut-off file at once; a JPEG is
walked to its first scan only, and the decoder finds the cut.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared_code.files import image_icc
from shared_code.files.image_types import MAX_FRAMES, ImageInfo, ImageRejected, Source, corrupt, truncated

Buffer = bytes | mmap.mmap

_MAX_PARTS = 200_000
"""Chunks or segments of one file: 25 times what a 100 MiB PNG in common 16 KiB chunks has. More is an attack on our time."""
_MAX_PROFILE = 4 * 1024 * 1024

SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
EXIF, ICC, ADOBE = b"Exif\0\0", b"ICC_PROFILE\0", b"Adobe"


@contextmanager
def opened(source: Source) -> Iterator[Buffer]:
    """The bytes of ``source``; a file is mapped, so that only the pages looked at are read. OSError passes through."""
    if isinstance(source, bytes):
        yield source
        return
    with Path(source).open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:  # an empty file cannot be mapped
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped


def read_info(data: Buffer) -> ImageInfo:
    """Raises ImageRejected for anything but a JPEG, PNG, GIF or WebP whose structure holds. Limits are the caller's."""
    head = data[:16]
    try:
        if head[:3] == b"\xff\xd8\xff":
            return _jpeg(data)
        if head[:8] == b"\x89PNG\r\n\x1a\n":
            return _png(data)
        if head[:6] in (b"GIF87a", b"GIF89a"):
            return _gif(data)
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return _webp(data)
    except (IndexError, struct.error):  # a length or a field lies past the end
        raise truncated() from None
    raise ImageRejected("The file is not a JPEG, PNG, GIF or WebP image.")


def exif_orientation(exif: bytes) -> int:
    """EXIF tag 0x0112 of the first directory, 1 where it is absent or makes no sense (TIFF 6.0; EXIF 2.32, 4.6.4)."""
    exif = exif.removeprefix(EXIF)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, directory)
        for index in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, directory + 2 + 12 * index)
            if tag == 0x0112:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def jpeg_segments(data: Buffer, start: int = 2) -> Iterator[tuple[int, int, int]]:
    """``(marker, start, end)`` of each segment from ``start`` up to and with the next SOS or EOI; ``start`` points at the 0xFF."""
    position = start
    for _ in range(_MAX_PARTS):
        if data[position] != 0xFF:
            raise corrupt("a JPEG segment has no marker")
        begin = position
        while data[position] == 0xFF:  # fill bytes may come before a marker (ITU-T T.81, B.1.1.2)
            position += 1
        marker = data[position]
        position += 1
        if marker != 0xD9 and marker != 0x01 and not 0xD0 <= marker <= 0xD7:
            (length,) = struct.unpack_from(">H", data, position)
            if length < 2:
                raise corrupt("a JPEG segment has no length")
            position += length
        if position > len(data):
            raise truncated()
        yield marker, begin, position
        if marker in (0xDA, 0xD9):
            return
    raise corrupt("it has too many segments")


def _jpeg(data: Buffer) -> ImageInfo:
    frame: tuple[int, int, int] | None = None
    orientation, chunks = 1, []
    for marker, begin, end in jpeg_segments(data):
        body = data[begin:end].lstrip(b"\xff")[3:]
        if marker in SOF_MARKERS:
            if frame is not None:
                raise corrupt("it has two frame headers")
            height, width, components = struct.unpack_from(">HHB", body, 1)
            frame = (width, height, components)
        elif marker == 0xE1 and body.startswith(EXIF):
            orientation = exif_orientation(body)
        elif marker == 0xE2 and body.startswith(ICC) and len(body) > 14:
            chunks.append((body[12], body[13], body[14:]))
        elif marker == 0xD9:
            raise corrupt("it has no picture")
    if frame is None:
        raise corrupt("it has no frame header")
    return ImageInfo("image/jpeg", frame[0], frame[1], 1, orientation, image_icc.assemble(chunks), cmyk=frame[2] == 4)


def png_chunks(data: Buffer) -> Iterator[tuple[bytes, int, int]]:
    """``(type, start, end)`` of each chunk, through IEND; start and end hold length, type and CRC too."""
    position = 8
    for _ in range(_MAX_PARTS):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise truncated()
        yield kind, position, end
        if kind == b"IEND":
            return
        position = end
    raise corrupt("it has too many chunks")


def _png(data: Buffer) -> ImageInfo:
    if data[12:16] != b"IHDR":
        raise corrupt("a PNG has to begin with its header") if len(data) >= 16 else truncated()
    width, height = struct.unpack_from(">II", data, 16)
    frames, orientation, icc, pixels = 1, 1, None, False
    for kind, begin, end in png_chunks(data):
        if kind == b"acTL":
            frames = max(1, struct.unpack_from(">I", data, begin + 8)[0])
        elif kind == b"eXIf":
            orientation = exif_orientation(data[begin + 8 : end - 4])
        elif kind == b"iCCP":
            icc = _inflated_profile(data[begin + 8 : end - 4])
        pixels = pixels or kind == b"IDAT"
    if not pixels:
        raise corrupt("it has no picture")
    return ImageInfo("image/png", width, height, frames, 1 if frames > 1 else orientation, icc)


def _inflated_profile(body: bytes) -> bytes | None:
    """The profile in iCCP, None where it cannot be read: decoders ignore such a chunk as well (PNG, 11.3.2.3)."""
    _, _, packed = body.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], _MAX_PROFILE) or None
    except zlib.error:
        return None


def skip_sub_blocks(data: Buffer, position: int) -> int:
    """The place after a GIF's data sub-blocks and their terminator."""
    while (size := data[position]) != 0:
        position += size + 1
    return position + 1


def gif_blocks(data: Buffer) -> Iterator[tuple[int, int, int]]:
    """``(introducer, start, end)`` of each block through the trailer (GIF89a, 23 and 27)."""
    flags = data[10]
    position = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    for _ in range(_MAX_PARTS):
        begin, introducer = position, data[position]
        if introducer == 0x3B:
            yield introducer, begin, begin + 1
            return
        if introducer == 0x2C:
            flags = data[position + 9]
            position += 10 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0) + 1
        elif introducer == 0x21:
            position += 2
        else:
            raise corrupt("a GIF block has no known kind")
        position = skip_sub_blocks(data, position)
        yield introducer, begin, position
    raise corrupt("it has too many blocks")


def _gif(data: Buffer) -> ImageInfo:
    width, height = struct.unpack_from("<HH", data, 6)
    frames = 0
    for introducer, _, _ in gif_blocks(data):
        frames += introducer == 0x2C
        if frames > MAX_FRAMES:  # enough is known: the rest is not looked at
            break
    if frames == 0:
        raise corrupt("it has no picture")
    return ImageInfo("image/gif", width, height, frames)


def webp_chunks(data: Buffer) -> Iterator[tuple[bytes, int, int]]:
    """``(fourcc, start, end)`` of each chunk, header and padding within (RFC 9649, 2.3 and 2.4)."""
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise truncated()
    position = 12
    for _ in range(_MAX_PARTS):
        if position >= end:
            return
        kind, size = struct.unpack_from("<4sI", data, position)
        after = position + 8 + size + (size & 1)
        if position + 8 + size > end:
            raise truncated()
        yield kind, position, min(after, end)
        position = after
    raise corrupt("it has too many chunks")


def _webp(data: Buffer) -> ImageInfo:
    size: tuple[int, int] | None = None
    frames, orientation, icc, animated, pixels = 0, 1, None, False, False
    for kind, begin, end in webp_chunks(data):
        body = begin + 8
        if kind == b"VP8X":
            animated = bool(data[body] & 0x02)
            size = 1 + int.from_bytes(data[body + 4 : body + 7], "little"), 1 + int.from_bytes(data[body + 7 : body + 10], "little")
        elif kind == b"ANMF":
            frames += 1
            if frames > MAX_FRAMES:
                break
        elif kind in (b"VP8 ", b"VP8L"):
            pixels, size = True, size or _webp_size(kind, data, body)
        elif kind == b"ICCP":
            icc = data[body:end]
        elif kind == b"EXIF":
            orientation = exif_orientation(data[body:end])
    frames = frames if animated else int(pixels)
    if size is None or frames == 0:
        raise corrupt("it has no picture")
    return ImageInfo("image/webp", *size, frames, 1 if frames > 1 else orientation, icc)


def _webp_size(kind: bytes, data: Buffer, body: int) -> tuple[int, int]:
    """RFC 6386, 9.1 for lossy and RFC 9649, 3.4 for lossless."""
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, body + 6)
        return width & 0x3FFF, height & 0x3FFF
    (bits,) = struct.unpack_from("<I", data, body + 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
