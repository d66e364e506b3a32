"""Takes the metadata out of an image without touching a pixel: the picture's own bytes are copied as they are.

What stays is what decoding needs. Whatever is unknown goes: a maker's private segment may well hold a place or a name.
The colour profile goes too, since this is for images that are sRGB already. Bytes after the picture's end go as well:
cameras append previews and films there, with their own GPS data.
"""

import re
import struct

from shared_code.files.image_header import ADOBE, Buffer, gif_blocks, jpeg_segments, png_chunks, webp_chunks
from shared_code.files.image_types import Format, corrupt, truncated

_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
"""In entropy-coded data 0xFF is followed by 0 or a restart marker; anything else ends it (ITU-T T.81, B.1.1.5)."""

_PNG_KEEP = {
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"sBIT", b"bKGD"),
    *(b"acTL", b"fcTL", b"fdAT"),
}
_WEBP_KEEP = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"}
_GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def strip(data: Buffer, kind: Format) -> bytes:
    """Raises ImageRejected where the file's structure is broken."""
    try:
        return {"image/jpeg": _jpeg, "image/png": _png, "image/gif": _gif, "image/webp": _webp}[kind](data)
    except (IndexError, struct.error):
        raise truncated() from None


def _jpeg(data: Buffer) -> bytes:
    kept, position, marker = [b"\xff\xd8"], 2, 0
    while marker != 0xD9:
        end = position
        for marker, begin, end in jpeg_segments(data, position):
            if _jpeg_keeps(marker, data[begin:end]):
                kept.append(data[begin:end])
        if marker != 0xD9:
            found = _NEXT_MARKER.search(data, end)
            if found is None:
                raise truncated()
            position = found.start()
            kept.append(data[end:position])
    return b"".join(kept)


def _jpeg_keeps(marker: int, segment: bytes) -> bool:
    """Adobe's APP14 names the colour transform and JFIF's APP0 the colour space, so both stay; a JFIF preview does not."""
    if marker == 0xEE:
        return segment.lstrip(b"\xff")[3:].startswith(ADOBE)
    if marker == 0xE0:
        return segment.lstrip(b"\xff")[3:].startswith(b"JFIF\0") and len(segment) <= 18
    return marker != 0xFE and not 0xE1 <= marker <= 0xEF


def _png(data: Buffer) -> bytes:
    return data[:8] + b"".join(data[begin:end] for kind, begin, end in png_chunks(data) if kind in _PNG_KEEP)


def _gif(data: Buffer) -> bytes:
    flags = data[10]
    header = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    kept = [data[:header]]
    for introducer, begin, end in gif_blocks(data):
        if introducer != 0x21 or _gif_keeps(data[begin + 1], data[begin + 3 : begin + 14]):
            kept.append(data[begin:end])
    return b"".join(kept)


def _gif_keeps(label: int, application: bytes) -> bool:
    return label == 0xF9 or (label == 0xFF and application in _GIF_LOOPS)


def _webp(data: Buffer) -> bytes:
    chunks = [data[begin:end] for kind, begin, end in webp_chunks(data) if kind in _WEBP_KEEP]
    if not chunks:
        raise corrupt("it has no picture")
    if chunks[0][:4] == b"VP8X":  # bits 5, 3 and 2 announce ICC, EXIF and XMP (RFC 9649, 2.7.1)
        chunks[0] = chunks[0][:8] + bytes([chunks[0][8] & ~0x2C]) + chunks[0][9:]
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body
