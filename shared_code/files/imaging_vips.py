"""Pixels by libvips. One decode serves both variants, and only as many pixels are decoded as are needed.

A still is streamed (sequential access) from the file through the downscale into memory at its final size, at most 16 MB;
orientation, both encoders and the thumbnail work on that. Measured for 24 megapixels, shrinking explicitly while loading takes
130 to 147 ms where ``thumbnail`` takes 209 (figures: bench/results/images.md). An animation is streamed frame by frame.
"""

import ctypes
from typing import Any

import pyvips  # type: ignore[import-untyped]  # ships stubs, but no py.typed marker

from shared_code.files import image_icc
from shared_code.files.image_types import (
    MAX_EDGE,
    QUALITY,
    THUMBNAIL_EDGE,
    ImageInfo,
    Source,
    Variant,
    check_limits,
    corrupt,
    fitted,
    truncated,
)

# Results are never asked for twice, and a cache would keep users' pixels in memory.
pyvips.cache_set_max(0)
# Loaders that libvips does not call safe for hostile input are refused, should a file ever reach one.
pyvips.block_untrusted_set(True)


def _keep_freed_memory() -> None:
    """Has glibc keep up to 64 MiB of freed memory instead of returning it after every image, where glibc is what we run on.

    Each image needs the same few large buffers again; fetching them as fresh pages from the kernel is 4000 page faults an
    image, 5 to 14 % of its CPU time (measured). The numbers are M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return
    mallopt(-1, 64 << 20)
    mallopt(-3, 32 << 20)


_keep_freed_memory()

_LOADERS = {"image/jpeg": "jpegload_source", "image/png": "pngload_source", "image/gif": "gifload_source", "image/webp": "webpload_source"}
_STRICT = {"access": "sequential", "fail_on": "warning"}
_TURNS: dict[int, tuple[str | None, str | None]] = {
    2: (None, "horizontal"),
    3: ("d180", None),
    4: (None, "vertical"),
    5: ("d90", "horizontal"),
    6: ("d90", None),
    7: ("d270", "horizontal"),
    8: ("d270", None),
}
"""EXIF orientation → clockwise turn, then flip (EXIF 2.32, 4.6.4)."""


def render(source: Source, info: ImageInfo, *, threads: int) -> tuple[Variant, Variant]:
    """See ``imaging.Renderer``."""
    if pyvips.concurrency_get() != threads:
        pyvips.concurrency_set(threads)
    try:
        return _animation(source, info) if info.animated else _still(source, info)
    except pyvips.Error as error:
        raise _translated(str(error)) from None


def _translated(text: str) -> Exception:
    """libvips has no error codes, only text; its text goes nowhere, since it may name paths."""
    text = text.lower()
    if "out of memory" in text:
        return MemoryError("libvips could not allocate memory for an image")
    cut_off = any(sign in text for sign in ("premature", "truncated", "end of", "out of order read", "read error", "not enough"))
    return truncated() if cut_off else corrupt()


def _open(source: Source, kind: str, **options: Any) -> Any:
    """A loader is named by our own look at the bytes, so libvips guesses nothing."""
    origin = pyvips.Source.new_from_memory(source) if isinstance(source, bytes) else pyvips.Source.new_from_file(str(source))
    return getattr(pyvips.Image, _LOADERS[kind])(origin, **_STRICT, **options)


def _still(source: Source, info: ImageInfo) -> tuple[Variant, Variant]:
    picture = _turned(_first_frame(source, info, MAX_EDGE), info.orientation)
    return _encoded(picture, webp=picture.hasalpha()), _encoded(_scaled(picture, THUMBNAIL_EDGE), webp=True)


def _first_frame(source: Source, info: ImageInfo, edge: int) -> Any:
    """The picture in memory, not turned yet: every error of the decoder shows here."""
    shrink = _shrink_on_load(info, edge)
    picture = _open(source, info.format, **({"shrink": shrink} if shrink > 1 else {}))
    _check_again(picture, info, shrink)
    target = fitted(info.width, info.height, edge)
    return _bare(_in_srgb(_resized(picture, *target), info)).copy_memory()


def _shrink_on_load(info: ImageInfo, edge: int) -> int:
    """The JPEG decoder can skip detail by 2, 4 or 8, but it blurs more than Lanczos does: a good part is left to that.

    Measured against a Lanczos downscale for an excess of 2 to 3: shrinking by 2 takes half the CPU, but costs 0.002 to 0.015
    of SSIM. From 3 on it costs a quarter less CPU and SSIM is no lower than sharp's, which draws the line there too.
    """
    if info.format != "image/jpeg":
        return 1
    excess = max(info.width, info.height) / edge
    return max(shrink for shrink in (1, 2, 4, 8) if shrink == 1 or excess >= shrink + 1)


def _check_again(picture: Any, info: ImageInfo, shrink: int = 1) -> None:
    """Our reading of the header chose the limits: a decoder that reads another size from it must not go past them."""
    width, height = picture.width * shrink, picture.height * shrink
    if abs(width - info.width) >= shrink or abs(height - info.height) >= shrink:
        check_limits(width, height, 1)
        raise corrupt("its headers contradict each other")


def _scaled(picture: Any, edge: int) -> Any:
    return _resized(picture, *fitted(picture.width, picture.height, edge))


def _resized(picture: Any, width: int, height: int) -> Any:
    """Lanczos 3. Colours are weighted by alpha, else the colour of invisible pixels would bleed into the visible."""
    if (picture.width, picture.height) == (width, height):
        return picture
    horizontal, vertical = width / picture.width, height / picture.height
    if not picture.hasalpha():
        return picture.resize(horizontal, vscale=vertical)
    return picture.premultiply().resize(horizontal, vscale=vertical).unpremultiply().cast(picture.format)


def _in_srgb(picture: Any, info: ImageInfo) -> Any:
    """8 bits, sRGB or grey. A profile that does not fit its image is ignored, as browsers do."""
    if picture.format != "uchar":
        picture = picture.colourspace("b-w" if picture.bands < 3 else "srgb")
    if info.icc is not None and not image_icc.is_srgb(info.icc):
        try:
            return picture.icc_transform("srgb", embedded=True, intent="relative", depth=8)
        except pyvips.Error:
            pass
    if info.cmyk:
        return picture.icc_transform("srgb", input_profile="cmyk", intent="relative", depth=8)
    return picture


def _bare(picture: Any) -> Any:
    """Without metadata, so that no later step obeys it a second time or writes it out."""
    picture = picture.copy()
    for field in picture.get_fields():
        if field in ("orientation", "icc-profile-data") or field.startswith(("exif-", "xmp-", "iptc-", "png-comment-", "gif-comment")):
            picture.remove(field)
    return picture


def _turned(picture: Any, orientation: int) -> Any:
    turn, flip = _TURNS.get(orientation, (None, None))
    if turn is not None:
        picture = picture.rot(turn)
    if flip is not None:
        picture = picture.flip(flip)
    return picture.copy_memory() if turn or flip else picture


def _encoded(picture: Any, *, webp: bool) -> Variant:
    if webp:
        return Variant(picture.webpsave_buffer(Q=QUALITY, keep="none"), "image/webp", picture.width, picture.height)
    return Variant(picture.jpegsave_buffer(Q=QUALITY, interlace=True, keep="none"), "image/jpeg", picture.width, picture.height)


def _animation(source: Source, info: ImageInfo) -> tuple[Variant, Variant]:
    """libvips hands out all frames as one film strip, one below the other, and remembers ``page-height``."""
    strip = _open(source, info.format, n=-1)
    if (strip.width, strip.height) != (info.width, info.height * info.frames):
        raise corrupt("its headers contradict each other")
    if fitted(info.width, info.height, MAX_EDGE) != (info.width, info.height):
        strip = _small_frames(source)
    strip = _in_srgb(strip, info)
    data = strip.webpsave_buffer(Q=QUALITY, keep="none")
    thumbnail = _encoded(_first_frame(source, info, THUMBNAIL_EDGE), webp=True)
    return Variant(data, "image/webp", strip.width, strip.get("page-height")), thumbnail


def _small_frames(source: Source) -> Any:
    """``thumbnail`` knows how to scale a film strip so that each frame has a whole number of lines."""
    origin = pyvips.Source.new_from_memory(source) if isinstance(source, bytes) else pyvips.Source.new_from_file(str(source))
    return pyvips.Image.thumbnail_source(
        origin, MAX_EDGE, height=MAX_EDGE, size="down", fail_on="warning", option_string="n=-1", no_rotate=True
    )
