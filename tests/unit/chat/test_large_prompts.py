"""Prompts with megabytes of images: a few of a process at a time, and the others wait for none of them."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from shared_code.chat.ports import Image, Payer, Prompt, Turn
from shared_code.container.chat_ports import LARGE, LARGE_AT_ONCE, GatewayAnswers
from tests.unit.apps import until


async def test_a_few_large_prompts_at_a_time() -> None:
    begins, asked = asyncio.Event(), list[int]()

    async def stream(spender: Any, body: dict[str, Any]) -> Any:
        asked.append(len(str(body)))
        if asked[-1] > LARGE:
            await begins.wait()
        return SimpleNamespace(frames=lambda: None)

    answers = GatewayAnswers(cast("Any", SimpleNamespace(ai=SimpleNamespace(stream=stream))))

    def prompt(size: int) -> Prompt:
        return Prompt(Payer("ada"), "seeing", None, [Turn("user", (Image("image/png", bytes(size)),))])

    waiting = [asyncio.ensure_future(answers.ask(prompt(LARGE + 1))) for _ in range(LARGE_AT_ONCE + 2)]
    await until(lambda: len(asked) == LARGE_AT_ONCE)
    await answers.ask(prompt(10))
    assert len(asked) == LARGE_AT_ONCE + 1
    waiting[-1].cancel()  # who is stopped while waiting is in nobody's way
    begins.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert len(asked) == LARGE_AT_ONCE + 2
