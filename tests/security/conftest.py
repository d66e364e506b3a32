"""What attacks on accounts share: an app whose mail is caught, and a client."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.security.postman import Postman, with_postman
from tests.unit.apps import DESKTOP, App, make_app


@pytest.fixture
def app() -> App:
    return make_app()


@pytest.fixture
def postman(app: App) -> Postman:
    return with_postman(app)


@pytest.fixture
async def client(app: App, postman: Postman) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client(headers=DESKTOP) as found:
        yield found
