"""Chat on storage in memory, with models that say what a test tells them, when it tells them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from shared_code.chat.following import Delta, Ended, Following
from shared_code.chat.models import Message, Usage
from shared_code.chat.ports import Answer, End, ModelFacts, Payer, Prompt
from shared_code.chat.running import Runs
from shared_code.errors import NotFound
from tests.unit.apps import App, TestContainer, bearer, make_app, register, until

TICK = 0.005
USAGE = Usage(12, 0, 3, 45)

Step = str | BaseException | asyncio.Event
"""A piece of text, an error, or something to wait for."""


class Scripted:
    """Chat's port for models. Each question takes the next script; when there is none, the answer is "Hello."."""

    def __init__(self) -> None:
        self.models = {
            "plain": ModelFacts("plain", 8000, 1000, vision=False),
            "seeing": ModelFacts("seeing", 128_000, 4000, vision=True),
            "tiny": ModelFacts("tiny", 200, 50, vision=False),
        }
        self.prompts: list[Prompt] = []
        self.scripts: list[Sequence[Step]] = []
        self.refusals: list[BaseException] = []
        self.closed = 0
        self.finish_reason = "stop"
        self.model_of_answers = "plain"

    def say(self, *steps: Step) -> None:
        self.scripts.append(steps)

    async def model(self, name: str | None, payer: Payer | None = None) -> ModelFacts:
        if name is None:
            return self.models["plain"]
        if name not in self.models:
            raise NotFound("There is no such model.", code="model_not_found")
        return self.models[name]

    async def ask(self, prompt: Prompt) -> Answer:
        self.prompts.append(prompt)
        if prompt.system and "title" in prompt.system:
            return _Scripted(Scripted(), ["A title."])
        if self.refusals:
            raise self.refusals.pop(0)
        return _Scripted(self, self.scripts.pop(0) if self.scripts else ["Hello", "."])

    @property
    def asked(self) -> list[Prompt]:
        """Without those for titles."""
        return [each for each in self.prompts if not (each.system and "title" in each.system)]


class _Scripted:
    def __init__(self, answers: Scripted, steps: Sequence[Step]) -> None:
        self._answers, self._steps, self._ended = answers, steps, False

    async def texts(self) -> AsyncIterator[str]:
        for step in self._steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, BaseException):
                raise step
            else:
                yield step
        self._ended = True

    async def close(self) -> End:
        self._answers.closed += 1
        return End(self._answers.finish_reason if self._ended else None, self._answers.model_of_answers, USAGE)


def speed_up(container: TestContainer, answers: Scripted, tick: float = TICK) -> None:
    """Looks every ``tick`` seconds instead of twice a second, and models from a script."""
    container.__dict__["chat_answers"] = answers
    container.__dict__["chat_runs"] = Runs(
        tables=container.storage.tables, clock=container.clock, answers=answers, finishing=container.chat_finishing, flush=tick
    )
    container.__dict__["chat_following"] = Following(container.chat_messages, container.chat_runs, look=tick)


@dataclass
class Room:
    """One user of one app, and a second user."""

    app: App
    answers: Scripted
    user: str
    headers: dict[str, str]
    other: dict[str, str]
    own: TestContainer | None = None

    @property
    def container(self) -> TestContainer:
        return self.own or self.app.container

    @property
    def payer(self) -> Payer:
        return Payer(self.user)

    def client(self, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
        return self.app.client(headers=headers or self.headers)

    def sibling(self) -> "Room":
        """The same user at another instance."""
        app = self.app.sibling()
        answers = Scripted()
        speed_up(app.container, answers)
        return Room(app, answers, self.user, self.headers, self.other)

    async def conversation(self, **given: Any) -> str:
        made = await self.container.chat_managing.create(
            self.user, title=given.get("title"), model=given.get("model"), system=given.get("system")
        )
        return made.id

    async def said(self, conversation: str, content: str = "Hi", **given: Any) -> Message:
        """A question, and its answer when it has ended."""
        async with asyncio.timeout(10):
            started = await self.container.chat.ask(self.payer, conversation, content, **given)
            return await self.container.chat_following.ended(self.user, conversation, started.answer_id)

    async def path(self, conversation: str, **given: Any) -> list[Message]:
        options: dict[str, Any] = {"tree": False, "newest_first": False, "after": None, "limit": 100, **given}
        found, _ = await self.container.chat_paging.page(self.user, conversation, **options)
        return found

    async def settled(self) -> None:
        await self.container.chat_runs.drain()
        await self.app.settled()


async def make_room(**environ: str) -> Room:
    app = make_app(**environ)
    answers = Scripted()
    speed_up(app.container, answers)
    async with app.client() as client:
        mine, others = await register(client), await register(client)
    return Room(app, answers, mine["user"]["id"], bearer(mine["access_token"]), bearer(others["access_token"]))


async def heard(room: Room, conversation: str, message: str, offset: int = 0) -> tuple[str, Message]:
    """What a reader hears behind ``offset``, and how it ends; each piece's offset is checked."""
    text, at = "", offset
    ends: list[Message] = []
    async with asyncio.timeout(10):
        async for event in room.container.chat_following.follow(room.user, conversation, message, offset):
            assert not ends, "nothing comes behind the end"
            if isinstance(event, Delta):
                text += event.text
                at += len(event.text)
                assert event.offset == at
            else:
                assert isinstance(event, Ended)
                ends.append(event.message)
    [end] = ends
    return text, end


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look until it holds."""
    async with asyncio.timeout(5):
        while not await holds():  # noqa: ASYNC110  # what is waited for knows no event
            await asyncio.sleep(0)


@dataclass(frozen=True)
class Event:
    name: str
    data: Any
    id: str | None


def events(body: str) -> list[Event]:
    """Server-sent events, as a browser reads them."""
    found = []
    for block in body.split("\n\n"):
        lines = [line.partition(": ") for line in block.splitlines() if line and not line.startswith(":")]
        fields = {name: value for name, _, value in lines}
        if "data" in fields:
            found.append(Event(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id")))
    return found


__all__ = ["Event", "Room", "Scripted", "events", "eventually", "heard", "make_room", "speed_up", "until"]
