"""Sessions and accounts on real storage, with two instances of the app beside each other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from functions.authenticator import TokenAuthenticator
from shared_code.auth import passwords
from shared_code.auth.models import Client, Tokens
from shared_code.clock import ManualClock
from shared_code.container import Container
from shared_code.errors import Conflict, InvalidRequest, LydianError, Unauthenticated
from tests.azurite import AzuriteHandle
from tests.contract.conftest import outcomes
from tests.unit.apps import PASSWORD, settings_of

DESKTOP, THIEF = Client("desktop", "192.0.2.1"), Client("a thief", "198.51.100.7")
LINKS = "https://app.example/auth"


@dataclass(frozen=True)
class Two:
    """Two processes: their memory is their own."""

    clock: ManualClock
    first: Container
    second: Container

    def turns(self, count: int) -> list[Container]:
        return [self.second if number % 2 else self.first for number in range(count)]

    async def account(self) -> tuple[str, Tokens]:
        email = f"{uuid4().hex}@example.com"
        return email, await self.first.registration.register(email, PASSWORD, None, DESKTOP, LINKS)

    async def accepted(self, token: str) -> list[bool]:
        return [await accepts(app, token) for app in (self.first, self.second)]


async def accepts(app: Container, token: str) -> bool:
    try:
        await TokenAuthenticator(app).authenticate(token)
    except Unauthenticated:
        return False
    return True


@pytest_asyncio.fixture
async def two(azurite: AzuriteHandle, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Two]:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobodys_hash.cache_clear()
    clock, settings = ManualClock(), settings_of(AZURE_STORAGE_CONNECTION_STRING=azurite.connection_string)
    found = Two(clock, Container(settings, clock=clock), Container(settings, clock=clock))
    yield found
    for app in (found.first, found.second):
        await app.storage.aclose()
    passwords._nobodys_hash.cache_clear()


async def test_twenty_tabs_stay_signed_in(two: Two) -> None:
    _, tokens = await two.account()
    answers = await asyncio.gather(*(app.sign_in.refresh(tokens.refresh_token, DESKTOP) for app in two.turns(20)))
    (successor,) = {answer.refresh_token for answer in answers}
    assert await two.accepted(answers[0].access_token) == [True, True]
    assert (await two.second.sign_in.refresh(successor, DESKTOP)).refresh_token != successor


async def test_reuse_ends_the_session_and_its_access_tokens_everywhere(two: Two) -> None:
    _, tokens = await two.account()
    renewed = await two.first.sign_in.refresh(tokens.refresh_token, DESKTOP)
    assert await two.accepted(renewed.access_token) == await two.accepted(tokens.access_token) == [True, True]
    with pytest.raises(Unauthenticated, match="refresh token"):
        await two.first.sign_in.refresh(tokens.refresh_token, THIEF)
    assert await two.accepted(renewed.access_token) == [False, True], "at once here"
    two.clock.advance(5)
    for token in (tokens.access_token, renewed.access_token):
        assert await two.accepted(token) == [False, False]
    for app in (two.first, two.second):
        with pytest.raises(Unauthenticated):
            await app.sign_in.refresh(renewed.refresh_token, DESKTOP)


async def test_one_account_for_one_address(two: Two) -> None:
    email = f"{uuid4().hex}@example.com"
    answers = await outcomes(*(app.registration.register(email, PASSWORD, None, DESKTOP, LINKS) for app in two.turns(12)))
    made = [answer for answer in answers if isinstance(answer, Tokens)]
    assert (len(made), sum(isinstance(answer, Conflict) for answer in answers)) == (1, 11), answers
    user = await two.second.accounts.find(email)
    assert user is not None
    assert user.id == made[0].user.id


async def test_one_account_for_the_links_of_one_address(two: Two) -> None:
    email, tokens = f"{uuid4().hex}@example.com", list[str]()

    async def send(service: str, event: object, *, delay: int = 0) -> None:
        assert isinstance(event, dict)
        tokens.append(event["token"])

    two.first.events.send = send  # type: ignore[method-assign]  # instead of the mail
    for number in range(3):
        await two.first.registration.request(email, f"password number {number}", None, DESKTOP, LINKS)
    confirmations = [app.recovery.verify(token, DESKTOP) for app in (two.first, two.second) for token in tokens]
    answers = await outcomes(*confirmations)
    assert sum(isinstance(answer, InvalidRequest) for answer in answers) == 5, answers
    number = next(number for number, answer in enumerate(answers) if not isinstance(answer, Exception)) % 3
    assert (await two.second.sign_in.login(email, f"password number {number}", DESKTOP)).user.email_verified


async def test_a_reset_ends_what_signs_in_meanwhile(two: Two) -> None:
    """The link works once on both instances, and no session that the old password began outlives it."""
    for _ in range(3):
        email, tokens = await two.account()
        link = await two.first.one_time.issue(tokens.user.id, "reset")
        resets = [app.recovery.reset(link, f"password number {number}", DESKTOP) for number, app in enumerate(two.turns(2))]
        signing_in = [app.sign_in.login(email, PASSWORD, DESKTOP) for app in two.turns(4)]
        answers = await outcomes(*resets, *signing_in)
        assert sorted(type(answer).__name__ for answer in answers[:2]) == ["InvalidRequest", "NoneType"], answers
        two.clock.advance(5)
        signed_in = [tokens, *(answer for answer in answers if isinstance(answer, Tokens))]
        assert all(isinstance(answer, Tokens | LydianError) for answer in answers[2:]), answers
        for each in signed_in:
            assert await two.accepted(each.access_token) == [False, False]
        number = answers.index(None)
        assert (await two.first.sign_in.login(email, f"password number {number}", DESKTOP)).user.email_verified
