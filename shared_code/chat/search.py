"""Finding conversations and messages: every word must occur, wherever in a word, in whatever case.

It looks through the user's index and what waits to be taken in, so that what was said a moment ago is found, and never shows
what has been deleted: each hit's conversation is looked up before it is shown. Titles are those of the newest 500 conversations, and of
the newest 500 archived ones.
"""

import asyncio
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared_code.errors import InvalidInput
from shared_code.storage.ports import Tables

from .conversations import Conversations
from .models import Conversation
from .search_index import Line, SearchIndex
from .tables import CHATS, list_prefix, to_conversation

MAX_WAITING = 200
MAX_TITLES = 1000
MAX_QUERY = 200
AT_ONCE = 4
"""Searches of one process: each has up to 16 million characters in memory, and a second's work."""
AROUND = 80
"""Characters on either side of the first word found that a snippet shows."""


@dataclass(frozen=True, slots=True)
class Hit:
    """``message_id`` is None where the title was found."""

    conversation: Conversation
    message_id: str | None
    role: str | None
    snippet: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """``messages`` were looked through; ``waiting`` more wait for the index and were not; ``dropped`` are too old for it; of
    ``cut`` only the beginning was looked through. ``titles`` were, and if there are ``older_titles``, those were not. ``position``:
    where the next page goes on, None at the end."""

    hits: Sequence[Hit]
    position: str | None
    messages: int
    waiting: int
    dropped: int
    cut: int
    titles: int
    older_titles: bool


class Search:
    def __init__(self, tables: Tables, conversations: Conversations, index: SearchIndex) -> None:
        self._tables, self._conversations, self._index = tables, conversations, index
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def find(self, owner_id: str, query: str, *, after: str | None, limit: int) -> Found:
        """Newest first: titles by their conversation's last activity, messages by when they were said. InvalidInput without a word."""
        words = fold(query).split()
        if not words or len(query) > MAX_QUERY:
            raise InvalidInput(f"A search takes words, of 1 to {MAX_QUERY} characters together.", loc=("query", "q"))
        async with self._at_once:
            return await self._find(owner_id, words, after, limit)

    async def _find(self, owner_id: str, words: Sequence[str], after: str | None, limit: int) -> Found:
        state, rows = await asyncio.gather(self._index.state(owner_id), self._index.waiting(owner_id, MAX_WAITING + 1))
        parts = await asyncio.gather(*(self._index.lines(part) for part in state.parts))
        known, older = await self._titles(owner_id)
        fresh = await self._index.lines_of(owner_id, rows[:MAX_WAITING])
        lines = {line.message_id: line for part in [*parts, fresh] for line in part}
        candidates = await asyncio.to_thread(_matching, words, list(lines.values()), known)
        hits: list[Hit] = []
        position = None
        named = {conversation.id: conversation for conversation in known}
        gone: set[str] = set()
        for key, line in candidates:
            if after is not None and key >= after:
                continue
            if len(hits) == limit:
                position = _key(hits[-1])
                break
            conversation = named.get(line.conversation_id)
            if conversation is None and line.conversation_id not in gone:
                conversation = await self._conversations.find(owner_id, line.conversation_id)
                if conversation is None:
                    gone.add(line.conversation_id)
                else:
                    named[conversation.id] = conversation
            if conversation is not None:
                at = datetime.fromtimestamp(line.at_ms / 1000, UTC)
                hits.append(Hit(conversation, line.message_id or None, line.role or None, snippet(line.text, words), at))
        return Found(
            hits=hits,
            position=position,
            messages=len(lines),
            waiting=await self._index.waiting_behind(owner_id, rows[MAX_WAITING - 1]) if len(rows) > MAX_WAITING else 0,
            dropped=state.dropped,
            cut=sum(line.cut for line in lines.values()),
            titles=len(known),
            older_titles=older,
        )

    async def _titles(self, owner_id: str) -> tuple[list[Conversation], bool]:
        """The newest conversations, archived ones too; and whether there are older ones."""
        most = MAX_TITLES // 2
        pages = await asyncio.gather(
            *(self._tables.query(CHATS, owner_id, prefix=list_prefix(archived), limit=most + 1) for archived in (False, True))
        )
        return [to_conversation(row) for rows in pages for row in rows[:most]], any(len(rows) > most for rows in pages)


def fold(text: str) -> str:
    """Text as it is compared (Unicode TR15, NFKC, and full case folding)."""
    return unicodedata.normalize("NFKC", text).casefold()


def snippet(text: str, words: Sequence[str]) -> str:
    """What surrounds the first place where a word occurs, on one line."""
    # Folding may change lengths: the place in the folded text is near enough for what people read.
    folded = fold(text)
    at = min((found for word in words if (found := folded.find(word)) >= 0), default=0)
    begin, end = max(0, at - AROUND), at + AROUND
    shown = " ".join(text[begin:end].split())
    return f"{'…' if begin else ''}{shown}{'…' if end < len(text) else ''}"


def _matching(words: Sequence[str], lines: Sequence[Line], known: Sequence[Conversation]) -> list[tuple[str, Line]]:
    """(position, line) of what has all the words, newest first."""
    titles = [Line(each.id, "", "", int(each.updated_at.timestamp() * 1000), each.title) for each in known if each.title]
    found = [line for line in (*lines, *titles) if all(word in fold(line.text) for word in words)]
    return sorted(
        ((_position(line.at_ms, line.conversation_id, line.message_id), line) for line in found), key=lambda each: each[0], reverse=True
    )


def _position(at_ms: int, conversation_id: str, message_id: str) -> str:
    return f"{at_ms:014d}:{conversation_id}:{message_id}"


def _key(hit: Hit) -> str:
    return _position(round(hit.at.timestamp() * 1000), hit.conversation.id, hit.message_id or "")
