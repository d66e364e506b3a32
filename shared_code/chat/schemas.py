"""Chat's requests and responses, as OpenAPI shows them."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from shared_code import dollars
from shared_code.clock import rfc3339

from . import models
from .attachments import MAX_ATTACHMENTS
from .conversations import MAX_SYSTEM, MAX_TITLE
from .search import Found, Hit

MAX_CONTENT = 256_000
"""Characters: more than an answer may have, and such that a page of the longest stays within tens of megabytes."""


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the character U+0000 cannot be stored")
    return text


Id = Annotated[str, Field(min_length=1, max_length=64)]
Title = Annotated[str, Field(min_length=1, max_length=MAX_TITLE), AfterValidator(_storable)]
ModelName = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_storable)]
System = Annotated[str, Field(max_length=MAX_SYSTEM, description="the system prompt"), AfterValidator(_storable)]
Content = Annotated[str, Field(max_length=MAX_CONTENT), AfterValidator(_storable)]
Attached = Annotated[list[Id], Field(max_length=MAX_ATTACHMENTS, description="ids of files of yours: images, or plain text")]
ClientId = Annotated[
    str, Field(min_length=1, max_length=128, description="made up by the client: sent again, it leads to what it first led to")
]
Stream = Annotated[bool, Field(description="`false`: answer with JSON when the answer is complete")]


class ConversationRequest(BaseModel):
    title: Title | None = None
    model: ModelName | None = Field(default=None, description="for messages that name none; left out: the default model")
    system: System | None = None


class ConversationChange(BaseModel):
    """Only what is there is changed. `title: null` has the next answer name it; `model` and `system` can be taken back by null."""

    title: Title | None = None
    model: ModelName | None = None
    system: System | None = None
    archived: bool | None = None
    head_id: Id | None = Field(None, description="the message that is shown last; new ones follow it")


class AskRequest(BaseModel):
    content: Content
    parent_id: Id | None = Field(None, description="what it follows; left out: what is shown last")
    model: ModelName | None = None
    attachments: Attached = []
    client_id: ClientId | None = None
    stream: Stream = True

    @model_validator(mode="after")
    def _says_something(self) -> "AskRequest":
        if not self.content.strip() and not self.attachments:
            raise ValueError("a message needs content or attachments")
        return self


class EditRequest(BaseModel):
    content: Content
    model: ModelName | None = None
    attachments: Attached | None = Field(None, description="left out: those of the message that is edited")
    client_id: ClientId | None = None
    stream: Stream = True

    @model_validator(mode="after")
    def _says_something(self) -> "EditRequest":
        if not self.content.strip() and not self.attachments:
            raise ValueError("a message needs content, or attachments that are named with it")
        return self


class RegenerateRequest(BaseModel):
    model: ModelName | None = None
    client_id: ClientId | None = None
    stream: Stream = True


class ConversationResponse(BaseModel):
    id: str
    title: str | None = Field(description="null until it was given or, after the first answer, made")
    model: str | None
    system: str | None
    archived: bool
    head_id: str | None
    created_at: str
    updated_at: str


class ConversationList(BaseModel):
    items: list[ConversationResponse]
    next_cursor: str | None


class UsageResponse(BaseModel):
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    total_tokens: int
    cost: dollars.Usd
    estimated: bool = Field(description="the model's server did not say: counted by us")


class ErrorResponse(BaseModel):
    kind: str
    code: str
    detail: str


class MessageResponse(BaseModel):
    id: str
    conversation_id: str
    parent_id: str | None
    role: models.Role
    content: str
    model: str | None
    status: models.Status
    usage: UsageResponse | None
    finish_reason: str | None = Field(description="`stop`, `length`, `content_filter`, or `stopped` by its reader")
    error: ErrorResponse | None
    attachments: list[str]
    created_at: str


class MessageList(BaseModel):
    items: list[MessageResponse]
    next_cursor: str | None


class AnswerResponse(BaseModel):
    user_message: MessageResponse
    assistant_message: MessageResponse


class HitResponse(BaseModel):
    conversation_id: str
    title: str | None
    message_id: str | None = Field(description="null where the conversation's title was found")
    role: models.Role | None
    snippet: str
    created_at: str


class SearchLimits(BaseModel):
    """What was looked through. Nothing else was left out."""

    messages_searched: int
    messages_waiting: int = Field(description="too new: not in the index yet, and too many to look at one by one")
    messages_dropped: int = Field(description="too old: the index holds about 16 million characters")
    messages_cut: int = Field(description="of these only the first 20,000 characters were looked through")
    titles_searched: int
    older_titles: bool = Field(description="there are older conversations, whose titles were not: the newest 500 are, and as many archived")


class SearchResponse(BaseModel):
    items: list[HitResponse]
    next_cursor: str | None
    limits: SearchLimits


def conversation_fields(found: models.Conversation) -> dict[str, Any]:
    """A conversation as ConversationResponse describes it."""
    return {
        "id": found.id,
        "title": found.title,
        "model": found.model,
        "system": found.system,
        "archived": found.archived,
        "head_id": found.head_id,
        "created_at": rfc3339(found.created_at),
        "updated_at": rfc3339(found.updated_at),
    }


def message_fields(found: models.Message) -> dict[str, Any]:
    """A message as MessageResponse describes it; built by hand, since lists make up to 100 of them."""
    usage, error = found.usage, found.error
    return {
        "id": found.id,
        "conversation_id": found.conversation_id,
        "parent_id": found.parent_id,
        "role": found.role,
        "content": found.content,
        "model": found.model,
        "status": found.status,
        "usage": usage
        and {
            "input_tokens": usage.input_tokens,
            "cached_tokens": usage.cached_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "cost": dollars.usd(usage.cost_micro),
            "estimated": usage.estimated,
        },
        "finish_reason": found.finish_reason,
        "error": error and {"kind": error.kind, "code": error.code, "detail": error.detail},
        "attachments": list(found.attachments),
        "created_at": rfc3339(found.created_at),
    }


def search_fields(found: Found, next_cursor: str | None) -> dict[str, Any]:
    limits = {
        "messages_searched": found.messages,
        "messages_waiting": found.waiting,
        "messages_dropped": found.dropped,
        "messages_cut": found.cut,
        "titles_searched": found.titles,
        "older_titles": found.older_titles,
    }
    return {"items": [_hit(hit) for hit in found.hits], "next_cursor": next_cursor, "limits": limits}


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "conversation_id": hit.conversation.id,
        "title": hit.conversation.title,
        "message_id": hit.message_id,
        "role": hit.role,
        "snippet": hit.snippet,
        "created_at": rfc3339(hit.at),
    }


Format = Literal["json", "markdown"]
