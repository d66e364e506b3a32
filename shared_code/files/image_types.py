"""What the image code says and returns, and the limits it holds (SPEC.md, section 4). Imports no image library."""

from dataclasses import dataclass
from os import PathLike
from typing import Literal

from shared_code.errors import LydianError

MAX_PIXELS = 100_000_000
"""Pixels of one frame."""
MAX_FRAMES = 100
MAX_ANIMATION_PIXELS = 400_000_000
"""Pixels of all frames together: one hundred frames of 2000×2000. Frames are streamed, so this bounds time, not memory."""
MAX_EDGE = 2000
THUMBNAIL_EDGE = 320
QUALITY = 85

Format = Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
Source = str | PathLike[str] | bytes
"""A local file, or its bytes."""


class ImageRejected(LydianError):
    """The image can never be processed: retrying is useless. ``message`` is a sentence for the person who uploaded it."""

    code = "image_rejected"


def corrupt(detail: str = "its contents cannot be decoded") -> ImageRejected:
    return ImageRejected(f"The image is corrupt: {detail}.")


def truncated() -> ImageRejected:
    return ImageRejected("The image is truncated: the file ends before the picture does.")


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the header says, before any pixel is decoded. ``width`` and ``height`` are as stored, before ``orientation``.

    ``icc`` is the embedded colour profile, ``cmyk`` is true where the pixels are no RGB or grey at all. ``orientation`` is
    EXIF's 1 to 8; an animation has 1, since no decoder turns animations.
    """

    format: Format
    width: int
    height: int
    frames: int = 1
    orientation: int = 1
    icc: bytes | None = None
    cmyk: bool = False

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height as a person sees them: orientations 5 to 8 lie on their side."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    @property
    def animated(self) -> bool:
        return self.frames > 1


@dataclass(frozen=True, slots=True)
class Variant:
    data: bytes
    content_type: Format
    width: int
    height: int

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Optimized:
    """``width`` and ``height`` are the original's as displayed. ``stripped`` tells that ``optimized`` is the original without metadata."""

    width: int
    height: int
    optimized: Variant
    thumbnail: Variant
    stripped: bool = False


def check_limits(width: int, height: int, frames: int) -> None:
    """Raises ImageRejected over a limit, naming it, or where a side is zero."""
    if width <= 0 or height <= 0:
        raise corrupt("it says that it has no pixels")
    if width * height > MAX_PIXELS:
        megapixels = -(-width * height // 1_000_000)
        raise ImageRejected(f"The image is too large: {width}×{height} is {megapixels} megapixels, the limit is {MAX_PIXELS // 1_000_000}.")
    if frames > MAX_FRAMES:
        raise ImageRejected(f"The animation is too long: it has more than {MAX_FRAMES} frames.")
    if frames > 1 and width * height * frames > MAX_ANIMATION_PIXELS:
        raise ImageRejected(
            f"The animation is too large: {frames} frames of {width}×{height} exceed {MAX_ANIMATION_PIXELS // 1_000_000} megapixels."
        )


def fitted(width: int, height: int, edge: int) -> tuple[int, int]:
    """The size that fits in ``edge``×``edge`` without enlarging; no side falls below one pixel."""
    longest = max(width, height)
    if longest <= edge:
        return width, height
    return max(1, round(width * edge / longest)), max(1, round(height * edge / longest))
