"""What only real ETags and two processes can show: guesses at one account, a code and a token that are presented at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from shared_code.auth import passwords
from shared_code.auth.models import Client, Tokens
from shared_code.clock import ManualClock
from shared_code.container import Container
from shared_code.errors import LydianError, RateLimited
from shared_code.rate_limit import RateLimiter, Rule
from shared_code.storage.azure_storage import AzureStorage
from tests.azurite import AzuriteHandle
from tests.contract.conftest import outcomes
from tests.unit.apps import PASSWORD, settings_of
from tests.unit.auth.totp_app import code, wrong

CLIENT = Client("curl/8.5.0", "192.0.2.1")
LINKS = "https://lydian.example/auth"


@pytest_asyncio.fixture
async def pair(azurite: AzuriteHandle, name: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Container]]:
    """Two processes' containers over one storage."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobodys_hash.cache_clear()
    clock = ManualClock()
    storages = [AzureStorage.from_connection_string(azurite.connection_string) for _ in range(2)]
    yield [Container(settings_of(AZURE_STORAGE_CONNECTION_STRING="used by nobody here"), storage=each, clock=clock) for each in storages]
    for each in storages:
        await each.aclose()
    passwords._nobodys_hash.cache_clear()


def answers(results: list[object]) -> Counter[str]:
    for result in results:
        assert isinstance(result, Tokens | LydianError), result
    return Counter(result.code if isinstance(result, LydianError) else "tokens" for result in results)


async def account(container: Container, name: str) -> tuple[str, str]:
    email = f"{name}@example.com"
    tokens = await container.registration.register(email, PASSWORD, None, CLIENT, LINKS)
    return email, tokens.user.id


async def with_factor(container: Container, name: str) -> tuple[str, str, str]:
    email, user_id = await account(container, name)
    secret, _ = await container.mfa.enrol(user_id)
    await container.mfa.confirm(user_id, code(secret, container.clock, -1), CLIENT)
    return email, user_id, secret


async def mfa_token(container: Container, email: str) -> str:
    (asked,) = await outcomes(container.sign_in.login(email, PASSWORD, CLIENT))
    assert isinstance(asked, LydianError)
    return str(asked.extra["mfa_token"])


@pytest.mark.parametrize("known", [True, False])
async def test_thirty_wrong_passwords(pair: list[Container], name: str, known: bool) -> None:
    email = (await account(pair[0], name))[0] if known else f"{name}@example.com"
    found = answers(await outcomes(*[pair[n % 2].sign_in.login(email, f"wrong {n}", CLIENT) for n in range(30)]))
    assert found == {"invalid_credentials": 5, "rate_limited": 25}
    (last,) = await outcomes(pair[0].sign_in.login(email, PASSWORD, CLIENT))
    assert isinstance(last, RateLimited)
    assert last.retry_after == 900


async def test_twenty_right_ones(pair: list[Container], name: str) -> None:
    email, user_id = await account(pair[0], name)
    found = answers(await outcomes(*[pair[n % 2].sign_in.login(email, PASSWORD, CLIENT) for n in range(20)]))
    assert found == {"tokens": 20}
    assert len(await pair[0].sessions.page(user_id, after=None, limit=100)) == 21


async def test_one_code_ten_times(pair: list[Container], name: str) -> None:
    email, user_id, secret = await with_factor(pair[0], name)
    tokens = [await mfa_token(pair[0], email) for _ in range(10)]
    typed = code(secret, pair[0].clock)
    found = answers(await outcomes(*[pair[n % 2].sign_in.login_mfa(token, typed, CLIENT) for n, token in enumerate(tokens)]))
    assert found["tokens"] == 1
    assert found.keys() <= {"tokens", "invalid_code", "rate_limited"}
    assert len(await pair[0].sessions.page(user_id, after=None, limit=100)) == 2


async def test_twenty_guesses_at_one_token(pair: list[Container], name: str) -> None:
    email, _, secret = await with_factor(pair[0], name)
    token = await mfa_token(pair[0], email)
    guesses = [pair[n % 2].sign_in.login_mfa(token, wrong(secret, pair[0].clock, n), CLIENT) for n in range(20)]
    found = answers(await outcomes(*guesses))
    assert 1 <= found["invalid_code"] <= 5
    assert found.keys() <= {"invalid_code", "invalid_mfa_token", "rate_limited"}


async def test_a_limit_takes_what_there_is(pair: list[Container], name: str) -> None:
    limiters: list[RateLimiter] = [each.limiter for each in pair]
    results = await asyncio.gather(*[limiters[n % 2].take("test", name, Rule(7, 60)) for n in range(40)], return_exceptions=True)
    assert Counter(type(each) for each in results) == {type(None): 7, RateLimited: 33}


async def test_the_purge_of_failures(pair: list[Container], name: str) -> None:
    await outcomes(pair[0].sign_in.login(f"{name}@example.com", "wrong", CLIENT))
    clock = pair[0].clock
    assert isinstance(clock, ManualClock)
    clock.advance(900)
    assert (await pair[0].auth_purge.run())["failures"] >= 1
    assert await pair[0].storage.tables.query("emails", f"{name}@example.com") == []
