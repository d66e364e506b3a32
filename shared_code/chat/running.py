"""An answer while it is written: a task of its own, which goes on when nobody listens.

Its text is stored as it grows, at most twice a second, by merging the last piece only. The row's ETag tells whether somebody
else has touched it: to have it stopped, or because they take us for dead. Readers in this process hear each piece at once; all
others read the row (``following.py``).
"""

import asyncio
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from shared_code.clock import Clock
from shared_code.errors import Busy, LydianError, RateLimited, UpstreamTimeout
from shared_code.storage.ports import EtagMismatch, Merge, Missing, Tables, Value

from .failures import to_failure
from .finishing import BEAT, Finishing
from .models import MAX_ANSWER, Message, Status
from .ports import Answer, Answers, End, Prompt
from .tables import CHATS, PIECE, key_of, text_values

log = structlog.get_logger("lydian.chat")

FLUSH = 0.5
"""Seconds between two writes of a growing text, and between two looks whether it is to be stopped."""
MAX_SECONDS = 9 * 60.0
"""The longest that an answer may take: the host ends a function, and its process, after ten minutes."""
CONTENT_FILTER = "content_filter"
MAX_RUNNING = 500
"""Answers that one process writes at a time."""
MAX_OF_ONE = 20
"""Of them for one user: nobody's answers shall be all that a process writes, nor their attachments all that it holds."""


@dataclass(slots=True)
class _Ending:
    status: Status = "complete"
    error: BaseException | None = None
    finish_reason: str | None = None


class Run:
    """One answer under way."""

    def __init__(self, owner_id: str, message: Message) -> None:
        self.owner_id, self.message = owner_id, message
        self.final: Message | None = None
        self.over = False
        self.stopping = asyncio.Event()
        self.length = 0
        self._text = io.StringIO()
        self._changed = asyncio.Event()

    def add(self, text: str) -> None:
        self._text.seek(0, io.SEEK_END)
        self._text.write(text)
        self.length += len(text)
        self.notify()

    def text(self, begin: int = 0) -> str:
        """The text from character ``begin`` on."""
        if begin >= self.length:
            return ""
        self._text.seek(begin)
        return self._text.read()

    def notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self) -> None:
        """Wait until there is more text, or its end."""
        await self._changed.wait()


class Runs:
    def __init__(self, *, tables: Tables, clock: Clock, answers: Answers, finishing: Finishing, flush: float = FLUSH) -> None:
        """``flush``: seconds between two writes."""
        self._tables, self._clock, self._answers, self._finishing, self._flush = tables, clock, answers, finishing, flush
        self._running: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, message_id: str) -> Run | None:
        """The run, if this process writes it. Others may: this only shortens the way."""
        return self._running.get(message_id)

    def room(self, owner_id: str) -> None:
        """Raises Busy when this process writes as many answers as it may, and RateLimited when it writes as many of this user's."""
        if len(self._running) >= MAX_RUNNING:
            raise Busy("Too many answers are being written at once.")
        if sum(run.owner_id == owner_id for run in self._running.values()) >= MAX_OF_ONE:
            message = f"{MAX_OF_ONE} answers of yours are being written: wait for one, or stop one."
            raise RateLimited(message, retry_after=5, code="too_many_answers")

    def start(self, owner_id: str, message: Message, prompt: Callable[[], Awaitable[Prompt]]) -> Run:
        """Begin the answer ``message``, which is stored and empty. ``prompt`` is made by its task."""
        run = Run(owner_id, message)
        self._running[message.id] = run
        task = asyncio.create_task(self._run(run, prompt))
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        return run

    async def drain(self) -> None:
        """Wait until every answer has ended. For tests."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, run: Run, prompt: Callable[[], Awaitable[Prompt]]) -> None:
        keeper = _Keeper(self._tables, self._clock, self._finishing, run, self._flush)
        try:
            await self._write(run, prompt, keeper)
        except Missing:
            log.info("answer_dropped", message_id=run.message.id)  # its conversation was deleted
        except Exception:
            log.exception("answer_not_stored", message_id=run.message.id)  # the sweep will end it
        finally:
            run.over = True
            self._running.pop(run.message.id, None)
            run.notify()

    async def _write(self, run: Run, prompt: Callable[[], Awaitable[Prompt]], keeper: "_Keeper") -> None:
        open_answers: list[Answer] = []
        consuming = asyncio.create_task(self._consume(run, prompt, open_answers))
        keeping, stopping = asyncio.create_task(keeper.keep()), asyncio.create_task(run.stopping.wait())
        try:
            await asyncio.wait({consuming, keeping, stopping}, timeout=MAX_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if consuming.done():
                ending = consuming.result()
            elif keeping.done() and isinstance(error := keeping.exception(), Exception) and not isinstance(error, Missing):
                log.error("answer_not_kept", message_id=run.message.id, exc_info=error)
                ending = _Ending("failed", error)
            elif keeping.done() or stopping.done():
                ending = _Ending("stopped", finish_reason="stopped")
            else:
                ending = _Ending("failed", UpstreamTimeout(f"The answer took longer than {MAX_SECONDS:.0f} seconds."))
        finally:
            await _cancelled(consuming, keeping, stopping)
        end = await _close(open_answers)
        if keeping.done() and not keeping.cancelled() and keeping.exception() is None and keeping.result() is not None:
            run.final = keeping.result()  # somebody else has ended it
            return
        message = replace(
            keeper.message,
            content=run.text(),
            status=ending.status,
            model=end.model or keeper.message.model,
            usage=end.usage,
            finish_reason=ending.finish_reason or end.finish_reason or _reason(ending.error),
            error=to_failure(ending.error) if ending.error else None,
        )
        run.final = await self._finishing.finish(run.owner_id, message)

    async def _consume(self, run: Run, prompt: Callable[[], Awaitable[Prompt]], opened: list[Answer]) -> _Ending:
        try:
            answer = await self._answers.ask(await prompt())
            opened.append(answer)
            async for text in answer.texts():
                run.add(text.replace("\x00", "")[: MAX_ANSWER - run.length])
                if run.length >= MAX_ANSWER:
                    return _Ending(finish_reason="length")
        except LydianError as error:
            return _Ending("failed", error)
        except Exception as error:
            log.exception("answer_failed", message_id=run.message.id)
            return _Ending("failed", error)
        return _Ending()


class _Keeper:
    """Stores the text as it grows, and looks whether the answer is still ours."""

    def __init__(self, tables: Tables, clock: Clock, finishing: Finishing, run: Run, flush: float) -> None:
        self._tables, self._clock, self._finishing, self._run, self._flush = tables, clock, finishing, run, flush
        self.message = run.message
        self._stored = 0

    async def keep(self) -> Message | None:
        """Return None when the answer is to be stopped, and the message when somebody else has ended it; Missing when it is gone."""
        while True:
            await asyncio.sleep(self._flush)
            try:
                found = await self._look()
            except Missing:
                raise
            except LydianError:
                continue  # storage is away: what is not stored now is stored next time
            if found.status != "streaming":
                return found
            if found.stop:
                return None

    async def _look(self) -> Message:
        now, length = self._clock.now(), self._run.length
        if length == self._stored and not self._beat_due(now):
            return await self._refreshed()
        begin = self._stored - self._stored % PIECE
        values: dict[str, Value] = {**text_values(self._run.text(begin), begin), "beat_at": now}
        try:
            etag = await self._tables.apply(CHATS, self._run.owner_id, Merge(key_of(self.message), values, self.message.etag))
        except EtagMismatch:
            return await self._refreshed()  # and written with the new ETag next time
        self._stored = length
        self.message = replace(self.message, etag=etag, beat_at=now)
        return self.message

    def _beat_due(self, now: datetime) -> bool:
        return self.message.beat_at is None or now - self.message.beat_at >= BEAT

    async def _refreshed(self) -> Message:
        self.message = await self._finishing.current(self._run.owner_id, self.message)
        return self.message


def _reason(error: BaseException | None) -> str | None:
    """A prompt that is filtered is an error (Azure), an answer that is filtered is an end: readers look at one field."""
    return CONTENT_FILTER if isinstance(error, LydianError) and error.code == CONTENT_FILTER else None


async def _cancelled(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _close(opened: Sequence[Answer]) -> End:
    """What the answer used; nothing where none was begun, and unknown where even its end fails."""
    try:
        return await opened[0].close() if opened else End(None, None, None)
    except Exception:
        log.exception("answer_not_settled")
        return End(None, None, None)
