"""When a local run brings its own AI server, and what that serves."""

import json
from pathlib import Path

import pytest

from local import ai_child
from local.ai_child import AiStandIn, wants_ai

ROOT = Path(__file__).parents[3]
EXAMPLE = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
MODELS = json.loads((ROOT / "local/ai/models.json").read_text())
FIXTURES = json.loads((ROOT / "local/ai/fixtures/answers.json").read_text())["fixtures"]


def test_a_fresh_clone_has_one() -> None:
    """The example settings, which the first `make start` copies, name no model."""
    assert wants_ai(dict(EXAMPLE))


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, True),
        ({"SERVICES": "ai"}, True),
        ({"SERVICES": "auth, Chat"}, True),
        ({"SERVICES": "auth,files,payments,monitoring"}, False),
        ({"OPENAI_BASE_URL": "https://api.openai.com/v1/"}, True),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}, False),
        ({"OPENAI_API_KEY": "anything"}, False),
        ({"AZURE_OPENAI_ENDPOINT": "https://contoso.openai.azure.com"}, False),
        ({"AI_MODELS": "[]"}, False),
        ({"ENVIRONMENT": "production"}, False),
    ],
)
def test_what_names_another(settings: dict[str, str], wanted: bool) -> None:
    assert wants_ai(settings) is wanted


def test_the_app_is_pointed_to_it(tmp_path: Path) -> None:
    settings = AiStandIn(ROOT, tmp_path).settings({"port": 4010})
    assert settings["OPENAI_BASE_URL"] == "http://127.0.0.1:4010/v1"
    assert Path(settings["AI_MODELS"]).is_file()
    assert not wants_ai(settings)  # a second look finds it named


def test_it_listens_on_loopback_alone_and_remembers_little(tmp_path: Path) -> None:
    command = AiStandIn(ROOT, tmp_path).command({"port": 4010}, 7071)
    assert {"--host=127.0.0.1", "--port=4010", "--log-level=silent", "--journal-max=10"} <= set(command)


def test_without_node_or_its_package_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "npm ci" in AiStandIn(tmp_path, tmp_path).missing
    monkeypatch.setattr(ai_child.shutil, "which", lambda _name: None)
    assert "Node.js" in AiStandIn(ROOT, tmp_path).missing


def test_its_models_have_prices_one_sees_one_embeds_and_one_falls_back() -> None:
    """Money as decimal texts: a JSON number would be a float on its way to micro-dollars."""
    assert all(isinstance(price, str) for model in MODELS for price in model["prices"].values())
    names = [model["name"] for model in MODELS]
    assert [model["kind"] for model in MODELS] == ["chat", "chat", "embedding"]
    assert MODELS[0]["vision"]
    assert set(MODELS[0]["fallbacks"]) <= set(names)


def test_it_has_an_answer_to_everything() -> None:
    """The last fixture asks for nothing but a chat; each before it for something more."""
    *others, last = (fixture["match"] for fixture in FIXTURES)
    assert last == {"endpoint": "chat"}
    assert all(len(match) > 1 and match["endpoint"] == "chat" for match in others)
