"""Pixels by Pillow: where libvips is missing, and for animated PNGs.

The same rules and the same sizes, up to twice the time, with two differences: damage inside a JPEG that libjpeg only
warns about passes unseen (a cut does not), and the frames of an animation are held in memory, so that their sum is limited
to 100 megapixels after downscaling.
"""

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageCms, ImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from shared_code.files import image_icc
from shared_code.files.image_header import opened
from shared_code.files.image_types import (
    MAX_EDGE,
    QUALITY,
    THUMBNAIL_EDGE,
    ImageInfo,
    ImageRejected,
    Source,
    Variant,
    check_limits,
    corrupt,
    fitted,
    truncated,
)

_MAX_HELD_PIXELS = 100_000_000
_MAX_DURATION_MS = 0xFFFFFF  # a WebP frame's duration has 24 bits
_OPENERS: dict[str, type[ImageFile.ImageFile]] = {
    "image/jpeg": JpegImageFile,
    "image/png": PngImageFile,
    "image/gif": GifImageFile,
    "image/webp": WebPImageFile,
}
"""The classes themselves: ``Image.open`` would try every format that Pillow knows, and keeps its bomb limit in a global."""
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
"""What Pillow's decoders raise on bad data. The data is in memory, so an OSError is never the disk's."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def render(source: Source, info: ImageInfo, *, threads: int) -> tuple[Variant, Variant]:
    """See ``imaging.Renderer``; ``threads`` means nothing to Pillow."""
    with opened(source) as data:
        content = bytes(data)
    try:
        with _OPENERS[info.format](io.BytesIO(content)) as picture:
            if picture.size != (info.width, info.height):
                check_limits(*picture.size, info.frames)
                raise corrupt("its headers contradict each other")
            return _animation(picture, info) if info.animated else _still(picture, info)
    except ImageRejected:
        raise
    except _BROKEN as error:
        raise (truncated() if "truncated" in str(error) else corrupt()) from None


def _still(picture: ImageFile.ImageFile, info: ImageInfo) -> tuple[Variant, Variant]:
    target = fitted(info.width, info.height, MAX_EDGE)
    picture.draft(None, target)  # a JPEG decoder can skip detail; others do nothing here
    frame = _frame(picture, info, MAX_EDGE, target)
    if info.orientation in _TURNS:
        frame = frame.transpose(_TURNS[info.orientation])
    return _encoded(frame, webp=frame.mode == "RGBA"), _encoded(_fit(frame, THUMBNAIL_EDGE), webp=True)


def _frame(picture: Image.Image, info: ImageInfo, edge: int, target: tuple[int, int] | None = None) -> Image.Image:
    """One frame in 8-bit RGB, RGBA or grey, scaled. Always a new image without metadata."""
    picture.load()
    plain = _plain(picture, info)
    small = plain.resize(target, Image.Resampling.LANCZOS) if target and plain.size != target else _fit(plain, edge)
    small = _in_srgb(small, info)
    bare = small.copy()
    bare.info.clear()
    return bare


def _plain(picture: Image.Image, info: ImageInfo) -> Image.Image:
    if picture.mode.startswith("I"):  # 16-bit grey: ``convert`` would clip instead of scaling
        return picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture if picture.mode in ("RGB", "L", "CMYK") else picture.convert("RGB")


def _fit(picture: Image.Image, edge: int) -> Image.Image:
    target = fitted(*picture.size, edge)
    return picture if picture.size == target else picture.resize(target, Image.Resampling.LANCZOS)


def _in_srgb(picture: Image.Image, info: ImageInfo) -> Image.Image:
    if info.icc is not None and not image_icc.is_srgb(info.icc):
        try:
            return _converted(picture, info.icc)
        except (ImageCms.PyCMSError, OSError):  # a profile that does not fit its image is ignored, as browsers do
            pass
    return picture.convert("RGB") if picture.mode == "CMYK" else picture


def _converted(picture: Image.Image, profile: bytes) -> Image.Image:
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    opaque = picture.convert("RGB") if alpha else picture
    result: Any = ImageCms.profileToProfile(
        opaque,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    converted: Image.Image = result
    if alpha:
        converted.putalpha(alpha)
    return converted


def _encoded(picture: Image.Image, *, webp: bool) -> Variant:
    out = io.BytesIO()
    if webp:
        picture.save(out, "WEBP", quality=QUALITY, method=4)
        return Variant(out.getvalue(), "image/webp", *picture.size)
    picture.save(out, "JPEG", quality=QUALITY, progressive=True, optimize=True)
    return Variant(out.getvalue(), "image/jpeg", *picture.size)


def _animation(picture: ImageFile.ImageFile, info: ImageInfo) -> tuple[Variant, Variant]:
    width, height = fitted(info.width, info.height, MAX_EDGE)
    if width * height * info.frames > _MAX_HELD_PIXELS:
        raise ImageRejected(f"The animation is too large: {info.frames} frames of {width}×{height}.")
    frames, durations = [], []
    for index in range(info.frames):
        picture.seek(index)
        frames.append(_frame(picture, info, MAX_EDGE))
        durations.append(min(round(picture.info.get("duration", 0)), _MAX_DURATION_MS))
    thumbnail = _encoded(_fit(frames[0], THUMBNAIL_EDGE), webp=True)
    out = io.BytesIO()
    frames[0].save(
        out, "WEBP", save_all=True, append_images=frames[1:], duration=durations, loop=_plays(picture), quality=QUALITY, method=4
    )
    return Variant(out.getvalue(), "image/webp", *frames[0].size), thumbnail


def _plays(picture: Image.Image) -> int:
    """How often a WebP is to play, 0 for ever. A GIF counts the repeats after the first time, and without a count plays once."""
    loop = picture.info.get("loop")
    if not isinstance(picture, GifImageFile):
        return int(loop or 0)
    return 1 if loop is None else 0 if loop == 0 else int(loop) + 1
