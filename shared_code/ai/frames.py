"""Frames of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), cut out of bytes and not rewritten."""

import json
import re
from typing import Any

MOST_BYTES = 16 * 1024 * 1024
"""Of one frame: a whole response with an image in it is one."""
DONE = b"data: [DONE]\n\n"
_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class TooLong(Exception):
    """A frame beyond MOST_BYTES."""


class Splitter:
    def __init__(self) -> None:
        self._rest = bytearray()
        self._seen = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The frames that are whole now, each with the empty line behind it. Raises TooLong."""
        if not self._rest and chunk.find(b"\n\n") == len(chunk) - 2 >= 0 and b"\r" not in chunk:
            return [chunk]  # as nearly all come
        self._rest += chunk
        frames, start = [], 0
        for match in _END.finditer(self._rest, max(0, self._seen - 3)):
            frames.append(bytes(self._rest[start : match.end()]))
            start = match.end()
        del self._rest[:start]
        self._seen = len(self._rest)
        if self._seen > MOST_BYTES:
            raise TooLong
        return frames

    @property
    def rest(self) -> bytes:
        """What came behind the last whole frame."""
        return bytes(self._rest)


def data_of(frame: bytes) -> bytes:
    """The frame's data; empty for a comment."""
    if frame.startswith(b"data: ") and frame.count(b"\n") == 2:
        return frame[6:-2]
    lines = [line[5:].removeprefix(b" ") for line in frame.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def object_of(data: bytes) -> dict[str, Any] | None:
    """The JSON object that the data is; None for anything else."""
    try:
        found = json.loads(data)
    except UnicodeDecodeError:  # clients show what is wrong in place of a broken character, and the rest
        return object_of(data.decode("utf-8", "replace").encode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"))
