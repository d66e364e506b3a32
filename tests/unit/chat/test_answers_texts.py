"""What chat makes of a model's stream: text that can be stored, searched and exported, whatever its server sends."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared_code.chat.failures import to_error, to_failure
from shared_code.chat.import_schemas import ImportedError
from shared_code.chat.ports import Payer, Prompt, Text, Turn
from shared_code.container.chat_ports import GatewayAnswers
from shared_code.errors import BudgetExceeded, Forbidden, InvalidRequest, RateLimited
from tests.unit.ai.scripted import DONE, Reply, finish, stage

HALF, OTHER = "\\ud83d", "\\ude00"


def escaped(text: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\n\n' % text.encode()


@pytest.mark.parametrize(
    ("pieces", "said"),
    [(["a" + HALF, OTHER + "b"], "a\U0001f600b"), (["a", HALF, "b"], "a\ufffdb"), (["a" + HALF], "a\ufffd")],
)
async def test_halves_of_characters(pieces: list[str], said: str) -> None:
    scene = stage(Reply([*map(escaped, pieces), finish(), DONE]))
    answers = GatewayAnswers(cast("Any", SimpleNamespace(ai=scene.gateway)))
    answer = await answers.ask(Prompt(Payer("ada"), "large", None, [Turn("user", (Text("Hi"),))]))
    texts = [text async for text in answer.texts()]
    assert "".join(texts) == said
    assert all(text.encode() for text in texts)
    assert (await answer.close()).finish_reason == "stop"


async def test_a_key_that_may_not_use_a_model_is_told_before_anything_is_stored() -> None:
    answers = GatewayAnswers(cast("Any", SimpleNamespace(ai_directory=stage().directory)))
    limited = Payer("ada", "key", {"models": ["small"]})
    assert (await answers.model("small", limited)).name == "small"
    assert (await answers.model(None, limited)).name == "small"
    assert (await answers.model("large", Payer("ada"))).name == "large"
    with pytest.raises(Forbidden) as refused:
        await answers.model("large", limited)
    assert refused.value.code == "model_not_allowed"


@pytest.mark.parametrize("code", ["context_length_exceeded", "Not a word!", "é" * 100, "x" * 100])
def test_a_providers_code_is_one_that_an_import_takes(code: str) -> None:
    failure = to_failure(InvalidRequest("no", code=code))
    assert ImportedError(kind=failure.kind, code=failure.code, detail=failure.detail).code == failure.code
    assert failure.code == code or code != "context_length_exceeded"


def test_who_has_no_budget_is_not_told_to_come_again_in_a_second() -> None:
    error = to_error(to_failure(BudgetExceeded("used up", retry_after=500_000)))
    assert isinstance(error, RateLimited)
    assert error.code == "insufficient_quota"
    assert error.retry_after >= 60
    other = to_error(to_failure(RateLimited("slow", retry_after=20, code="rate_limit_exceeded")))
    assert isinstance(other, RateLimited)
    assert other.retry_after == 1
