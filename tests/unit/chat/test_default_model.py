"""Which model answers where nobody has named one."""

import json

from shared_code.chat.ports import Payer
from tests.unit.apps import make_app

MODELS = [{"name": name, "provider": "openai", "prices": {"input": "1", "output": "2"}} for name in ("first", "second")]


async def test_the_first_that_the_key_may_use() -> None:
    app = make_app(AI_MODELS=json.dumps(MODELS), OPENAI_API_KEY="not a real one")
    answers = app.container.chat_answers
    assert (await answers.model(None)).name == "first"
    assert (await answers.model(None, Payer("ada"))).name == "first"
    limited = Payer("ada", "key", {"models": ["second"]})
    assert (await answers.model(None, limited)).name == "second"
