"""The settings of the AI gateway and of chat; a part of ``Settings``."""

from dataclasses import dataclass
from decimal import Decimal

from . import setting_types as to
from .setting_types import setting


@dataclass(frozen=True, kw_only=True)
class AiSettings:
    ai_models: str = setting(
        "AI_MODELS",
        "",
        "models as JSON, or the path of a file that holds it (docs/guides/ai.md). Empty: what the settings below name; where none does, "
        "local runs start a stand-in",
    )
    ai_api_keys: tuple[str, ...] = setting(
        "AI_API_KEYS",
        "",
        "comma list of `name=key`: keys of further providers, which entries of `AI_MODELS` name",
        to.named_keys,
        secret=True,
    )
    azure_openai_endpoint: str = setting("AZURE_OPENAI_ENDPOINT", "", "`https://<account>.openai.azure.com`", to.base_url)
    azure_openai_api_key: str = setting("AZURE_OPENAI_API_KEY", "", "key of that account; empty: managed identity", secret=True)
    azure_openai_deployment: str = setting(
        "AZURE_OPENAI_DEPLOYMENT", "", "the deployment that is the one model, unless `AI_MODELS` names others"
    )
    openai_api_key: str = setting("OPENAI_API_KEY", "", "key of OpenAI, or of another server that speaks its API", secret=True)
    openai_base_url: str = setting(
        "OPENAI_BASE_URL",
        "https://api.openai.com/v1",
        "another server that speaks OpenAI's API: Ollama, vLLM, llama.cpp",
        to.base_url,
    )
    ai_default_budget_usd: Decimal | None = setting(
        "AI_DEFAULT_BUDGET_USD", "", "US dollars that each user may spend on models in a calendar month (UTC); empty: no limit", to.dollars
    )
    ai_max_body_bytes: int = setting("AI_MAX_BODY_BYTES", str(1024 * 1024), "largest JSON body of the AI routes", to.integer)
    chat_import_rate: tuple[int, int] | None = setting(
        "CHAT_IMPORT_RATE", "100/3600", "conversations that a user may import per seconds; `off`: no limit", to.rate
    )
