"""Pixels by libvips. One decode serves both variants, and only as many pixels are decoded as are needed.

A still is streamed (sequential access) from the file through the downscale into memory at its final size, at most 16 MB;
orientation, both encoders and the thumbnail work on that. Measured against ``thumbnail``, shrinking explicitly while loading
takes half the time for 12 megapixels (figures: bench/results/images.md). An animation is streamed frame by frame.
"""

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
    """The JPEG decoder can skip detail by 2, 4 or 8; never below the size that is wanted."""
    if info.format != "image/jpeg":
        return 1
    excess = max(info.width, info.height) / edge
    return max(shrink for shrink in (1, 2, 4, 8) if shrink == 1 or excess >= shrink)


def _check_again(picture: Any, info: ImageInfo, shrink: int = 1) -> None:
    """Our reading of the header chose the limits: a decoder that reads another size from it must not go past them."""
    width, height = picture.width * shrink, picture.get("page-height") * shrink if info.animated else picture.height * shrink
    frames = picture.get("n-pages") if info.animated else 1
    if abs(width - info.width) >= shrink or abs(height - info.height) >= shrink or frames != info.frames:
        check_limits(width, height, frames)
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
    frames = _open(source, info.format, n=-1)
    _check_again(frames, info)
    if fitted(info.width, info.height, MAX_EDGE) != (info.width, info.height):
        frames = _small_frames(source)
    frames = _in_srgb(frames, info)
    height = frames.get("page-height")
    data = frames.webpsave_buffer(Q=QUALITY, keep="none")
    thumbnail = _encoded(_first_frame(source, info, THUMBNAIL_EDGE), webp=True)
    return Variant(data, "image/webp", frames.width, height), thumbnail


def _small_frames(source: Source) -> Any:
    """``thumbnail`` knows how to scale a film strip so that each frame has a whole number of lines."""
    origin = pyvips.Source.new_from_memory(source) if isinstance(source, bytes) else pyvips.Source.new_from_file(str(source))
    return pyvips.Image.thumbnail_source(
        origin, MAX_EDGE, height=MAX_EDGE, size="down", fail_on="warning", option_string="n=-1", no_rotate=True
    )

