"""Each route its own function, whatever services run; and what an app does not run, it does not import."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.routing import compile_path

from shared_code.settings import SERVICES
from shared_code.web import bridge
from tests.unit.apps import App, make_app

ROOT = Path(__file__).resolve().parents[2]


def http_functions(app: App) -> dict[str, tuple[str, list[str] | None]]:
    """Name → (route, methods), as the host is told."""
    found = {}
    for function in app.functions.get_functions():
        trigger = function.get_trigger()
        if trigger is not None and trigger.type == "httpTrigger":
            binding = trigger.get_dict_repr()
            methods = binding.get("methods")
            found[function.get_function_name()] = (binding["route"], [str(getattr(m, "value", m)) for m in methods] if methods else None)
            assert str(getattr(binding["authLevel"], "value", binding["authLevel"])).lower() == "anonymous"
    return found


@pytest.fixture(scope="module")
def functions() -> dict[str, tuple[str, list[str] | None]]:
    return http_functions(make_app())


def test_names(functions: dict[str, tuple[str, list[str] | None]]) -> None:
    for name in set(functions) - {bridge.FALLBACK}:
        assert re.fullmatch(r"(common|mail|auth|files|ai|chat|payments|monitoring)_[a-z]+(_[a-z]+)*", name), name
    every = [function.get_function_name() for function in make_app().functions.get_functions()]
    assert len(every) == len(set(every))
    assert max(every) == bridge.FALLBACK, "the host asks functions in alphabetical order"


def test_routes_mean_the_same_to_azure_and_to_starlette(functions: dict[str, tuple[str, list[str] | None]]) -> None:
    for name, (route, _) in functions.items():
        assert route, f"{name}: the host would take its name for an empty route"
        assert not route.startswith("/")
        if name != bridge.FALLBACK:
            assert all(re.fullmatch(r"\{[a-z_]+\}|[a-z0-9.-]+", segment) for segment in route.split("/")), route
            compile_path("/" + route)
    assert functions[bridge.FALLBACK] == ("{*path}", None)


def test_get_registers_head(functions: dict[str, tuple[str, list[str] | None]]) -> None:
    for name, (_, methods) in functions.items():
        if methods is not None:
            assert methods == sorted(methods)
            assert ("GET" in methods) == ("HEAD" in methods), name


def test_every_route_but_the_root_is_a_function(functions: dict[str, tuple[str, list[str] | None]]) -> None:
    routes = {route.name: route.path.lstrip("/") for route in make_app().web.router.routes}  # type: ignore[attr-defined]  # all are Endpoints
    assert routes.pop("common_root") == ""
    assert {name: route for name, (route, _) in functions.items() if name != bridge.FALLBACK} == routes


def test_no_path_and_method_is_declared_twice() -> None:
    pairs = [(route.path, method) for route in make_app().web.router.routes for method in route.methods]  # type: ignore[attr-defined]  # all are Endpoints
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("services", [",".join(some) for size in range(1, 7) for some in itertools.combinations(SERVICES, size)])
async def test_every_combination_of_services_composes(services: str) -> None:
    app = make_app(SERVICES=services)
    names = {name.split("_")[0] for name in http_functions(app)}
    assert names == {"common", "mail", "zz"} | set(services.split(","))
    async with app.client() as client:
        facts = (await client.get("/")).json()
        assert facts["services"] == [service for service in SERVICES if service in services.split(",")]
        assert facts["mode"] == ("integrated" if len(facts["services"]) == len(SERVICES) else "standalone")
        assert (await client.get("/health")).status_code == 200
        assert (await client.post("/api/auth/login", json={})).status_code == (422 if "auth" in services else 404)


HEAVY = [
    "PIL", "pyvips", "openai", "stripe", "azure.storage", "azure.data", "azure.identity",
    "aiohttp", "cryptography", "jwt", "argon2", "sendgrid", "prometheus_client", "psutil", "opentelemetry.sdk", "azure.monitor",
]  # fmt: skip


def imported(services: str, tmp_path: Path) -> set[str]:
    """The modules that importing function_app leaves behind, in a process of its own."""
    code = "import sys, function_app; assert function_app.app.get_functions(); print('\\n'.join(sys.modules))"
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SERVICES": services, "ENVIRONMENT": "local"}
    environ["AZURE_STORAGE_CONNECTION_STRING"] = "UseDevelopmentStorage=true"
    run = subprocess.run([sys.executable, "-c", code], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


@pytest.mark.parametrize(
    ("services", "never"),
    [
        ("files", [*HEAVY, "functions.auth", "functions.payments"]),
        ("payments", [*HEAVY, "functions.files", "functions.auth", "shared_code.files", "shared_code.auth"]),
        ("chat", [*HEAVY, "functions.ai", "functions.files", "functions.auth", "shared_code.ai", "shared_code.files"]),
        ("auth", [*HEAVY[:8], "functions.files", "shared_code.files"]),
    ],
)
def test_what_does_not_run_is_not_imported(services: str, never: list[str], tmp_path: Path) -> None:
    modules = imported(services, tmp_path)
    found = [name for name in never if any(module == name or module.startswith(name + ".") for module in modules)]
    assert found == []
    assert not list(tmp_path.iterdir()), "importing writes nothing"


def test_the_module_has_exactly_one_function_app(tmp_path: Path) -> None:
    """Microsoft's worker refuses several; a second ``get_functions()`` raises."""
    code = """
import azure.functions as func, function_app
apps = [name for name, value in vars(function_app).items() if isinstance(value, func.FunctionRegister)]
assert apps == ["app"], apps
names = [f.get_function_name() for f in function_app.app.get_functions()]
assert names[0].startswith("common_") and len(names) > 10
from azurefunctions.extensions import base
assert base.HttpV2FeatureChecker.http_v2_enabled()
"""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ENVIRONMENT": "local"}
    run = subprocess.run([sys.executable, "-c", code], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr


def test_production_does_not_start_without_what_it_needs(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ENVIRONMENT": "production"}
    command = [sys.executable, "-c", "import function_app"]
    run = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode != 0
    assert "SettingsError: AZURE_STORAGE_CONNECTION_STRING" in run.stderr
