"""The gateway: a request in OpenAI's form to whichever model answers it, paid for once, whatever becomes of it."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared_code.errors import Busy, UpstreamFailed, UpstreamTimeout

from . import requests
from .attempts import Attempts, to_domain
from .beginning import refuse_error
from .charge import Charge
from .directory import Directory
from .estimate import worst_case
from .models import Kind, Model, Spender, Usage
from .ports import Answer, Meter, NoAnswer, Refusal
from .reported import reported
from .requests import Request
from .room import Held, Room
from .streams import Stream
from .unpriced import unpriced
from .watching import ChatWatcher, ResponsesWatcher, Watcher

MOST_BYTES = 64 * 1024 * 1024
"""Of an answer in one piece: the embeddings of 2,048 texts are some 35 MB in base64."""
_INLINE = 256 * 1024
"""Bytes that are read as JSON, or weighed, on the event loop; more, in a thread: it may take a tenth of a second."""
# Behind the list of vectors nothing follows but texts and numbers: a vector's own text has no such marks unescaped.
_USAGE = re.compile(rb'\]\s*,(?:\s*"(?:object|model|id)"\s*:\s*"[^"\\]*"\s*,)*\s*"usage"\s*:\s*(\{[^{}\[\]]*\})[^{}\[\]]*\}\s*$')


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer in one piece, as the provider made it. ``held`` is released when it is sent."""

    body: bytes
    model: Model
    usage: Usage
    cost: int
    held: Held


class Gateway:
    def __init__(self, directory: Directory, attempts: Attempts, meter: Meter) -> None:
        self.directory = directory
        self._attempts, self._meter, self._room = attempts, meter, Room()

    async def answer(self, spender: Spender, request: Request) -> Whole | Stream:
        """Answer it, streamed if it asks for that. Raises NotFound ``model_not_found``, InvalidInput, what the meter refuses, Busy for an
        answer that is too large beside others, and what becomes of the provider's failures (``attempts.to_domain``); after a stream has
        begun, only its last event tells."""

        began = asyncio.get_running_loop().time()
        kind: Kind = "embedding" if request.operation == "embeddings" else "chat"
        model = await self.directory.find(request.model, kind, among=spender.limits.models if spender.limits is not None else None)
        request.check_limits(model)
        candidates = self.directory.candidates(model, sees=bool(model.fallbacks) and request.has_images)
        if request.size <= _INLINE:
            worst, extra = _worst(request, candidates)
        else:
            worst, extra = await asyncio.to_thread(_worst, request, candidates)
        hold = await self._meter.hold(spender, candidates, worst, unpriced=extra)
        charge = Charge(self._meter, hold, request.members, worst)
        try:
            used, answer = await self._attempts.open(request, hold.candidates or candidates, charge.trying)
            if request.stream:
                return await self._stream(request, used, answer, charge, began + self._attempts.timeouts.whole)
            return await self._whole(used, answer, charge)
        except (asyncio.CancelledError, UpstreamTimeout):
            # The provider has the request and may be working for it; what it says of its cost nobody will hear.
            charge.begin(charge.unseen())
            raise
        except BaseException:
            charge.begin(None)
            raise

    async def stream(self, spender: Spender, body: Mapping[str, Any]) -> Stream:
        """A chat completion under way, for callers in this process: its ``watcher`` has the text, and it knows what it used also where
        it is closed early. Raises as ``answer`` does."""
        stream = await self.answer(spender, requests.of("chat", {**body, "stream": True}))
        assert isinstance(stream, Stream)
        return stream

    async def _stream(self, request: Request, model: Model, answer: Answer, charge: Charge, until: float) -> Stream:
        if not answer.content_type.startswith("text/event-stream"):
            await answer.aclose()
            raise UpstreamFailed("The model's provider does not stream.")
        charge.answering(model)
        watcher: Watcher
        if request.operation == "responses":
            watcher = ResponsesWatcher()
        else:
            watcher = ChatWatcher(hide_usage=not request.wants_usage, choices=request.choices)
        return Stream(model, answer, watcher, charge, until=until)

    async def _whole(self, model: Model, answer: Answer, charge: Charge) -> Whole:
        held = self._room.held()
        try:
            body, usage = await self._read(answer, charge, held)
            return Whole(body, model, usage, await charge.settle(usage), held)
        except BaseException:
            held.release()
            raise

    async def _read(self, answer: Answer, charge: Charge, held: Held) -> tuple[bytes, Usage]:
        try:
            async with asyncio.timeout(self._attempts.timeouts.plain):
                body = await answer.read(MOST_BYTES, held.grow)
            found = _ends_with_usage(body) if len(body) > _INLINE else None
            if found is None:
                found = json.loads(body) if len(body) <= _INLINE else await asyncio.to_thread(json.loads, body)
            if not isinstance(found, dict):
                raise ValueError
            refuse_error(found)
        except TimeoutError:
            raise UpstreamTimeout("The model's provider did not end its answer in time.") from None
        except Refusal as refusal:
            raise to_domain(refusal) from None
        except NoAnswer as error:
            charge.begin(charge.unseen())  # it had begun to answer: the work was done, and is billed
            raise to_domain(error) from None
        except Busy:
            charge.begin(charge.unseen())
            raise
        except ValueError:
            raise UpstreamFailed("The model's provider did not answer in JSON.") from None
        finally:
            await answer.aclose()
        return body, reported(found) or charge.likely(*_said(found))


def _worst(request: Request, candidates: Sequence[Model]) -> tuple[Usage, str | None]:
    """The most that any of them can take, and what is asked for whose price is its own."""
    worsts = [worst_case(request.members, each) for each in candidates]
    most = Usage(max(each.input_tokens for each in worsts), 0, max(each.output_tokens for each in worsts))
    return most, unpriced(request.members)


def _ends_with_usage(body: bytes) -> Any:
    """What a large answer says of its usage behind vectors, which nobody here reads: millions of numbers are a second in which nothing
    else runs, also in a thread, and twice their size in memory. None: it is to be read."""
    if body[:64].lstrip()[:1] != b"{" or (match := _USAGE.search(body, max(0, len(body) - 2_000))) is None:
        return None
    return {"usage": json.loads(match[1])}


def _said(answer: Mapping[str, Any]) -> tuple[int, int]:
    """Bytes of what was generated, in an answer without usage: of all of it but vectors."""
    parts = answer.get("choices") or answer.get("output")
    return (len(json.dumps(parts, ensure_ascii=False).encode("utf-8", "replace")), 0) if parts else (0, 0)
