"""Stripping takes what tells of people and leaves every pixel as it was."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageChops, PngImagePlugin

from shared_code.files.image_strip import strip
from shared_code.files.image_types import Format, ImageRejected
from tests import images

SECRET = images.GPS_MARK


def same_pixels(one: bytes, other: bytes) -> bool:
    first, second = Image.open(io.BytesIO(one)), Image.open(io.BytesIO(other))
    frames = getattr(first, "n_frames", 1)
    if frames != getattr(second, "n_frames", 1):
        return False
    for frame in range(frames):
        first.seek(frame)
        second.seek(frame)
        if ImageChops.difference(first.convert("RGBA"), second.convert("RGBA")).getbbox(alpha_only=False):
            return False
    return True


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def jpeg_full_of_metadata(**options: object) -> bytes:
    data = images.jpeg(images.photo(300, 200), exif=images.exif(), icc_profile=images.srgb_profile(), comment=SECRET, **options)
    extra = [segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET), segment(0xED, b"Photoshop 3.0\0" + SECRET)]
    extra += [segment(0xE0, b"JFXX\0\x10" + SECRET), segment(0xE4, SECRET), segment(0xE2, b"FPXR\0" + SECRET), b"\xff" * 5]
    return data[:2] + b"".join(extra) + data[2:] + b"a film of " + SECRET


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0}])
def test_jpeg(options: dict[str, object]) -> None:
    data = jpeg_full_of_metadata(**options)
    bare = strip(data, "image/jpeg")
    assert SECRET in data
    assert SECRET not in bare
    assert b"Exif" not in bare
    assert b"ICC_PROFILE" not in bare
    assert bare.endswith(b"\xff\xd9")
    assert same_pixels(data, bare)


def test_jpeg_keeps_what_decoding_needs() -> None:
    """Without Adobe's segment an RGB JPEG would be read as YCbCr, in wrong colours."""
    data = images.jpeg(images.photo(80, 60), keep_rgb=True)
    marked = data if b"Adobe" in data else data[:2] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\0") + data[2:]
    assert same_pixels(marked, strip(marked, "image/jpeg"))
    assert b"Adobe" in strip(marked, "image/jpeg")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1"])
def test_png(mode: str) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", SECRET.decode())
    text.add_itxt("Place", SECRET.decode(), zip=False)
    picture = images.with_alpha(images.photo(90, 60)) if mode == "RGBA" else images.photo(90, 60).convert(mode)
    options: dict[str, object] = {"transparency": 3} if mode == "P" else {}
    data = images.encoded(picture, "PNG", pnginfo=text, exif=images.exif(), icc_profile=images.srgb_profile(), dpi=(300, 300), **options)
    data = data[:33] + chunk(b"tIME", struct.pack(">HBBBBB", 2024, 1, 1, 1, 1, 1)) + chunk(b"prVt", SECRET) + data[33:] + SECRET
    bare = strip(data, "image/png")
    assert SECRET not in bare
    assert not any(kind in bare for kind in (b"eXIf", b"iCCP", b"tIME", b"pHYs", b"tEXt", b"iTXt"))
    assert same_pixels(data, bare)


def test_animated_png_stays_animated() -> None:
    data = images.animation("PNG", 40, 30, 3)
    assert same_pixels(data, strip(data, "image/png"))


@pytest.mark.parametrize("frames", [1, 4])
def test_gif(frames: int) -> None:
    data = images.animation("GIF", 60, 40, frames, comment=SECRET)
    xmp = b"\x21\xff\x0bXMP DataXMP" + bytes([len(SECRET)]) + SECRET + b"\0"
    data = data[:-1] + xmp + b"\x3b" + SECRET
    bare = strip(data, "image/gif")
    assert SECRET not in bare
    assert same_pixels(data, bare)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(bare)) as after:
        assert {key: before.info.get(key) for key in ("loop", "duration")} == {key: after.info.get(key) for key in ("loop", "duration")}


@pytest.mark.parametrize("animated", [False, True])
def test_webp(animated: bool) -> None:
    options = {"exif": images.exif(), "icc_profile": images.srgb_profile(), "xmp": SECRET}
    data = images.animation("WEBP", 60, 40, 3, **options) if animated else images.encoded(images.photo(60, 40), "WEBP", **options)
    assert SECRET in data
    bare = strip(data + SECRET, "image/webp")
    assert SECRET not in bare
    assert same_pixels(data, bare)
    with Image.open(io.BytesIO(bare)) as picture:
        assert not {"exif", "icc_profile", "xmp"} & picture.info.keys()


@pytest.mark.parametrize(("kind", "format"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("GIF", "image/gif"), ("WEBP", "image/webp")])
def test_cut_file_is_rejected(kind: str, format: Format) -> None:
    data = images.encoded(images.photo(90, 60), kind)
    for part in images.cuts(data):
        with pytest.raises(ImageRejected):
            strip(part, format)
