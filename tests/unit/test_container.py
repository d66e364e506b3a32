"""Which adapters the settings choose, and what is loaded beside the first request."""

import sys
import threading
from typing import Any

import pytest
import structlog

from shared_code.container import Container
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.memory import MemoryStorage
from tests.unit.apps import settings_of


def test_no_storage_is_memory_with_a_loud_warning() -> None:
    with structlog.testing.capture_logs() as logs:
        container = Container(settings_of())
        assert isinstance(container.storage, MemoryStorage)
        assert container.storage is container.storage
    assert [(line["event"], line["log_level"]) for line in logs] == [("storage_in_memory", "warning")]


def test_a_connection_string() -> None:
    assert isinstance(Container(settings_of(AZURE_STORAGE_CONNECTION_STRING="UseDevelopmentStorage=true")).storage, AzureStorage)


def test_managed_identity() -> None:
    container = Container(settings_of(AZURE_STORAGE_ACCOUNT_URL="https://contoso.blob.core.windows.net", AZURE_CLIENT_ID="an-identity"))
    assert isinstance(container.storage, AzureStorage)


@pytest.mark.parametrize(("services", "images"), [("auth", False), ("files", True)])
def test_slow_imports_happen_in_a_thread(services: str, images: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    threads: list[threading.Thread] = []

    def load(name: str) -> Any:
        asked.append(name)
        threads.append(threading.current_thread())
        if name == "argon2":
            raise ImportError(name)
        return sys

    monkeypatch.setattr("shared_code.container.core.importlib.import_module", load)
    Container(settings_of(SERVICES=services, AZURE_STORAGE_CONNECTION_STRING="UseDevelopmentStorage=true")).preload()
    for thread in threading.enumerate():
        if thread.name == "preload":
            thread.join(5)
    assert "jwt" in asked
    assert any(name.startswith("azure.") for name in asked)
    assert ("PIL.Image" in asked) is images
    assert asked.index("argon2") < len(asked) - 1, "what is missing stops nothing"
    assert threading.main_thread() not in threads
