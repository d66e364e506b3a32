"""LiteLLM's proxy as the AI benchmarks' peer, from an environment of its own (bench/README.md says how to make it)."""

import json

from support import HERE, Server, Setup, free_ports

PYTHON = HERE / ".venv-litellm" / "bin" / "python"
COMMAND = HERE / ".venv-litellm" / "bin" / "litellm"
KEY = "sk-" + "0123456789abcdef"
"""Its master key, which lives as long as a benchmark."""


def installed() -> bool:
    return COMMAND.exists()


def start(setup: Setup, base_url: str, model: str) -> Server:
    """One worker, as it is recommended in production: no debug output, requests not logged, and the budget that it can keep without
    a database, one for the provider, in memory. (Budgets of users and keys need Postgres, and would cost it more.)"""
    config = {
        "model_list": [
            {
                "model_name": model,
                "litellm_params": {
                    "model": f"openai/{model}",
                    "api_base": base_url,
                    "api_key": "test-stand-in",
                    "input_cost_per_token": 2.5e-06,
                    "output_cost_per_token": 1e-05,
                },
            }
        ],
        "litellm_settings": {"telemetry": False, "set_verbose": False, "request_timeout": 60},
        "router_settings": {"provider_budget_config": {"openai": {"budget_limit": 1_000_000, "time_period": "30d"}}},
        "general_settings": {"master_key": KEY, "disable_spend_logs": True},
    }
    path = setup.folder / "litellm.json"
    path.write_text(json.dumps(config))  # JSON is YAML
    port = free_ports(1)[0]
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches one from the internet
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "DISABLE_ADMIN_UI": "True",
    }
    command = [str(COMMAND), "--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    return setup.start(command, port, "/health/liveliness", environment, within=90)


def version() -> str:
    found = (HERE / ".venv-litellm").glob("lib/python*/site-packages/litellm-*.dist-info")
    return next((path.name.removesuffix(".dist-info").removeprefix("litellm-") for path in found), "?")
