"""What callers write: file names, folders and metadata, made safe or refused."""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from shared_code.errors import InvalidInput

MAX_FILENAME_BYTES = 255
MAX_METADATA_BYTES = 8 * 1024
MAX_FOLDER_BYTES = 512
_LONGEST = 2000  # characters of a name that are looked at

# Line and paragraph separators, and the marks that turn text around (a name could hide its true extension).
_INVISIBLE = re.compile(r"[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


def safe_filename(name: str | None) -> str:
    """The name without paths, control and direction characters, at most 255 bytes of UTF-8 with its extension kept."""
    name = re.split(r"[/\\]", (name or "").encode("utf-8", "ignore").decode())[-1]
    if len(name) > _LONGEST:  # of which 255 bytes are kept: composing takes time that grows with the square of a length
        name = name[:_LONGEST] + name[-32:]
    name = "".join(character for character in name if unicodedata.category(character) != "Cc")
    # Composed last: what stood between a letter and its accent has gone.
    name = unicodedata.normalize("NFC", _INVISIBLE.sub("", name)).strip()
    if not name.strip(". "):
        return "file"
    if len(name.encode()) <= MAX_FILENAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem or len(extension.encode()) > 16:
        stem, extension = name, ""
    ending = f".{extension}" if extension else ""
    return safe_filename(_cut(stem, MAX_FILENAME_BYTES - len(ending.encode())) + ending)  # the cut may end in a space


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode("utf-8", "ignore")


def safe_folder(path: str | None) -> str:
    """The folder with one slash at each end and between its names; raises InvalidInput for ``..`` and control characters."""
    if len(path or "") > MAX_FOLDER_BYTES:
        raise _long_folder()
    parts = [part for part in (path or "/").replace("\\", "/").split("/") if part not in ("", ".")]
    folder = unicodedata.normalize("NFC", "/" + "".join(f"{part}/" for part in parts))
    if ".." in parts or any(unicodedata.category(character) in ("Cc", "Cs") for character in folder):
        raise InvalidInput(
            "A folder is a path like /photos/2026, without '..' and control characters.", loc=("body", "folder"), code="invalid_folder"
        )
    if len(folder.encode()) > MAX_FOLDER_BYTES:
        raise _long_folder()
    return folder


def _long_folder() -> InvalidInput:
    return InvalidInput(f"A folder has at most {MAX_FOLDER_BYTES} bytes.", loc=("body", "folder"), code="invalid_folder")


def checked_metadata(value: Any) -> Mapping[str, Any]:
    """A JSON object of at most 8 KiB; raises InvalidInput."""
    if not isinstance(value, dict):
        raise _bad_metadata("metadata is a JSON object.")
    try:
        size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode())
    except (ValueError, RecursionError):
        raise _bad_metadata("metadata holds what JSON cannot.") from None
    if size > MAX_METADATA_BYTES:
        raise _bad_metadata(f"metadata has {size} bytes; {MAX_METADATA_BYTES} are allowed.")
    return value


def _bad_metadata(message: str) -> InvalidInput:
    return InvalidInput(message, loc=("body", "metadata"), code="invalid_metadata")


def human_size(size: int) -> str:
    """Bytes for people, in steps of 1000 as storage is sold: "1.2 GB"."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB", "PB"]
    unit = units.pop(0)
    while value >= 999.95 and units:
        value, unit = value / 1000, units.pop(0)
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
