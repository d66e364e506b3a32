"""One host for all integration tests (``BASE_URL`` names another), and users that are fresh for each test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.support import NO_TLS, Blobs, Host, User, register, running_host

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With ``-n N --dist loadgroup`` they stay on one worker, so that one host serves them all."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.xdist_group("host"))


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with running_host(tmp_path_factory.mktemp("host")) as found:
        yield found


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> str:
    """``BASE_URL``, or a child's. That one runs with ENVIRONMENT=local and ADMIN_EMAILS=admin@example.com."""
    given = os.environ.get("BASE_URL")
    if given:
        return given.rstrip("/")
    found: Host = request.getfixturevalue("host")
    return found.url


@pytest.fixture(scope="session")
def storage(request: pytest.FixtureRequest) -> Iterator[Blobs]:
    """The host's own blobs, behind the app's back. With ``BASE_URL``: those of ``AZURE_STORAGE_CONNECTION_STRING``."""
    if os.environ.get("BASE_URL"):
        connection = os.environ["AZURE_STORAGE_CONNECTION_STRING"]
    else:
        connection = request.getfixturevalue("host").connection_string()
    with Blobs(connection) as found:
        yield found


@pytest.fixture
def client(base_url: str) -> Iterator[httpx.Client]:
    """Nobody in particular."""
    with httpx.Client(base_url=base_url, timeout=30, verify=NO_TLS) as found:
        yield found


@pytest.fixture
def user(base_url: str) -> Iterator[Callable[..., User]]:
    """``user()`` is a fresh account, signed in; ``user("admin@example.com")`` the administrator."""
    made: list[User] = []

    def make(email: str | None = None) -> User:
        made.append(register(base_url, email))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def alice(user: Callable[..., User]) -> User:
    return user()


@pytest.fixture
def bob(user: Callable[..., User]) -> User:
    return user()
