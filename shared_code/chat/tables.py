"""Rows of chat. A user is the partition, so that a message, its conversation and the list of them change in one batch.

===========================  ====================================================================================
``c:<conversation>``         a conversation
``a:<0|1>:<inverted id>``    the same once more, at its place in the list of those (not) archived, newest activity first
``m:<conversation>:<place>`` a message; the place is its segment and depth, four characters each (``tree.py``)
``s:<conversation>:<seg>``   how a segment hangs together with those before it
``k:<conversation>:<hash>``  what a ``client_id`` has led to
``i:<id>``                   a message that search has not taken into its index yet
``x``                        which blobs are the index
===========================  ====================================================================================
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from shared_code import ids
from shared_code.storage.ports import Row, Upsert, Value

from .models import MAX_ANSWER, Conversation, Failure, Message, Role, Status, Usage
from .tree import Place, place_of

CHATS, WORK = "chats", "chatwork"
CONTAINER = "chat"
INDEX_KEY, PENDING = "x", "i:"
REMAINS = "remains"
"""Partition of ``chatwork``: conversations of which something may be left over."""
SHARDS = 4

PIECE = 16_000
"""Characters of a content's one property: in any alphabet within Azure's 32 Ki UTF-16 code units. A longer content is a blob, but
one that still grows is spread over several properties: writing on then costs one merge of the last of them."""
PIECES = MAX_ANSWER // PIECE


def conversation_key(conversation_id: str) -> str:
    return f"c:{conversation_id}"


def list_prefix(archived: bool) -> str:
    return f"a:{int(archived)}:"


def list_key(conversation: Conversation) -> str:
    return f"{list_prefix(conversation.archived)}{ids.inverted(conversation.activity)}"


def messages_prefix(conversation_id: str) -> str:
    return f"m:{conversation_id}:"


def message_key(conversation_id: str, place: Place) -> str:
    return f"m:{conversation_id}:{ids.encode(place.segment, 4)}{ids.encode(place.depth, 4)}"


def segment_key(conversation_id: str, segment: int) -> str:
    return f"s:{conversation_id}:{ids.encode(segment, 4)}"


def client_key(conversation_id: str, client_id: str) -> str:
    return f"k:{conversation_id}:{hashlib.sha256(client_id.encode()).hexdigest()}"


def pending(message: Message) -> Upsert:
    """That search has yet to take a message into its index."""
    return Upsert(f"{PENDING}{message.id}", {"conversation_id": message.conversation_id, "message_id": message.id})


def running_partition(user_id: str) -> str:
    return f"running:{hashlib.sha256(user_id.encode()).digest()[0] % SHARDS}"


def key_of(message: Message) -> str:
    place = place_of(message.id)
    assert place is not None
    return message_key(message.conversation_id, place)


def blob_prefix(user_id: str, conversation_id: str) -> str:
    return f"{user_id}/{conversation_id}/"


def conversation_values(found: Conversation) -> dict[str, Value]:
    return {
        "v": 1,
        "id": found.id,
        "title": found.title,
        "titled_by": found.titled_by,
        "model": found.model,
        "system": found.system,
        "archived": found.archived,
        "head_id": found.head_id,
        "segments": found.segments,
        "activity": found.activity,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


def to_conversation(row: Row) -> Conversation:
    values = cast(Mapping[str, Any], row.values)
    return Conversation(
        id=values["id"],
        owner_id=row.partition,
        title=values.get("title"),
        titled_by=values["titled_by"],
        model=values.get("model"),
        system=values.get("system"),
        archived=values["archived"],
        head_id=values.get("head_id"),
        segments=values["segments"],
        activity=values["activity"],
        created_at=values["created_at"],
        updated_at=values["updated_at"],
        etag=row.etag,
    )


def text_values(text: str, begin: int = 0) -> dict[str, Value]:
    """The properties that hold ``text`` from character ``begin`` on, which is the first of a piece."""
    return {f"text{(begin + at) // PIECE}": text[at : at + PIECE] for at in range(0, len(text), PIECE)}


def message_values(message: Message) -> dict[str, Value]:
    """Everything; the content only where it is in no blob."""
    usage = json.dumps(asdict(message.usage), separators=(",", ":")) if message.usage else None
    error = json.dumps(asdict(message.error), separators=(",", ":")) if message.error else None
    return {
        "v": 1,
        "id": message.id,
        "parent_id": message.parent_id,
        "role": message.role,
        "model": message.model,
        "status": message.status,
        "usage": usage,
        "finish_reason": message.finish_reason,
        "error": error,
        "attachments": " ".join(message.attachments) or None,
        "created_at": message.created_at,
        "blob": message.blob or None,
        "beat_at": message.beat_at,
        "run": message.run or None,
        "stop": message.stop or None,
        **({} if message.blob else text_values(message.content)),
    }


def to_message(row: Row) -> Message:
    """The message; ``content`` is empty where it is in a blob."""
    values = cast(Mapping[str, Any], row.values)
    usage, error = values.get("usage"), values.get("error")
    return Message(
        id=values["id"],
        conversation_id=row.key.split(":")[1],
        parent_id=values.get("parent_id"),
        role=cast(Role, values["role"]),
        content="".join(values.get(f"text{n}", "") for n in range(PIECES)),
        created_at=values["created_at"],
        model=values.get("model"),
        status=cast(Status, values["status"]),
        usage=Usage(**json.loads(usage)) if usage else None,
        finish_reason=values.get("finish_reason"),
        error=Failure(**json.loads(error)) if error else None,
        attachments=tuple(values.get("attachments", "").split()),
        blob=values.get("blob", ""),
        beat_at=cast("datetime | None", values.get("beat_at")),
        run=values.get("run", ""),
        stop=values.get("stop", False),
        etag=row.etag,
    )
