"""The beginning of a stream: one that breaks off, or fails, before its first piece can still be had from another model."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from .frames import data_of, object_of
from .ports import Answer, NoAnswer, Refusal


class Begun:
    """An Answer whose first piece has been asked for already."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self._chunks = answer, answer.chunks()
        self.first = asyncio.ensure_future(_first(self._chunks))

    @property
    def content_type(self) -> str:
        return self._answer.content_type

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            chunk = await self.first
            if chunk is not None:
                yield chunk
            async for chunk in self._chunks:
                yield chunk
        finally:
            await self._chunks.aclose()

    async def read(self, limit: int, growing: Callable[[int], None] | None = None) -> bytes:
        return await self._answer.read(limit, growing)

    async def aclose(self) -> None:
        self.first.cancel()
        await asyncio.wait({self.first})
        if not self.first.cancelled():
            self.first.exception()  # who closes it early has no use for it
        await self._chunks.aclose()
        await self._answer.aclose()


async def begun(answer: Answer, within: float) -> Begun:
    """The answer, once its first piece is there or has not come for so many seconds. Raises NoAnswer for a stream that ends or breaks
    off before, and Refusal for one that begins with an error."""
    found = Begun(answer)
    try:
        await asyncio.wait({found.first}, timeout=within)
        if found.first.done():
            chunk = found.first.result()
            if chunk is None:
                raise NoAnswer("its stream ended before it began")
            if b'"error"' in chunk[:200]:
                _refuse(chunk, event=answer.content_type.startswith("text/event-stream"))
    except BaseException:
        await found.aclose()
        raise
    return found


async def _first(chunks: AsyncGenerator[bytes, None]) -> bytes | None:
    async for chunk in chunks:
        return chunk
    return None


def _refuse(chunk: bytes, *, event: bool) -> None:
    """Raises Refusal for a first event that is an error: what would have been its status came too late to be one. Or for a whole
    answer that is one, in place of the stream."""
    frame, _, _ = chunk.partition(b"\n\n")
    found = object_of(data_of(frame + b"\n\n") if event else chunk)
    if found is not None and found.get("type") == "error" and "error" not in found:  # as the Responses API says it
        found = {"error": {name: found.get(name) for name in ("message", "code", "param")}}
    if found is not None:
        refuse_error(found)


def refuse_error(answer: Mapping[str, Any]) -> None:
    """Raises Refusal for an error that some servers send under the status of a success."""
    error = answer.get("error")
    if error and not any(answer.get(name) for name in ("choices", "output", "data", "status")):
        raise Refusal(500, error if isinstance(error, dict) else {"message": str(error)})
