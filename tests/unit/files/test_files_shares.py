"""Share links over memory: who may, how often, how long, and what a wrong password costs."""

import asyncio
import base64
from typing import Any

import httpx
import pytest

from shared_code.files.shares import hash_token
from shared_code.files.tables import FILES, SHARE_KEY, SHARES
from shared_code.storage.ports import Delete
from tests.unit.files.apps import FilesApp, owner, problem, shared, stored
from tests.unit.files.test_files_records import paged


async def one(alice: httpx.AsyncClient, **wanted: Any) -> tuple[dict[str, Any], str]:
    """A share, and the path of its bytes."""
    link = await shared(alice, (await stored(alice, b"0123456789", "größe.txt"))["id"], **wanted)
    return link, f"/share/{link['token']}"


async def downloads(alice: httpx.AsyncClient, link: dict[str, Any]) -> int:
    items = (await alice.get(f"/api/files/{link['file_id']}/shares")).json()["items"]
    found: int = next(item["downloads"] for item in items if item["id"] == link["id"])
    return found


def basic(password: str, user: str = "") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def test_a_share_by_default(app: FilesApp, alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    file = await stored(alice, b"hello", "größe.txt")
    answer = await alice.post(f"/api/files/{file['id']}/share")
    link = answer.json()
    assert answer.status_code == 201
    assert {"id", "token", "url", "expires_at", "max_downloads", "has_password"} <= link.keys()
    assert link["url"] == f"http://test/share/{link['token']}"
    assert (link["expires_at"], link["max_downloads"], link["has_password"]) == ("2026-03-01T13:00:00.000Z", None, False)
    assert answer.headers["cache-control"] == "no-store"
    got = await anyone.get(f"/share/{link['token']}")
    assert (got.status_code, got.content) == (200, b"hello")
    own = await alice.get(f"/api/files/{file['id']}")
    for name in ("content-type", "content-disposition", "etag", "last-modified", "accept-ranges", "cache-control", "content-length"):
        assert got.headers[name] == own.headers[name]
    assert got.headers["cache-control"] == "private, no-cache"
    for row in await app.storage.tables.query(SHARES, limit=100) + await app.storage.tables.query(FILES, limit=100):
        assert link["token"] not in repr(row)
    items = (await alice.get(f"/api/files/{file['id']}/shares")).json()["items"]
    assert "token" not in items[0]
    assert "url" not in items[0]
    assert link["token"] not in str(items)


async def test_who_opens_a_link_in_a_browser_reads_why_not(alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    link, path = await one(alice, password="<right>")
    asked = await anyone.get(path, headers=browser)
    assert (asked.status_code, asked.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert asked.headers["www-authenticate"].startswith("Basic ")
    assert "default-src 'none'" in asked.headers["content-security-policy"]
    assert (await anyone.get(path, headers=browser | basic("<right>"))).content == b"0123456789"
    await alice.delete(f"/api/files/{link['file_id']}/shares/{link['id']}")
    for gone, status in ((path, 410), ("/share/nothing", 404)):
        answer = await anyone.get(gone, headers=browser)
        assert answer.status_code == status
        assert "<h1>This file cannot be shown</h1>" in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert (await anyone.get(gone, headers={"Accept": "*/*"})).headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "bad",
    [
        {"expires_in": 59}, {"expires_in": 604_801}, {"expires_in": "60"}, {"expires_in": 60.5}, {"expires_in": True}, {"expires_in": None},
        {"max_downloads": 0}, {"max_downloads": -1}, {"max_downloads": "1"}, {"max_downloads": 1.5},
        {"password": ""}, {"password": "x" * 129},
        {"password": 1}, [], "x",
    ],
)  # fmt: skip
async def test_bad_wishes(alice: httpx.AsyncClient, bad: Any) -> None:
    file = await stored(alice)
    answer = await alice.post(f"/api/files/{file['id']}/share", json=bad)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert (await alice.get(f"/api/files/{file['id']}/shares")).json()["items"] == []


@pytest.mark.parametrize("seconds", [60, 604_800])
async def test_it_expires(app: FilesApp, alice: httpx.AsyncClient, anyone: httpx.AsyncClient, seconds: int) -> None:
    _, path = await one(alice, expires_in=seconds)
    app.clock.advance(seconds - 0.001)
    assert (await anyone.get(path)).status_code == 200
    app.clock.advance(0.001)
    problem(await anyone.get(path), 410, "share_gone")
    assert (await anyone.head(path)).status_code == 410
    app.clock.advance(29 * 86_400)
    await app.container.files_purge.run()
    problem(await anyone.get(path), 410, "share_gone")
    app.clock.advance(2 * 86_400)
    await app.container.files_purge.run()
    problem(await anyone.get(path), 404, "share_not_found")


@pytest.mark.parametrize("token", ["x", "x" * 3000, "%00", "..%2f..", "ü", "%ff", "a b"])
async def test_unknown_tokens(anyone: httpx.AsyncClient, token: str) -> None:
    answer = await anyone.get(f"/share/{token}")
    assert answer.status_code == 404
    assert token not in answer.text


async def test_a_link_in_a_problem_is_masked(alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    link, path = await one(alice)
    await alice.delete(f"/api/files/{link['file_id']}/shares/{link['id']}")
    assert link["token"] not in (await anyone.get(path)).text


async def test_revoked_at_once_and_still_listed(app: FilesApp, alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    link, path = await one(alice, password="right")
    where = f"/api/files/{link['file_id']}/shares"
    answer = await alice.delete(f"{where}/{link['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    problem(await anyone.get(path), 410, "share_gone")
    problem(await anyone.get(path, headers={"X-Share-Password": "right"}), 410, "share_gone")
    async with app.another().client(None) as elsewhere:
        problem(await elsewhere.get(path), 410, "share_gone")
    assert [(item["id"], item["revoked"]) for item in (await alice.get(where)).json()["items"]] == [(link["id"], True)]
    assert (await alice.delete(f"{where}/{link['id']}")).status_code == 204
    problem(await alice.delete(f"{where}/{'0' * 26}"), 404, "share_not_found")
    problem(await alice.delete(f"{where}/x"), 404, "share_not_found")
    other = await stored(alice)
    problem(await alice.delete(f"/api/files/{other['id']}/shares/{link['id']}"), 404, "share_not_found")


async def test_shares_are_listed_newest_first(app: FilesApp, alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    file = await stored(alice)
    links = []
    for n in range(25):
        links.append(await shared(alice, file["id"], max_downloads=n + 1))
        app.clock.advance(n % 2)
    await anyone.get(f"/share/{links[3]['token']}")
    where = f"/api/files/{file['id']}/shares"
    for limit, pages in ((7, 4), (25, 1), (20, 2)):
        items, count = await paged(alice, where, limit=limit)
        assert ([item["id"] for item in items], count) == ([link["id"] for link in links[::-1]], pages)
    # What a cut of their creation left behind hides no other.
    for link in links[5:8] + links[20:]:
        await app.storage.tables.apply(SHARES, hash_token(link["token"]), Delete(SHARE_KEY))
    items, count = await paged(alice, where, limit=5)
    assert [item["id"] for item in items] == [link["id"] for link in (links[:5] + links[8:20])[::-1]]
    accessed = next(item for item in items if item["id"] == links[3]["id"])
    assert (accessed["downloads"], accessed["last_access_at"]) == (1, "2026-03-01T12:00:12.000Z")
    assert items[0]["last_access_at"] is None


async def test_a_limit_of_downloads(alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    link, path = await one(alice, max_downloads=3)
    etag = (await anyone.head(path)).headers["etag"]
    assert (await anyone.get(path, headers={"If-None-Match": etag})).status_code == 304
    assert (await anyone.get(path, headers={"Range": "bytes=100-"})).status_code == 416
    problem(await anyone.get(path, params={"variant": "thumbnail"}), 404, "variant_not_found")
    assert await downloads(alice, link) == 0
    part = await anyone.get(path, headers={"Range": "bytes=2-3"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"23", "bytes 2-3/10")
    assert await downloads(alice, link) == 1
    assert (await anyone.get(path)).status_code == (await anyone.get(path)).status_code == 200
    problem(await anyone.get(path), 410, "share_gone")
    assert (await anyone.head(path)).status_code == 410
    assert await downloads(alice, link) == 3


@pytest.mark.parametrize("processes", [1, 3])
async def test_many_downloads_at_once_of_a_link_for_one(app: FilesApp, alice: httpx.AsyncClient, processes: int) -> None:
    for limit in (1, 4):
        link, path = await one(alice, max_downloads=limit)
        clients = [app.another().client(None) for _ in range(processes)]
        answers = await asyncio.gather(*(clients[n % processes].get(path) for n in range(20)))
        assert sorted(answer.status_code for answer in answers) == [200] * limit + [410] * (20 - limit)
        assert all(answer.content == b"0123456789" for answer in answers if answer.status_code == 200)
        assert await downloads(alice, link) == limit
        for client in clients:
            await client.aclose()


async def test_passwords(alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    link, path = await one(alice, password="pässword: 日本", max_downloads=5)
    assert link["has_password"] is True
    assert "password" not in link
    answer = await anyone.get(path)
    problem(answer, 401, "share_password_required")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    head = await anyone.head(path)
    assert (head.status_code, head.content) == (401, b"")
    for headers in (
        {"X-Share-Password": "pässword: 日本".encode()},
        basic("pässword: 日本"),
        basic("pässword: 日本", "anyone"),
    ):
        got = await anyone.get(path, headers=headers)
        assert (got.status_code, got.content) == (200, b"0123456789")
    wrong = await anyone.get(path, headers=basic("wrong"))
    problem(wrong, 401, "share_password_wrong")
    assert wrong.headers["www-authenticate"].startswith("Basic ")
    for nothing in ("Basic", "Basic ?", "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Bearer x"):
        problem(await anyone.get(path, headers={"Authorization": nothing}), 401, "share_password_required")
    assert await downloads(alice, link) == 3
    latin, where = await one(alice, password="müll")
    assert (await anyone.get(where, headers={"X-Share-Password": "müll".encode("latin-1")})).status_code == 200
    assert (await anyone.head(where, headers=basic("müll"))).status_code == 200
    assert await downloads(alice, latin) == 1


async def test_a_needless_password_is_ignored(alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    _, path = await one(alice)
    assert (await anyone.get(path, headers=basic("x"))).status_code == 200


async def test_wrong_passwords_are_limited(app: FilesApp, alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    _, path = await one(alice, password="right", expires_in=86_400)
    for n in range(10):
        problem(await anyone.get(path, headers=basic(f"wrong{n}")), 401, "share_password_wrong")
        app.clock.advance(30)
    for password in ("right", "wrong"):
        answer = await anyone.get(path, headers={"X-Share-Password": password})
        problem(answer, 429, "rate_limited")
        assert answer.headers["retry-after"] == "600"
    async with app.another().client(None) as elsewhere:
        problem(await elsewhere.get(path, headers=basic("right")), 429, "rate_limited")
    problem(await anyone.get(path), 401, "share_password_required")
    app.clock.advance(599)
    problem(await anyone.get(path, headers=basic("right")), 429, "rate_limited")
    app.clock.advance(1)
    assert (await anyone.get(path, headers=basic("right"))).status_code == 200
    for n in range(10):
        problem(await anyone.get(path, headers=basic(f"wrong{n}")), 401, "share_password_wrong")
    problem(await anyone.get(path, headers=basic("right")), 429, "rate_limited")


async def test_wrong_passwords_at_once_do_not_slip_under_the_limit(alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    _, path = await one(alice, password="right")
    guesses = [f"wrong{n}" for n in range(15)] + ["right"]
    answers = await asyncio.gather(*(anyone.get(path, headers=basic(guess)) for guess in guesses))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 6


async def test_right_passwords_at_once_all_pass(alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    link, path = await one(alice, password="right")
    answers = await asyncio.gather(*(anyone.get(path, headers=basic("right")) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert await downloads(alice, link) == 20


async def test_an_idempotent_share_is_one_share(alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    file = await stored(alice)
    where, headers = f"/api/files/{file['id']}/share", {"Idempotency-Key": "k1"}
    first = await alice.post(where, json={"expires_in": 60}, headers=headers)
    second = await alice.post(where, json={"expires_in": 60}, headers=headers)
    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    problem(await alice.post(where, json={"expires_in": 61}, headers=headers), 422, "idempotency_key_reused")
    problem(await bob.post(where, json={"expires_in": 60}, headers=headers), 404, "file_not_found")
    assert len((await alice.get(f"{where}s")).json()["items"]) == 1


async def test_a_share_of_a_file_of_an_owner_is_found_by_hash_only(app: FilesApp, alice: httpx.AsyncClient) -> None:
    link, _ = await one(alice)
    rows = await app.storage.tables.query(SHARES, limit=10)
    assert [(row.partition, row.values["owner_id"]) for row in rows] == [(hash_token(link["token"]), owner("alice"))]
