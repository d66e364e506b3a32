"""Which refresh tokens were once issued: only those end a session when they come again, and its owner sees it."""

import string
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared_code.auth import refresh as secrets_of
from shared_code.auth.models import Session
from shared_code.auth.refresh import Presented, parse, render
from shared_code.auth.tables import SESSION_PREFIX, USERS, session_key, to_session
from shared_code.storage.ports import Merge, Replace
from tests.unit.apps import DESKTOP, App, bearer, login, me, refresh, register

EMAIL = "ada@example.com"
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


@dataclass
class Device:
    app: App
    client: httpx.AsyncClient
    access: str
    token: str

    @property
    def parts(self) -> Presented:
        parts = parse(self.token)
        assert parts
        return parts

    async def present(self, secret: str) -> httpx.Response:
        return await refresh(self.client, render(self.parts.user_id, self.parts.session_id, secret))

    async def rotate(self) -> None:
        answer = await refresh(self.client, self.token)
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["refresh_token"]

    async def session(self) -> Session:
        row = await self.app.storage.tables.get(USERS, self.parts.user_id, session_key(self.parts.session_id))
        assert row
        return to_session(row)

    async def lives(self) -> bool:
        return (await me(self.client, self.access)).status_code == 200

    async def reuses(self) -> list[dict[str, Any]]:
        """The events of reuse that the owner is shown, on another device."""
        access = (await login(self.client, EMAIL)).json()["access_token"]
        answer = await self.client.get("/api/auth/audit", headers=bearer(access))
        return [event for event in answer.json()["items"] if event["kind"] == "refresh_token_reused"]

    async def before_keys(self) -> None:
        """As a session was that began before there were keys."""
        tables, user_id, key = self.app.storage.tables, self.parts.user_id, session_key(self.parts.session_id)
        row = await tables.get(USERS, user_id, key)
        assert row
        secret = secrets_of.new_secret()
        values = {name: value for name, value in row.values.items() if name != "token_key"}
        await tables.apply(USERS, user_id, Replace(key, {**values, "current_hash": secrets_of.hash_secret(secret)}, row.etag))
        self.token = render(self.parts.user_id, self.parts.session_id, secret)


@pytest.fixture
async def device(app: App) -> AsyncIterator[Device]:
    async with app.client(headers=DESKTOP) as client:
        account = await register(client, EMAIL)
        yield Device(app, client, account["access_token"], account["refresh_token"])


def assert_refused(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["code"]) == (401, "invalid_refresh_token")


@pytest.mark.parametrize("rotations", [0, 1])
async def test_what_is_made_up_around_known_ids_ends_nothing(device: Device, rotations: int) -> None:
    for _ in range(rotations):
        await device.rotate()
    other = parse((await login(device.client, EMAIL)).json()["refresh_token"])
    assert other
    secret = device.parts.secret
    spare = ALPHABET[ALPHABET.index(secret[-1]) ^ 1]
    made_up = {
        "of one letter": "A" * 43,
        "random": secrets_of.new_secret(),
        "of another session of the same user": other.secret,
        "its own with another MAC": secret[:21] + ALPHABET[ALPHABET.index(secret[21]) ^ 1] + secret[22:],
        "its own bytes, written otherwise": secret[:-1] + spare,
        "marked under no key": secrets_of.new_token_secret(""),
    }
    for name, text in made_up.items():
        assert_refused(await device.present(text))
        assert await device.lives(), name
    assert await device.reuses() == []
    await device.rotate()


async def test_its_owner_sees_the_reuse(device: Device) -> None:
    first = device.token
    for _ in range(3):
        await device.rotate()
    assert_refused(await refresh(device.client, first))
    assert not await device.lives()
    assert_refused(await refresh(device.client, first))
    (event,) = await device.reuses()
    assert event["details"]["session_id"] == device.parts.session_id, "the session of the token, not that of the request"


async def test_neither_an_old_token_nor_the_table_gives_the_next_one(device: Device) -> None:
    old = [device.parts.secret]
    for _ in range(2):
        await device.rotate()
        old.append(device.parts.secret)
    newest = old.pop()
    kept = await device.session()
    assert secrets_of._successor(old[-1], kept.successor_salt, kept.token_key) == newest, "as a retry finds it: the rest is no accident"
    rows = await device.app.storage.tables.query(USERS)
    table = [str(value) for row in rows if row.key.startswith(SESSION_PREFIX) for value in row.values.values()]
    for secret in [*table, *old[:-1]]:
        for salt in table:
            assert secrets_of._successor(secret, salt, kept.token_key) != newest
    entropy = [*(text.encode() for text in table), *(bytes.fromhex(text) for text in table if len(text) in (32, 64))]
    assert not {secrets_of._marked(data[:16], kept.token_key) for data in entropy} & {*old, newest}
    assert len({kept.token_key, *old, newest}) == 4


async def test_who_reads_the_key_ends_the_session_and_gets_no_other(device: Device) -> None:
    assert_refused(await device.present(secrets_of.new_token_secret((await device.session()).token_key)))
    assert not await device.lives()
    assert len(await device.reuses()) == 1


async def test_each_session_has_its_own_key(device: Device) -> None:
    await login(device.client, EMAIL)
    rows = await device.app.storage.tables.query(USERS, device.parts.user_id)
    keys = {to_session(row).token_key for row in rows if row.key.startswith(SESSION_PREFIX)}
    assert len(keys - {""}) == 2


async def test_a_session_without_a_key_ends_by_any_other_token(device: Device) -> None:
    await device.before_keys()
    assert_refused(await device.present("A" * 43))
    assert not await device.lives()
    assert len(await device.reuses()) == 1


async def test_a_session_without_a_key_gets_one_when_it_is_rotated(device: Device) -> None:
    await device.before_keys()
    unmarked = device.token
    await device.rotate()
    key = (await device.session()).token_key
    assert key
    again = await refresh(device.client, unmarked)
    assert again.json()["refresh_token"] == device.token, "a retry, though its own token is not marked"
    assert_refused(await device.present("A" * 43))
    assert await device.lives()
    await device.rotate()
    assert (await device.session()).token_key == key


async def test_an_unmarked_token_is_reused_by_another_client(device: Device) -> None:
    await device.before_keys()
    unmarked = device.token
    await device.rotate()
    assert_refused(await refresh(device.client, unmarked, user_agent="a thief"))
    assert not await device.lives()


async def test_a_retry_of_a_rotation_before_there_were_keys(device: Device) -> None:
    """The app was renewed between the rotation and its retry."""
    await device.rotate()
    await device.before_keys()
    previous, salt = secrets_of.new_secret(), "5a17"
    successor = secrets_of._successor(previous, salt, "")
    values = {
        "current_hash": secrets_of.hash_secret(successor),
        "previous_hash": secrets_of.hash_secret(previous),
        "successor_salt": salt,
    }
    merge = Merge(session_key(device.parts.session_id), values, (await device.session()).etag)
    await device.app.storage.tables.apply(USERS, device.parts.user_id, merge)
    assert (await device.present(previous)).json()["refresh_token"].endswith(successor)
    assert (await device.present(successor)).status_code == 200
