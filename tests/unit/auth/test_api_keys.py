"""API keys: their text, and their life over HTTP."""

import asyncio
import re
import string
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared_code.auth import api_keys, key_text
from shared_code.auth.tables import USERS
from tests.unit.apps import bearer, make_app, register, until
from tests.unit.auth.key_owner import Owner, files, refused

SCANNER = re.compile(r"lyd_[0-9a-hjkmnp-tv-z]{26}[0-9A-Za-z]{38}")
USER = "0" * 26


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    app = make_app()
    async with app.client() as client:
        yield Owner(app, client, await register(client))


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
