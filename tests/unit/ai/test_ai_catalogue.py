"""AI_MODELS and what other settings imply; what is malformed is named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared_code.ai.catalogue import OPENAI, Providers, discovered, read
from shared_code.ai.models import Price
from shared_code.settings import SettingsError
from tests.aiserver import MODELS, ROOT
from tests.unit.apps import make_app

FULL = {
    "name": "gpt",
    "provider": "azure",
    "deployment": "gpt 4/o",
    "endpoint": "https://acme.openai.azure.com/",
    "prices": {"input": "2.5", "cached_input": 1.25, "output": 10},
    "context_window": 200_000,
    "max_output_tokens": 32_000,
    "vision": True,
    "fallbacks": ["spare"],
    "key": "acme",
    "api_version": "2025-01-01-preview",
}
SPARE = {"name": "spare", "provider": "openai"}
PROVIDERS = Providers(keys=frozenset({"acme"}))


def entries(*found: Any) -> str:
    return json.dumps(list(found))


def test_an_entry_with_everything() -> None:
    model, spare = read(entries(FULL, SPARE), PROVIDERS).models
    assert (model.name, model.provider, model.deployment, model.base_url) == ("gpt", "azure", "gpt 4/o", "https://acme.openai.azure.com")
    assert model.price == Price(2_500_000, 1_250_000, 10_000_000)
    assert (model.context_window, model.max_output_tokens, model.vision, model.fallbacks) == (200_000, 32_000, True, ("spare",))
    assert (model.key, model.api_version, model.kind) == ("acme", "2025-01-01-preview", "chat")
    assert (spare.deployment, spare.base_url, spare.price, spare.api_version) == ("spare", OPENAI, None, "")


def test_prices_are_exact() -> None:
    text = '[{"name": "m", "provider": "openai", "prices": {"input": 0.1, "output": 0.000001}}]'
    assert read(text, PROVIDERS).models[0].price == Price(100_000, 100_000, 1)


def test_an_embedding_model_needs_no_price_of_output() -> None:
    text = entries({"name": "e", "provider": "openai", "kind": "embedding", "prices": {"input": "0.02"}})
    assert read(text, PROVIDERS).models[0].price == Price(20_000, 20_000, 0)


def test_the_models_of_local_runs() -> None:
    models = read(MODELS.read_text(), Providers(openai_base_url="http://127.0.0.1:1/v1")).models
    assert all(model.price and model.base_url == "http://127.0.0.1:1/v1" for model in models)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a/b"}, r"entry 1 \(a/b\): name must be"),
        ({"name": ""}, "entry 1 .*name must be a text"),
        ({"name": None}, "entry 1: name must be a text"),
        ({"nmae": "x"}, r"entry 1 \(gpt\): knows no nmae"),
        ({"provider": "bedrock"}, "provider must be azure or openai"),
        ({"kind": "image"}, "kind must be"),
        ({"endpoint": "acme.openai.azure.com"}, "endpoint must be an http"),
        ({"prices": {"input": "-1", "output": "1"}}, "prices: input must be US dollars"),
        ({"prices": {"input": "1", "output": "0.0000001"}}, "prices: output must be"),
        ({"prices": {"input": True, "output": "1"}}, "prices: input must be"),
        ({"prices": {"input": "1"}}, "prices have no output"),
        ({"prices": {"output": "1"}}, "prices must have input"),
        ({"prices": {"input": "1", "output": "1", "batch": "1"}}, "prices must have"),
        ({"prices": "2.50"}, "prices must have"),
        ({"context_window": 0}, "context_window must be"),
        ({"max_output_tokens": "4096"}, "max_output_tokens must be"),
        ({"vision": "yes"}, "vision must be"),
        ({"fallbacks": "spare"}, "fallbacks must be a list"),
        ({"fallbacks": ["spare", "spare"]}, "fallbacks must be a list of different"),
        ({"fallbacks": ["nobody"]}, "the fallback 'nobody' is no other chat model"),
        ({"fallbacks": ["gpt"]}, "the fallback 'gpt' is no other"),
        ({"kind": "embedding"}, "the fallback 'spare' is no other embedding model"),
        ({"key": "nobody"}, "AI_API_KEYS has no nobody"),
        ({"deployment": 4}, "deployment must be a text"),
        ({"endpoint": ""}, "AZURE_OPENAI_ENDPOINT is not set"),
    ],
)
def test_a_malformed_entry_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(entries({**FULL, **change}, SPARE), PROVIDERS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not JSON"),
        ("{}", "must be a list"),
        ("[]", "must be a list"),
        ("[1]", "entry 1: must be an object"),
        ('[{"provider": "openai"}]', "entry 1: name is missing"),
        (entries(SPARE, SPARE), r"entry 2 \(spare\): that name is taken"),
    ],
)
def test_what_is_no_list_of_models(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(text, PROVIDERS)


def test_the_one_deployment_of_azure() -> None:
    [model] = read("", Providers("https://acme.openai.azure.com", "gpt-4o")).models
    assert (model.name, model.provider, model.deployment, model.vision, model.price) == ("gpt-4o", "azure", "gpt-4o", True, None)
    assert model.api_version
    with pytest.raises(ValueError, match="no name for a model"):
        read("", Providers("https://acme.openai.azure.com", "gpt/4o"))


def test_an_open_server() -> None:
    assert read("", Providers(openai_base_url="http://localhost:11434/v1")).open_at == "http://localhost:11434/v1"
    assert read("", Providers(openai_key=True)).open_at == OPENAI
    assert not read("", Providers())
    assert not read("", Providers("https://acme.openai.azure.com")), "an endpoint without deployment is no model"
    assert discovered("nomic-embed-text", OPENAI).kind == "embedding"


def test_an_app_does_not_start_with_what_it_cannot_use(tmp_path: Path) -> None:
    for services in ("ai", "chat"):
        with pytest.raises(SettingsError, match=r"AI_MODELS entry 1 \(x y\): name must be"):
            make_app(SERVICES=services, AI_MODELS='[{"name": "x y"}]')
    with pytest.raises(SettingsError, match="AI_MODELS names a file that cannot be read"):
        make_app(SERVICES="ai", AI_MODELS=str(tmp_path / "none.json"))
    make_app(SERVICES="files", AI_MODELS="[")


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(entries(SPARE))
    assert [model.name for model in make_app(SERVICES="ai", AI_MODELS=str(file)).container.ai_catalogue.models] == ["spare"]


def test_keys_are_named() -> None:
    text = entries({**SPARE, "base_url": "https://api.other.test/v1", "key": "other"})
    app = make_app(SERVICES="ai", AI_MODELS=text, AI_API_KEYS="other=0123456789abcdef=")
    [model] = app.container.ai_catalogue.models
    assert app.container.ai_upstream._keys.of(model) == "0123456789abcdef="  # type: ignore[attr-defined]  # the real one
    with pytest.raises(SettingsError, match="AI_API_KEYS must be a comma list of name=key"):
        make_app(AI_API_KEYS="0123456789abcdef")


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, []),
        ({"AZURE_OPENAI_ENDPOINT": "https://acme.openai.azure.com", "AZURE_OPENAI_DEPLOYMENT": "gpt"}, ["ai"]),
        ({"OPENAI_BASE_URL": "http://localhost:11434/v1"}, ["ai"]),
        ({"AI_MODELS": entries(SPARE, {**SPARE, "name": "b"}), "OPENAI_API_KEY": "0123456789abcdef"}, ["ai"]),
        ({"AI_MODELS": entries(SPARE, {**SPARE, "name": "b", "base_url": "http://b.test"})}, ["ai:b", "ai:spare"]),
    ],
)
def test_each_endpoint_is_probed_once(environ: dict[str, str], names: list[str]) -> None:
    assert sorted(make_app(SERVICES="ai", **environ).container.ai_endpoints()) == names
    assert make_app(SERVICES="files", **environ).container.ai_endpoints() == {}


def test_the_guides_example() -> None:
    [example] = re.findall(r"```json\n(.*?)```", (ROOT / "docs/guides/ai.md").read_text(), re.S)
    models = read(example, Providers("https://acme.openai.azure.com", keys=frozenset({"groq"}))).models
    assert [model.name for model in models] == ["gpt-4o", "small", "llama", "vectors"]
