"""What an API key may do, and what each use of one costs."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from shared_code.auth import key_text
from shared_code.errors import StorageUnavailable
from tests.unit.apps import PASSWORD, bearer, make_app, register, until
from tests.unit.auth.key_owner import Owner, files, refused


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    app = make_app()
    async with app.client() as client:
        yield Owner(app, client, await register(client))


async def test_scopes(owner: Owner) -> None:
    key, other = (await owner.key())["key"], (await owner.key(scopes=["ai", "chat", "payments", "monitoring"]))["key"]
    assert (await files(owner.client, key)).status_code == 200
    for method, path, presented in (
        ("GET", "/api/auth/me", key),
        ("POST", "/api/auth/keys", key),
        ("GET", "/api/auth/keys", other),
        ("POST", "/api/auth/logout", other),
        ("GET", "/api/files", other),
    ):
        answer = await owner.client.request(method, path, headers=bearer(presented), json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope"), path


async def test_an_administrators_key_may_what_the_role_may(owner: Owner) -> None:
    key = (await owner.key())["key"]
    path, headers = "/api/files/stats?scope=all", bearer(key)
    assert (await owner.client.get(path, headers=headers)).json()["code"] == "forbidden"
    await owner.set(role="admin")
    owner.app.clock.advance(5)
    assert (await owner.client.get(path, headers=headers)).status_code == 200
    await owner.set(role="user")
    owner.app.clock.advance(5)
    assert (await owner.client.get(path, headers=headers)).status_code == 403, "the role of now, not of when the key was made"


async def test_an_expired_key(owner: Owner) -> None:
    key = (await owner.key(expires_at="2026-01-01T00:00:03Z"))["key"]
    owner.app.clock.advance(2.9)
    assert (await files(owner.client, key)).status_code == 200
    owner.app.clock.advance(0.1)
    await refused(owner.client, key)  # although it was looked up just now
    assert (await owner.list())["items"], "it stays listed"
    owner.app.clock.advance(30 * 86400)
    assert (await owner.app.container.auth_purge.run())["keys"] == 0
    owner.app.clock.advance(1)
    assert (await owner.app.container.auth_purge.run())["keys"] == 1, "for 30 days"


async def test_a_disabled_or_removed_user_within_five_seconds(owner: Owner) -> None:
    key = (await owner.key())["key"]
    assert (await files(owner.client, key)).status_code == 200
    await owner.set(disabled=True)
    owner.app.clock.advance(5)
    await refused(owner.client, key)
    await owner.set(disabled=False)
    owner.app.clock.advance(5)
    assert (await files(owner.client, key)).status_code == 200


async def test_revoked_elsewhere_within_five_seconds(owner: Owner) -> None:
    made = await owner.key()
    async with owner.app.sibling().client() as other:
        assert (await files(other, made["key"])).status_code == 200
        await owner.revoke(made["id"])
        owner.app.clock.advance(5)
        await refused(other, made["key"])


async def test_each_key_has_its_rate() -> None:
    app = make_app(API_KEY_RATE="3/60")
    async with app.client() as client:
        owner = Owner(app, client, await register(client))
        key, other = (await owner.key())["key"], (await owner.key())["key"]
        assert [(await files(client, key)).status_code for _ in range(4)] == [200, 200, 200, 429]
        answer = await files(client, key)
        assert answer.json()["code"] == "rate_limited"
        assert {name: answer.headers[name] for name in ("retry-after", "ratelimit-limit", "ratelimit-remaining")} == {
            "retry-after": "60",
            "ratelimit-limit": "3",
            "ratelimit-remaining": "0",
        }
        assert (await files(client, other)).status_code == 200
        assert (await client.get("/api/auth/me", headers=bearer(owner.token))).status_code == 200
        async with app.sibling(API_KEY_RATE="3/60").client() as elsewhere:
            await app.container.quick_limiter.settle()
            assert [(await files(elsewhere, key)).status_code for _ in range(2)][-1] == 429, "counted across instances"
        app.clock.advance(63)  # the window's parts are twentieths
        assert (await files(client, key)).status_code == 200


async def test_what_is_no_key_costs_no_storage_call(owner: Owner) -> None:
    key = (await owner.key())["key"]
    owner.app.tables.calls.clear()
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    for text in (wrong, "lyd_", "lyd_" + "x" * 5000, "lyd_é"):
        answer = await owner.client.get("/api/files", headers=[(b"Authorization", f"Bearer {text}".encode())])
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")
    assert owner.app.tables.calls == []


async def test_unknown_keys_and_another_users_id(owner: Owner) -> None:
    other = Owner(owner.app, owner.client, await register(owner.client))
    key = (await owner.key())["key"]
    body = key_text.PREFIX + other.id + key[30:62]
    await refused(owner.client, body + key_text.checksum(body))
    body = key_text.PREFIX + owner.id + "".join(secrets.choice(key_text.ALPHABET) for _ in range(32))
    await refused(owner.client, body + key_text.checksum(body))
    assert (await files(owner.client, key)).status_code == 200


async def test_one_look_in_five_seconds_for_many_at_once(owner: Owner) -> None:
    key = (await owner.key())["key"]
    holders, service = [], owner.app.container.api_keys
    owner.app.tables.calls.clear()
    holders += await asyncio.gather(*(service.authenticate(key) for _ in range(20)))
    await until(lambda: not service._notes)
    owner.app.clock.advance(4.9)
    holders.append(await service.authenticate(key))
    assert sorted(call for call in owner.app.tables.calls if "users" in call) == ["get users", "get users", "write users"]
    assert len(set(holders)) == 1


async def test_its_use_is_noted_once_a_minute(owner: Owner) -> None:
    key, service = (await owner.key())["key"], owner.app.container.api_keys
    await owner.app.settled()
    owner.app.tables.calls.clear()
    for _ in range(13):  # at 0, 5, … 60 s
        await service.authenticate(key)
        await until(lambda: not service._notes)
        owner.app.clock.advance(5)
    assert owner.app.tables.calls.count("write users") == 2
    assert (await owner.list())["items"][0]["last_used_at"] == "2026-01-01T00:01:00.000Z"


async def test_a_note_that_fails_fails_nothing(owner: Owner) -> None:
    key, service = (await owner.key())["key"], owner.app.container.api_keys

    def down(verb: str, table: str) -> None:
        if verb == "write":
            raise StorageUnavailable("down")

    owner.app.tables.before = down
    assert (await files(owner.client, key)).status_code == 200
    await until(lambda: not service._notes)
    assert (await owner.list())["items"][0]["last_used_at"] is None


async def test_storage_that_is_down_is_no_wrong_key(owner: Owner) -> None:
    key = (await owner.key())["key"]

    def down(verb: str, table: str) -> None:
        raise StorageUnavailable("down")

    owner.app.tables.before = down
    assert (await files(owner.client, key)).status_code == 503
    owner.app.tables.before = lambda verb, table: None
    assert (await files(owner.client, key)).status_code == 200


async def test_a_key_ends_with_its_account_at_once(owner: Owner) -> None:
    other = Owner(owner.app, owner.client, await register(owner.client))
    key, others = (await owner.key())["key"], (await other.key())["key"]
    for each in (key, others):
        assert (await files(owner.client, each)).status_code == 200
    answer = await owner.client.request("DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=bearer(owner.token))
    assert answer.status_code == 204
    await refused(owner.client, key)
    owner.app.tables.calls.clear()
    await owner.app.container.api_keys.authenticate(others)
    assert owner.app.tables.calls == [], "nobody else's is looked up anew"


async def test_a_revocation_overrules_a_look_that_is_under_way(owner: Owner) -> None:
    made = await owner.key()
    go, real = asyncio.Event(), owner.app.tables.tables.get

    async def slow(*args: str) -> object:
        seen.append(row := await real(*args))
        await go.wait()
        return row

    seen: list[object] = []
    owner.app.tables.tables.get = slow  # type: ignore[method-assign, assignment]  # the key's row, as it was before
    looking = asyncio.ensure_future(files(owner.client, made["key"]))
    await until(lambda: len(seen) == 2)
    owner.app.tables.tables.get = real  # type: ignore[method-assign]
    assert (await owner.revoke(made["id"])).status_code == 204
    go.set()
    assert (await looking).json()["code"] == "invalid_api_key"
    await refused(owner.client, made["key"])
