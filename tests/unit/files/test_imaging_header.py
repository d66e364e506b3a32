"""What is refused before a pixel is decoded, and what that costs."""

import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_code.files import image_icc, imaging
from shared_code.files.image_header import exif_orientation
from shared_code.files.imaging import ImageRejected, inspect
from tests import images


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_size_and_format(kind: str, tmp_path: Path) -> None:
    picture = images.photo(123, 45)
    data = images.encoded(picture.quantize(16) if kind == "GIF" else picture, kind)
    (tmp_path / "file").write_bytes(data)
    for source in (data, tmp_path / "file", str(tmp_path / "file")):
        info = inspect(source)
        assert (info.format, info.width, info.height, info.frames, info.orientation) == (f"image/{kind.lower()}", 123, 45, 1, 1)


@pytest.mark.parametrize("options", [{"lossless": True}, {"exif": images.exif(6)}, {"icc_profile": images.wide_profile()}])
def test_every_kind_of_webp(options: dict[str, object]) -> None:
    info = inspect(images.encoded(images.photo(321, 77), "WEBP", **options))
    assert (info.width, info.height) == (321, 77)
    assert info.displayed == ((77, 321) if "exif" in options else (321, 77))
    assert info.icc == options.get("icc_profile")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation(kind: str, orientation: int) -> None:
    info = inspect(images.encoded(images.photo(60, 40), kind, exif=images.exif(orientation)))
    assert info.orientation == orientation
    assert info.displayed == ((40, 60) if orientation >= 5 else (60, 40))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_profile_is_found(kind: str) -> None:
    profile = images.wide_profile()
    assert inspect(images.encoded(images.photo(60, 40), kind, icc_profile=profile)).icc == profile


def test_profile_in_several_segments() -> None:
    profile = images.wide_profile() + bytes(150_000)
    assert inspect(images.jpeg(images.photo(60, 40), icc_profile=profile)).icc == profile


def test_srgb_is_told_by_its_numbers() -> None:
    assert image_icc.is_srgb(images.srgb_profile())
    assert not image_icc.is_srgb(images.wide_profile())
    assert not image_icc.is_srgb(b"")
    assert not image_icc.is_srgb(images.srgb_profile()[:200])


@given(st.binary(max_size=600))
def test_any_bytes_are_a_profile_that_is_not_srgb(tail: bytes) -> None:
    assert not image_icc.is_srgb(images.srgb_profile()[:132] + tail)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_frames_are_counted(kind: str) -> None:
    assert inspect(images.animation(kind, 40, 30, 7)).frames == 7


def test_small_png_that_claims_to_be_huge() -> None:
    with pytest.raises(ImageRejected, match="50000×50000 is 2500 megapixels, the limit is 100"):
        inspect(images.png_bomb(50_000, 50_000))


def test_limit_of_pixels_is_exact() -> None:
    assert inspect(images.png_bomb(10_000, 10_000)).width == 10_000
    with pytest.raises(ImageRejected, match="101 megapixels"):
        inspect(images.png_bomb(10_000, 10_001))


def test_limit_of_frames_is_exact_and_cheap() -> None:
    assert inspect(images.gif_bomb(100)).frames == 100
    bomb = images.gif_bomb(400_000)
    started = time.process_time()
    tracemalloc.start()
    with pytest.raises(ImageRejected, match="more than 100 frames"):
        inspect(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - started < 0.1
    assert peak < 1_000_000


def test_limit_of_an_animation_as_a_whole() -> None:
    assert inspect(images.gif_bomb(100, 2000, 2000)).frames == 100
    with pytest.raises(ImageRejected, match="animation is too large"):
        inspect(images.gif_bomb(100, 2001, 2000))


def test_animated_png_that_claims_many_frames() -> None:
    data = images.png_bomb(10, 10)
    body = b"acTL" + struct.pack(">II", 2**31 - 1, 0)
    data = data[:33] + struct.pack(">I", 8) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    with pytest.raises(ImageRejected, match="frames"):
        inspect(data)


def test_profile_that_inflates_without_end_is_bounded() -> None:
    body = b"iCCP" + b"x\0\0" + zlib.compress(bytes(60_000_000))
    data = images.png_bomb(10, 10)
    data = data[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    tracemalloc.start()
    inspect(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"RIFF",
        b"RIFF\x04\x00\x00\x00WEBP",
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-1.7",
        b"BM" + bytes(60),
        b"II*\x00" + bytes(60),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        images.png_bomb(0, 5),
        images.gif_bomb(0),
        images.gif_bomb(1, 0, 0),
    ],
)
def test_what_is_no_sound_image_is_rejected_in_words(data: bytes) -> None:
    with pytest.raises(ImageRejected) as caught:
        inspect(data)
    assert caught.value.message.endswith(".")
    assert caught.value.code == "image_rejected"


def test_jpeg_with_two_frame_headers() -> None:
    data = images.jpeg(images.photo(64, 64))
    at = data.index(b"\xff\xc0")
    header = data[at : at + 2 + struct.unpack_from(">H", data, at + 2)[0]]
    with pytest.raises(ImageRejected, match="two frame headers"):
        inspect(data[:at] + header + data[at:])


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp"])
@given(st.data())
def test_no_damage_makes_anything_but_a_rejection(kind: str, data: st.DataObject) -> None:
    whole = bytearray(SMALL[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        inspect(bytes(whole))
    except ImageRejected:
        pass


SMALL = {
    "jpeg": images.jpeg(images.photo(40, 30), exif=images.exif(6), icc_profile=images.srgb_profile()),
    "png": images.encoded(images.photo(20, 10), "PNG", exif=images.exif(3), icc_profile=images.srgb_profile()),
    "gif": images.animation("GIF", 20, 20, 3),
    "webp": images.animation("WEBP", 20, 20, 3),
}


@given(st.binary(max_size=80))
def test_any_exif_has_an_orientation(tail: bytes) -> None:
    for head in (b"II*\0", b"MM\0*", b"Exif\0\0II*\0\x08\0\0\0", b""):
        assert 1 <= exif_orientation(head + tail) <= 8


def test_importing_the_rules_imports_no_pixel_library() -> None:
    script = (
        "import sys, shared_code.files.imaging, shared_code.files.sniff; print([m for m in ('pyvips', 'PIL', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_without_libvips_pillow_takes_over(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "shared_code.files.imaging_vips", None)
    monkeypatch.delattr("shared_code.files.imaging_vips", raising=False)
    imaging._vips.cache_clear()
    try:
        made = imaging.optimize(images.jpeg(images.photo(400, 300)))
    finally:
        imaging._vips.cache_clear()
    assert made.thumbnail.width == 320
    assert "libvips is missing" in caplog.text
