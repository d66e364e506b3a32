"""Pages in a browser: the real app on storage in memory, served in this process, and an installed Chromium.

Where there is no Chromium, these tests say so and are skipped: install one (Debian: ``chromium``), or Playwright's own with
``playwright install chromium``.
"""

import asyncio
import shutil
import socket
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from shared_code.storage.memory import MemoryStorage
from shared_code.web import bridge
from shared_code.web.azure_http import WebApp
from tests.unit.apps import App, make_app

HERE = Path(__file__).parent
ADMIN = "admin@example.com"
T = TypeVar("T")
WITHIN = 15_000
"""Milliseconds that anything may take, on a machine that is busy with other tests."""
expect.set_options(timeout=WITHIN)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker, one browser."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.xdist_group("browser"))


def chromium(playwright: Playwright) -> str | None:
    """An installed one, else Playwright's own, else None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    own = playwright.chromium.executable_path
    return own if own and Path(own).exists() else None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of a module, not of the session: while Playwright is open its event loop counts as running, and no asynchronous test of the
    same process could run behind these."""
    with sync_playwright() as playwright:
        path = chromium(playwright)
        if path is None:
            pytest.skip("no Chromium is installed: see tests/e2e/conftest.py")
        with playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]) as launched:
            yield launched


class Served:
    """An app behind a real port, on an event loop of its own."""

    def __init__(self, storage: MemoryStorage | None = None, **environ: str) -> None:
        self.app: App = make_app(storage=storage, **{"ENVIRONMENT": "local", "ADMIN_EMAILS": ADMIN, **environ})
        extension = WebApp()
        extension.route(bridge.make_handler(self.app.web))
        config = uvicorn.Config(extension.get_app(), lifespan="off", log_level="warning", access_log=False, ws="none")
        self._server = uvicorn.Server(config)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="served")
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve([self._socket]))
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something where the app runs: its storage belongs to that loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    yield found
    found.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1280, "height": 900}) as made:
        made.set_default_timeout(WITHIN)
        yield made


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    made, failures = context.new_page(), list[str]()
    made.on("pageerror", lambda error: failures.append(str(error)))
    yield made
    assert failures == [], "a script failed"
