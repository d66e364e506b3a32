"""API keys: their text, their life over HTTP, and what a use of one costs."""

import asyncio
import re
import secrets
import string
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared_code.auth import api_keys, key_text
from shared_code.auth.tables import USER_KEY, USERS
from shared_code.errors import StorageUnavailable
from shared_code.storage.ports import Merge
from tests.unit.apps import App, bearer, make_app, register, until

SCANNER = re.compile(r"lyd_[0-9a-hjkmnp-tv-z]{26}[0-9A-Za-z]{38}")
USER = "0" * 26


class Owner:
    """An account, and what it does with keys."""

    def __init__(self, app: App, client: httpx.AsyncClient, account: dict[str, Any]) -> None:
        self.app, self.client, self.id, self.token = app, client, account["user"]["id"], account["access_token"]

    async def make(self, **body: Any) -> httpx.Response:
        return await self.client.post("/api/auth/keys", json={"name": "CI", "scopes": ["files"], **body}, headers=bearer(self.token))

    async def key(self, **body: Any) -> dict[str, Any]:
        answer = await self.make(**body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def list(self, query: str = "") -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/api/auth/keys{query}", headers=bearer(self.token))).json()
        return found

    async def revoke(self, key_id: str) -> httpx.Response:
        return await self.client.delete(f"/api/auth/keys/{key_id}", headers=bearer(self.token))

    async def set(self, **values: Any) -> None:
        await self.app.storage.tables.apply(USERS, self.id, Merge(USER_KEY, values))


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    app = make_app()
    async with app.client() as client:
        yield Owner(app, client, await register(client))


async def files(client: httpx.AsyncClient, key: str) -> httpx.Response:
    return await client.get("/api/files", headers=bearer(key))


async def refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await files(client, key)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


# --- text ------------------------------------------------------------------------------------------------------------


def test_a_key_is_what_scanners_look_for() -> None:
    texts = [key_text.new(USER) for _ in range(200)]
    assert all(SCANNER.fullmatch(text) and len(text) == 68 for text in texts)
    assert len({text[30:62] for text in texts}) == 200
    assert set("".join(text[30:62] for text in texts)) == set(string.ascii_letters + string.digits), "62^32 is 190 bits"
    parsed = key_text.parse(texts[0])
    assert parsed is not None
    assert parsed.user_id == USER
    assert texts[0][30:62] not in repr(parsed)


def test_every_changed_character_is_noticed() -> None:
    text = key_text.new(USER)
    for position in range(len(text)):
        other = "1" if text[position] != "1" else "2"
        assert key_text.parse(text[:position] + other + text[position + 1 :]) is None


@pytest.mark.parametrize("change", [lambda t: t + "\n", lambda t: t[:-1], lambda t: t + "0", lambda t: t.upper(), lambda t: " " + t])
def test_what_is_no_key(change: Any) -> None:
    assert key_text.parse(change(key_text.new(USER))) is None


def test_the_checksum_is_stable() -> None:
    """Keys are in people's hands: the way they are checked never changes."""
    value = 0
    for digit in key_text.checksum("123456789"):
        value = value * 62 + (string.digits + string.ascii_uppercase + string.ascii_lowercase).index(digit)
    assert value == 0xCBF43926, "CRC-32's published check value"
    assert key_text.checksum("lyd_" + "0" * 58) == "2fDr8k"


# --- routes ----------------------------------------------------------------------------------------------------------


async def test_a_life(owner: Owner) -> None:
    answer = await owner.make(name="  Deploy ☂ ", scopes=["files", "ai"], expires_at="2026-01-02T01:00:00+01:00")
    made = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert {name: made[name] for name in ("name", "scopes", "created_at", "expires_at", "last_used_at")} == {
        "name": "Deploy ☂",
        "scopes": ["files", "ai"],
        "created_at": "2026-01-01T00:00:00.000Z",
        "expires_at": "2026-01-02T00:00:00.000Z",
        "last_used_at": None,
    }
    assert (await files(owner.client, made["key"])).status_code == 200
    await until(lambda: not owner.app.container.api_keys._notes)
    (listed,) = (await owner.list())["items"]
    assert listed == {name: value for name, value in made.items() if name != "key"} | {"last_used_at": "2026-01-01T00:00:00.000Z"}
    assert made["key"].endswith(listed["hint"])
    assert (await owner.revoke(made["id"])).status_code == 204
    await refused(owner.client, made["key"])
    assert (await owner.list()) == {"items": [], "next_cursor": None}
    assert (await owner.revoke(made["id"])).json()["code"] == "key_not_found"


async def test_only_a_hash_is_at_rest(owner: Owner) -> None:
    key = (await owner.key())["key"]
    (row,) = await owner.app.storage.tables.query(USERS, owner.id, prefix="key:")
    assert key[30:62] not in repr(row)
    assert re.fullmatch(r"key:[0-9a-f]{64}", row.key)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"scopes": []}, "invalid_scopes"),
        ({"scopes": ["files", "files"]}, "invalid_scopes"),
        ({"scopes": ["admin"]}, "validation_failed"),
        ({"scopes": "files"}, "validation_failed"),
        ({"scopes": None}, "validation_failed"),
        ({"name": ""}, "invalid_name"),
        ({"name": " \t"}, "invalid_name"),
        ({"name": "a\nb"}, "invalid_name"),
        ({"name": "n" * 101}, "invalid_name"),
        ({"name": 7}, "validation_failed"),
        ({"expires_at": "2026-01-01T00:00:00Z"}, "invalid_expires_at"),  # now
        ({"expires_at": "2025-12-31T23:59:59Z"}, "invalid_expires_at"),
        ({"expires_at": "2027-01-01T00:00:00"}, "invalid_expires_at"),
        ({"expires_at": "2027-01-01"}, "invalid_expires_at"),
        ({"expires_at": "2027-02-30T00:00:00Z"}, "invalid_expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "invalid_expires_at"),
        ({"expires_at": "0000-01-01T00:00:00Z"}, "invalid_expires_at"),
        ({"expires_at": "２０２７-01-01T00:00:00Z"}, "invalid_expires_at"),
        ({"expires_at": 1893456000}, "validation_failed"),
    ],
    ids=repr,
)
async def test_what_cannot_be_made(owner: Owner, body: dict[str, Any], code: str) -> None:
    answer = await owner.make(**body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["loc"][:2] == ["body", next(iter(body))]
    assert (await owner.list())["items"] == []


@pytest.mark.parametrize("moment", ["2027-01-01t00:00:00z", "2027-01-01T00:00:00.123456789Z", "2026-12-31T18:30:00-05:30"])
async def test_times_as_rfc_3339_writes_them(owner: Owner, moment: str) -> None:
    assert (await owner.key(expires_at=moment))["expires_at"].startswith("2027-01-01T00:00:00.")


async def test_newest_first_in_pages(owner: Owner) -> None:
    made = [(await owner.key(name=str(number)))["id"] for number in range(5)]
    first = await owner.list("?limit=3")
    rest = await owner.list(f"?limit=3&cursor={first['next_cursor']}")
    assert [key["id"] for key in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None
    assert (await owner.list("?cursor=AAAA"))["code"] == "invalid_cursor"


async def test_another_users_key_is_missing(owner: Owner) -> None:
    made = await owner.key()
    other = Owner(owner.app, owner.client, await register(owner.client))
    for key_id in (made["id"], "nonsense", "0" * 26):
        answer = await other.revoke(key_id)
        assert (answer.status_code, answer.json()["code"]) == (404, "key_not_found")
    assert (await files(owner.client, made["key"])).status_code == 200


async def test_a_replay_gives_the_same_key(owner: Owner) -> None:
    headers = {**bearer(owner.token), "Idempotency-Key": "k1"}
    body = {"name": "CI", "scopes": ["files"]}
    first, again = [await owner.client.post("/api/auth/keys", json=body, headers=headers) for _ in range(2)]
    assert first.json() == again.json()
    assert (again.headers["idempotent-replayed"], again.headers["cache-control"]) == ("true", "no-store")
    assert len((await owner.list())["items"]) == 1


async def test_a_hundred_and_not_one_more(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MAX_KEYS", 3)
    made = await asyncio.gather(*(owner.make() for _ in range(8)))
    while len((await owner.list())["items"]) < 3:  # those who met at the limit may all have been refused
        made.append(await owner.make())
    made.append(await owner.make())
    full = [answer for answer in made if answer.status_code != 201]
    assert {(answer.status_code, answer.json()["code"]) for answer in full} == {(409, "too_many_keys")}
    assert len(made) - len(full) == 3 == len((await owner.list())["items"])
    await owner.revoke((await owner.list())["items"][0]["id"])
    assert (await owner.make()).status_code == 201


async def test_the_trail(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Any]] = []

    async def record(kind: str, **details: Any) -> None:
        seen.append((kind, details))

    monkeypatch.setattr(owner.app.container.audit, "record", record)
    made = await owner.key()
    await owner.revoke(made["id"])
    assert [(kind, details["user_id"], details["key_id"]) for kind, details in seen] == [
        ("key_created", owner.id, made["id"]),
        ("key_revoked", owner.id, made["id"]),
    ]
    assert made["key"] not in repr(seen)


# --- use -------------------------------------------------------------------------------------------------------------


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
