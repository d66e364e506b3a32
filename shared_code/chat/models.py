"""What chat talks about: conversations, messages, and how an answer ends. Money is in micro-dollars, as integers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Role = Literal["user", "assistant"]
Status = Literal["complete", "streaming", "stopped", "failed"]

MAX_ANSWER = 240_000
"""Characters of an answer: what one table row (1 MiB) holds while it grows, whatever alphabet. Longer ones end with ``length``."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and cost of one answer. ``estimated``: the model's server did not say, as when it was cut."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_micro: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an answer failed. ``kind`` names the domain error (``failures.py``), ``code`` and ``detail`` are its answer's."""

    kind: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Message:
    """``content`` is the text so far while ``status`` is ``streaming``. ``beat_at``: when its writer was last heard of;
    ``run``: that writer's entry in the list of running answers; ``blob``: where a long content is."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    content: str
    created_at: datetime
    model: str | None = None
    status: Status = "complete"
    usage: Usage | None = None
    finish_reason: str | None = None
    error: Failure | None = None
    attachments: tuple[str, ...] = ()
    blob: str = ""
    beat_at: datetime | None = None
    run: str = ""
    stop: bool = False
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """``titled_by``: who gave the title: "" while there is none, ``model``, or ``user``, which wins. ``segments``: how many
    stretches of its tree were begun (``tree.py``). ``activity``: its place in the list, an id made at its last message."""

    id: str
    owner_id: str
    title: str | None
    model: str | None
    system: str | None
    archived: bool
    head_id: str | None
    created_at: datetime
    updated_at: datetime
    activity: str
    titled_by: str = ""
    segments: int = 0
    etag: str = ""
