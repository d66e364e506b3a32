"""Makes the variants of an uploaded image: looks at its header, decides, and hands the pixels to a library.

Everything here is synchronous and burns CPU: call it in a bounded thread. Importing this module imports neither libvips nor
Pillow; the first ``optimize`` does.
"""

import logging
from functools import cache
from typing import Protocol

from shared_code.files import image_icc
from shared_code.files.image_header import opened, read_info
from shared_code.files.image_strip import strip
from shared_code.files.image_types import MAX_EDGE, ImageInfo, ImageRejected, Optimized, Source, Variant, check_limits

__all__ = ["ImageInfo", "ImageRejected", "Optimized", "Variant", "inspect", "optimize"]

_log = logging.getLogger(__name__)


class Renderer(Protocol):
    """A pixel library: ``imaging_vips`` or ``imaging_pillow``."""

    def render(self, source: Source, info: ImageInfo, *, threads: int) -> tuple[Variant, Variant]:
        """The optimized variant and the thumbnail. Raises ImageRejected where the pixels cannot be decoded."""


def inspect(source: Source) -> ImageInfo:
    """What ``source`` (a file's path, or bytes) is, without decoding a pixel: milliseconds, whatever its header claims.

    Raises ImageRejected for anything but a sound JPEG, PNG, GIF or WebP, and over 100 megapixels a frame, 100 frames or 400
    megapixels in all frames together; OSError where the file cannot be read.
    """
    with opened(source) as data:
        info = read_info(data)
    check_limits(info.width, info.height, info.frames)
    return info


def optimize(source: Source, *, threads: int = 1, renderer: Renderer | None = None) -> Optimized:
    """Both variants of ``source`` by the rules of SPEC.md, section 4.

    ``threads`` is how many of libvips' own threads may work on one image; it holds for the process. Raises ImageRejected
    where trying again is useless; OSError and MemoryError pass through, trying again may help then.
    """
    info = inspect(source)
    optimized, thumbnail = (renderer or _renderer(info)).render(source, info, threads=threads)
    original = None if _needs_change(info) else _stripped(source, info)
    width, height = info.displayed
    if original is None or original.size > optimized.size:
        return Optimized(width, height, optimized, thumbnail)
    return Optimized(width, height, original, thumbnail, stripped=True)


def _needs_change(info: ImageInfo) -> bool:
    """Whether the original's own pixels would be shown wrongly, or are more than the optimized variant may have."""
    foreign = info.cmyk or (info.icc is not None and not image_icc.is_srgb(info.icc))
    return foreign or info.orientation != 1 or max(info.width, info.height) > MAX_EDGE


def _stripped(source: Source, info: ImageInfo) -> Variant | None:
    """The original without metadata; None where its end is missing although every pixel could be decoded."""
    try:
        with opened(source) as data:
            return Variant(strip(data, info.format), info.format, info.width, info.height)
    except ImageRejected:
        return None


def _renderer(info: ImageInfo) -> Renderer:
    """libvips, but Pillow where it is missing, and for animated PNGs, of which libvips knows the first frame only."""
    vips = _vips()
    if vips is None or (info.animated and info.format == "image/png"):
        from shared_code.files import imaging_pillow

        return imaging_pillow
    return vips


@cache
def _vips() -> Renderer | None:
    try:
        from shared_code.files import imaging_vips
    except (ImportError, OSError) as error:  # OSError: pyvips is there, the shared library is not
        _log.warning("libvips is missing, images are made with Pillow, which takes up to twice as long: %s", error)
        return None
    return imaging_vips
