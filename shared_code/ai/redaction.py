"""What a provider's words say of the operator's account with it, which is nobody's business: the rest of them is useful to callers."""

import re
from collections.abc import Mapping
from typing import Any

_IDS = re.compile(r"\b(org-|proj_)[A-Za-z0-9]{16,}")
"""OpenAI's organizations and projects: a rate limit's message names them. So long, that no word is taken for one."""
_IN_BYTES = re.compile(_IDS.pattern.encode())


def redacted(error: Mapping[str, Any]) -> dict[str, Any]:
    """Its texts are such as can be stored: half a UTF-16 pair, which JSON can hold, is no character."""
    return {name: _IDS.sub(r"\1***", _text(value)) if isinstance(value, str) else value for name, value in error.items()}


def _text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def redacted_frame(frame: bytes) -> bytes:
    """The same in an event's JSON, which is otherwise left as it is."""
    return _IN_BYTES.sub(rb"\1***", frame)
