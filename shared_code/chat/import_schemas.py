"""What an import may hold. It comes from anywhere: every value is checked as if nobody had exported it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from shared_code.dollars import MicroDollars

from .attachments import MAX_ATTACHMENTS
from .exporting import FORMAT
from .models import Role, Status
from .schemas import Content, Id, ModelName, System, Title

MAX_BYTES = 8 * 1024 * 1024
"""Of an import's body."""
MAX_MESSAGES = 10_000
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MOST = 10**12
"""Tokens, micro-dollars: within what can be added up."""

Count = Annotated[int, Field(ge=0, le=MOST, strict=True)]
Word = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_.:-]*$")]
FileId = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


def _moment(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("an RFC 3339 time is wanted")
    return value


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None or value < EARLIEST:
        raise ValueError("a time with its zone, and of this century, is wanted")
    return value


Moment = Annotated[datetime, BeforeValidator(_moment), AfterValidator(_aware)]


class ImportedUsage(BaseModel):
    input_tokens: Count = 0
    cached_tokens: Count = 0
    output_tokens: Count = 0
    cost: MicroDollars = 0
    estimated: bool = False


class ImportedError(BaseModel):
    kind: Word = "error"
    code: Word
    detail: Annotated[str, Field(max_length=2000)] = ""


class ImportedMessage(BaseModel):
    id: Id
    parent_id: Id | None = None
    role: Role
    content: Content
    model: ModelName | None = None
    status: Status = "complete"
    usage: ImportedUsage | None = None
    finish_reason: Word | None = None
    error: ImportedError | None = None
    attachments: Annotated[list[FileId], Field(max_length=MAX_ATTACHMENTS)] = []
    created_at: Moment


class ImportedConversation(BaseModel):
    title: Title | None = None
    titled_by: Literal["", "model", "user"] = "user"
    model: ModelName | None = None
    system: System | None = None
    archived: bool = False
    head_id: Id | None = None
    created_at: Moment | None = Field(None, description="left out: now")


class ImportRequest(BaseModel):
    """What an export as JSON is. Members that are not known are ignored."""

    format: Literal["lydian-chat"] = Field(description=FORMAT)
    version: Literal[1]
    conversation: ImportedConversation
    messages: Annotated[list[ImportedMessage], Field(max_length=MAX_MESSAGES)]
