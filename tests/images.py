"""Test images, made from a seed so that every run sees the same bytes.

``photo`` imitates a camera: soft light, shapes with edges, several octaves of texture and sensor noise, so that a JPEG of
it has about as many bits per pixel as a real one (2 at quality 92). Flat test cards would make any encoder look fast.
"""

import io
import random
import struct
import zlib
from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageFilter

GPS_MARK = b"Lydian test camera"
"""Found in the EXIF block of every image made with ``exif``; must never be found in a variant."""


def _noise(rng: random.Random, size: tuple[int, int], cell: int) -> Image.Image:
    """Grey noise with features about ``cell`` pixels wide."""
    small = (max(2, size[0] // cell), max(2, size[1] // cell))
    grain = Image.frombytes("L", small, rng.randbytes(small[0] * small[1]))
    return grain if cell == 1 else grain.resize(size, Image.Resampling.BICUBIC)


def _plane(rng: random.Random, size: tuple[int, int], texture: Image.Image) -> Image.Image:
    """One colour plane: slow light of its own over the texture that all planes share."""
    light = _noise(rng, size, max(size) // 3)
    return Image.blend(light, texture, 0.55)


@cache
def photo(width: int, height: int, seed: int = 7) -> Image.Image:
    """An RGB picture with the statistics of a photo. Shared between callers: do not change it in place."""
    rng = random.Random(seed)
    size = (width, height)
    texture = _noise(rng, size, 64)
    for cell, weight in ((24, 0.35), (9, 0.25), (4, 0.18)):
        texture = Image.blend(texture, _noise(rng, size, cell), weight)
    picture = Image.merge("RGB", [_plane(rng, size, texture) for _ in range(3)])
    draw = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y, r = rng.randrange(width), rng.randrange(height), rng.randrange(max(2, width // 60), max(3, width // 9))
        draw.line((x, y, x + r, y + r * rng.choice((-1, 0.2, 1))), fill=(rng.randrange(256),) * 3, width=max(1, width // 900))
    for _ in range(12):
        x, y, r = rng.randrange(width), rng.randrange(height), rng.randrange(max(2, width // 50), max(3, width // 14))
        draw.ellipse((x, y, x + r, y + r), fill=tuple(rng.randrange(40, 220) for _ in range(3)))
    sensor = [_noise(rng, size, 1).filter(ImageFilter.BoxBlur(0.4)).point([128 + (v - 128) // 6 for v in range(256)]) for _ in range(3)]
    return ImageChops.add(picture, Image.merge("RGB", sensor), offset=-128)


def exif(orientation: int = 1, *, gps: bool = True) -> bytes:
    """An EXIF block with an orientation, a camera's name and a place."""
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = GPS_MARK.decode()
    if gps:
        block.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    return block.tobytes()


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """``picture`` as ``kind``, with the options of Pillow's ``save``."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def jpeg(picture: Image.Image, **options: object) -> bytes:
    return encoded(picture, "JPEG", **{"quality": 90, **options})


def with_alpha(picture: Image.Image) -> Image.Image:
    """Transparent at the left, opaque at the right."""
    result = picture.convert("RGBA")
    result.putalpha(Image.linear_gradient("L").rotate(90).resize(picture.size))
    return result


def animation(kind: str, width: int, height: int, frames: int, **options: object) -> bytes:
    """``kind`` is GIF, WEBP or PNG. Every frame differs, lasts 70 ms and the whole plays for ever."""
    rng = random.Random(width * height + frames)
    base = photo(width, height)
    pictures = []
    for _ in range(frames):
        picture = base.copy()
        x, y = rng.randrange(width), rng.randrange(height)
        ImageDraw.Draw(picture).ellipse((x, y, x + width // 4, y + height // 4), fill=(rng.randrange(256), 40, 200))
        pictures.append(picture.quantize(64) if kind == "GIF" else picture)
    return encoded(pictures[0], kind, **{"save_all": True, "append_images": pictures[1:], "duration": 70, "loop": 0, **options})


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def wide_profile() -> bytes:
    """A matrix profile with Display P3's primaries (adapted to D50) and its sRGB tone curve."""
    colours = {b"rXYZ": (0.51512, 0.2412, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189), b"bXYZ": (0.1571, 0.06657, 0.78407)}
    curve = (
        b"para" + bytes(4) + struct.pack(">HH5i", 3, 0, *(round(v * 65536) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    )
    return _profile(b"Wide", colours, curve)


def _profile(name: bytes, colours: dict[bytes, tuple[float, float, float]], curve: bytes) -> bytes:
    """A display profile of ICC version 4 (ICC.1:2022, 7 and 8.3)."""
    text = name.decode().encode("utf-16-be")
    description = b"mluc" + bytes(4) + struct.pack(">II", 1, 12) + b"enUS" + struct.pack(">II", len(text), 28) + text
    tags = {b"desc": description, b"cprt": description, b"wtpt": _xyz(0.9642, 1.0, 0.8249)}
    tags |= {tag: _xyz(*value) for tag, value in colours.items()} | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body, place = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += tag + struct.pack(">II", place + len(body), len(value))
        body += padded
    size = place + len(body)
    head = (
        struct.pack(">I4sI4s4s4s", size, b"lyd ", 0x04300000, b"mntr", b"RGB ", b"XYZ ") + struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp"
    )
    head += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def png_bomb(width: int, height: int) -> bytes:
    """A few bytes that claim to be ``width``×``height`` pixels, with sound checksums."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(4))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def gif_bomb(frames: int, width: int = 1, height: int = 1) -> bytes:
    """Frames of one pixel each, on a canvas that may be large."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * frames + b"\x3b"


def cuts(data: bytes, parts: int = 10) -> Sequence[bytes]:
    """``data`` cut off at every tenth of its length."""
    return [data[: len(data) * part // parts] for part in range(1, parts)]
