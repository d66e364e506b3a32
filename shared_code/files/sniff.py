"""Decides a file's type from its bytes, as they pass by: magic numbers first, and a text check for what has none.

The client's header is no evidence. Text needs the whole file, since the byte that makes it something else may come last.
"""

import codecs
import re

HEAD_BYTES = 4096
"""``sniff`` never needs more than this many of the first bytes."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_PDF = re.compile(rb"%PDF-[12]\.[0-9]")
"""At offset 0 only: readers that look further in make polyglots possible (ISO 32000-2, 7.5.2 puts it first)."""

_MP4_BRANDS = frozenset(
    brand.encode()
    for brand in (
        *("isom", "iso2", "iso3", "iso4", "iso5", "iso6", "iso7", "iso8", "iso9"),
        *("mp41", "mp42", "mp71", "avc1", "hvc1", "hev1", "av01", "MSNV", "M4V ", "M4VH", "M4VP", "dash", "cmfc", "cmf2"),
        *("f4v ", "F4V ", "NDSC", "NDSH", "XAVC", "MSDH", "mmp4"),
    )
)
"""Of the MP4 registration authority (mp4ra.org) and the common cameras, for video in MPEG-4 files."""
_FOREIGN_BRANDS = frozenset(
    (b"qt  ", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis", b"jxl ", b"crx ", b"M4A ", b"M4B ")
)
"""Major brands of other things in the same container: QuickTime, HEIF and AVIF stills, raw photos, sound alone."""


def sniff(head: bytes) -> str | None:
    """The media type that the first bytes prove, or None: text, or something unknown. At least 64 bytes if the file has them."""
    head = head[:HEAD_BYTES]
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if _PDF.match(head):
        return "application/pdf"
    return "video/mp4" if _is_mp4(head) else None


def _is_mp4(head: bytes) -> bool:
    """By the ``ftyp`` box: its major brand, or for one that says nothing a compatible one (ISO/IEC 14496-12, 4.3)."""
    size = int.from_bytes(head[:4], "big")
    if head[4:8] != b"ftyp" or size < 16 or size % 4:
        return False
    major = head[8:12]
    if major in _FOREIGN_BRANDS:
        return False
    compatible = {head[place : place + 4] for place in range(16, min(size, len(head)), 4)}
    return major in _MP4_BRANDS or bool(compatible & _MP4_BRANDS)


_MARKUP = re.compile(r"<[!?/A-Za-z]")
"""How HTML, XML and SVG begin: a tag, a declaration, a comment, an instruction (WHATWG MIME Sniffing, 7.1, and wider)."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f]")
"""C0 but tab, line feed, form feed and carriage return; DEL; and C1, which some terminals obey."""
_SPACE = " \t\r\n\f\ufeff"


class TextCheck:
    """Whether a stream of chunks is plain text: UTF-8, no control character, and not markup in disguise.

    The answer does not depend on where the chunks are cut. Memory is bounded by a chunk: no text is kept.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._start = ""
        self._started = False
        self._good = True

    @property
    def refused(self) -> bool:
        """True as soon as no further byte can make this plain text."""
        return not self._good

    def feed(self, chunk: bytes) -> None:
        if self._good:
            self._take(chunk, final=False)

    def finish(self) -> bool:
        """True for plain text. An empty stream is plain text too; that it is empty is another rule's business."""
        if self._good:
            self._take(b"", final=True)
        return self._good

    def _take(self, chunk: bytes, *, final: bool) -> None:
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            self._good = False
            return
        self._good = _CONTROLS.search(text) is None and not self._is_markup(text)

    def _is_markup(self, text: str) -> bool:
        """Looks at the first two characters that are no space: one decides nothing, "< 3" is text and "<a" is not."""
        if self._started:
            return False
        self._start = (self._start + text).lstrip(_SPACE)[:2]
        self._started = len(self._start) == 2
        return _MARKUP.match(self._start) is not None
