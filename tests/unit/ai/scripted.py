"""A provider that does what a test says, and a meter that writes down what it is told."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared_code.ai import requests
from shared_code.ai.attempts import Attempts, Timeouts
from shared_code.ai.breaker import Breakers
from shared_code.ai.catalogue import Catalogue
from shared_code.ai.directory import Directory
from shared_code.ai.models import Hold, Model, Operation, Price, Spender, Usage
from shared_code.ai.ports import NoAnswer, Refusal
from shared_code.ai.service import Gateway
from shared_code.ai.streams import Stream
from shared_code.clock import ManualClock
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.notices import Notices

PRICE = Price(1_000_000, 500_000, 2_000_000)
LARGE = Model("large", "openai", "large-2", "http://upstream.test/v1", price=PRICE, max_output_tokens=1000, vision=True)
SMALL = replace(LARGE, name="small", deployment="small", max_output_tokens=100, vision=False)
SEES = replace(LARGE, name="sees", deployment="sees")
VECTORS = replace(LARGE, name="vectors", deployment="vectors", kind="embedding")
MODELS = [replace(LARGE, fallbacks=("small", "sees")), SMALL, SEES, VECTORS]
ADA = Spender("ada")


def frame(data: Any, name: str | None = None) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    return ((f"event: {name}\n" if name else "") + f"data: {text}\n\n").encode()


def delta(text: str, **choice: Any) -> bytes:
    return frame({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}]})


def finish(reason: str = "stop") -> bytes:
    return frame({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


USAGE = frame({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}})
DONE = frame("[DONE]")
REPORTED = Usage(10, 4, 5)
HELLO: list[Any] = [delta("", delta={"role": "assistant"}), delta("Hel"), delta("lo"), finish(), USAGE, DONE]
WHOLE = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}},
}


@dataclass
class Reply:
    """``parts``: bytes, an exception to raise, or an awaitable's function to wait for."""

    parts: Sequence[bytes | BaseException | Callable[[], Awaitable[Any]]]
    content_type: str = "text/event-stream; charset=utf-8"
    given: int = 0
    closed: bool = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for part in self.parts:
            if isinstance(part, BaseException):
                raise part
            if isinstance(part, bytes):
                self.given += 1
                yield part
            else:
                await part()

    async def read(self, limit: int, growing: Callable[[int], None] | None = None) -> bytes:
        body = b""
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                raise NoAnswer("its answer is too large")
            if growing is not None:
                growing(len(body))
        return body

    async def aclose(self) -> None:
        self.closed = True


def whole(body: Any = None) -> Reply:
    return Reply([json.dumps(WHOLE if body is None else body).encode()], "application/json")


@dataclass
class Asked:
    model: str
    operation: Operation
    body: dict[str, Any]
    raw: bytes
    within: float


Step = Reply | Refusal | NoAnswer | Callable[[], Awaitable[Any]]


class Scripted:
    """Each call takes the next step of its script; the last one is repeated."""

    def __init__(self, *steps: Step) -> None:
        self.steps: list[Step] = list(steps)
        self.asked: list[Asked] = []
        self.listed: list[str] | Exception = []
        self.lists = 0
        self.down: Exception | None = None

    async def send(self, model: Model, operation: Operation, body: bytes, *, within: float) -> Reply:
        self.asked.append(Asked(model.name, operation, json.loads(body), body, within))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Reply):
            return step
        await step()
        raise AssertionError("a step that waits ends by being cancelled")

    async def names(self, base_url: str) -> Sequence[str]:
        self.lists += 1
        if isinstance(self.listed, Exception):
            raise self.listed
        return self.listed

    async def check(self, model: Model) -> None:
        if self.down is not None:
            raise self.down

    @property
    def models(self) -> list[str]:
        return [each.model for each in self.asked]


@dataclass
class Booked:
    model: str | None
    usage: Usage


@dataclass
class Notebook:
    """A Meter. ``gate`` holds settlements back until it is set; ``refusal`` is raised in the place of a hold."""

    held: list[tuple[Sequence[Model], Usage]] = field(default_factory=list)
    booked: list[Booked] = field(default_factory=list)
    refusal: Exception | None = None
    gate: asyncio.Event | None = None
    allowed: Callable[[Sequence[Model]], Sequence[Model]] = list

    async def hold(self, spender: Spender, candidates: Sequence[Model], worst: Usage, *, unpriced: str | None = None) -> Hold:
        if self.refusal is not None:
            raise self.refusal
        self.held.append((candidates, worst))
        return Hold(f"hold-{len(self.held)}", spender, 0, self.allowed(candidates))

    async def settle(self, hold: Hold, model: Model | None, usage: Usage) -> int:
        if self.gate is not None:
            await self.gate.wait()
        self.booked.append(Booked(model.name if model else None, usage))
        return usage.total_tokens


@dataclass
class Stage:
    upstream: Scripted
    meter: Notebook
    gateway: Gateway
    directory: Directory
    clock: ManualClock
    storage: MemoryStorage
    breakers: Breakers
    time: list[float]
    """The breakers' clock."""

    def another(self) -> Directory:
        """Another instance's."""
        return Directory(
            self.directory._catalogue, self.storage.tables, self.clock, Notices(self.storage.tables, self.clock), self.upstream
        )


def stage(*steps: Step, catalogue: Catalogue | None = None, timeouts: Timeouts | None = None) -> Stage:
    clock, time = ManualClock(), [0.0]
    storage = MemoryStorage(clock)
    upstream, meter = Scripted(*steps), Notebook()
    directory = Directory(
        Catalogue(MODELS) if catalogue is None else catalogue, storage.tables, clock, Notices(storage.tables, clock), upstream
    )
    breakers = Breakers(lambda: time[0])
    gateway = Gateway(directory, Attempts(upstream, breakers, timeouts=timeouts, pause=0), meter)
    return Stage(upstream, meter, gateway, directory, clock, storage, breakers, time)


def chat(**body: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "Hello there"}], **body}).encode()


async def collect(frames: AsyncGenerator[bytes, None]) -> list[bytes]:
    return [each async for each in frames]


async def opened(scene: Stage, **body: Any) -> Stream:
    answer = await scene.gateway.answer(ADA, requests.read("chat", chat(stream=True, **body)))
    assert isinstance(answer, Stream)
    return answer


def error_of(last: bytes) -> dict[str, Any]:
    name, data = last.split(b"\n")[:2]
    assert name == b"event: error"
    assert last.endswith(b"\n\n")
    found: dict[str, Any] = json.loads(data.removeprefix(b"data: "))["error"]
    return found


def booked(scene: Stage) -> tuple[str | None, Usage]:
    [only] = scene.meter.booked
    return only.model, only.usage
