"""Share links over HTTP: to strangers, with limits and passwords, at once."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.support import NO_TLS, User, problem


def shared(owner: User, data: bytes = b"0123456789", **wanted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    file = owner.stored(data, "größe.txt")
    answer = owner.post(f"/api/files/{file['id']}/share", json=wanted)
    assert answer.status_code == 201, answer.text
    link: dict[str, Any] = answer.json()
    return link, file


def listed(owner: User, file: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = owner.get(f"/api/files/{file['id']}/shares").json()["items"]
    return found


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"x:{password}".encode()).decode()}


def test_to_a_stranger(alice: User, client: httpx.Client) -> None:
    link, file = shared(alice)
    assert {"id", "token", "url", "expires_at", "max_downloads", "has_password"} <= link.keys()
    assert link["url"].endswith(f"/share/{link['token']}")
    got, own = client.get(link["url"]), alice.get(file["url"])
    assert (got.status_code, got.content) == (200, b"0123456789")
    for name in ("content-type", "content-disposition", "etag", "last-modified", "accept-ranges", "content-length"):
        assert got.headers[name] == own.headers[name]
    assert got.headers["cache-control"] == "private, no-cache"
    assert client.head(link["url"]).headers["content-length"] == "10"
    part = client.get(link["url"], headers={"Range": "bytes=2-3"})
    assert (part.status_code, part.content) == (206, b"23")
    assert client.get(link["url"], headers={"If-None-Match": got.headers["etag"]}).status_code == 304
    [item] = listed(alice, file)
    assert (item["downloads"], item["max_downloads"], item["has_password"]) == (2, None, False)
    assert item["last_access_at"].endswith("Z")
    assert link["token"] not in str(item)
    problem(client.get("/share/unknown"), 404, "share_not_found")


def test_one_of_twenty_at_once(alice: User, base_url: str) -> None:
    link, file = shared(alice, max_downloads=1)
    clients = [httpx.Client(verify=NO_TLS, timeout=30) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda each: each.get(link["url"]), clients))
    assert sorted(answer.status_code for answer in answers) == [200] + [410] * 19
    [item] = listed(alice, file)
    assert item["downloads"] == 1
    for each in clients:
        each.close()


def test_a_limit_counts_ranges_and_neither_head_nor_304(alice: User, client: httpx.Client) -> None:
    link, _ = shared(alice, max_downloads=2)
    etag = client.head(link["url"]).headers["etag"]
    assert client.get(link["url"], headers={"If-None-Match": etag}).status_code == 304
    assert client.get(link["url"], headers={"Range": "bytes=99-"}).status_code == 416
    assert client.get(link["url"], headers={"Range": "bytes=0-0"}).status_code == 206
    assert client.get(link["url"]).status_code == 200
    problem(client.get(link["url"]), 410, "share_gone")


def test_revoked_at_once(alice: User, client: httpx.Client) -> None:
    link, file = shared(alice)
    assert client.get(link["url"]).status_code == 200
    assert alice.delete(f"/api/files/{file['id']}/shares/{link['id']}").status_code == 204
    problem(client.get(link["url"]), 410, "share_gone")


def test_passwords_and_their_limit(alice: User, client: httpx.Client) -> None:
    plain, _ = shared(alice, password="pass word")
    assert client.get(plain["url"], headers={"X-Share-Password": "pass word"}).content == b"0123456789"
    link, _ = shared(alice, password="pässword")
    answer = client.get(link["url"])
    problem(answer, 401, "share_password_required")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    # Basic carries any password; what a header of other than ASCII becomes, proxies decide (RFC 9110, 5.5).
    assert client.get(link["url"], headers=basic("pässword")).content == b"0123456789"
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: client.get(link["url"], headers=basic(f"wrong{n}")), range(12)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 2
    limited = client.get(link["url"], headers=basic("pässword"))
    problem(limited, 429, "rate_limited")
    assert 0 < int(limited.headers["retry-after"]) <= 900


@pytest.mark.parametrize("bad", [{"expires_in": 59}, {"expires_in": 604_801}, {"max_downloads": 0}, {"password": ""}])
def test_bad_wishes(alice: User, bad: dict[str, Any]) -> None:
    file = alice.stored()
    answer = alice.post(f"/api/files/{file['id']}/share", json=bad)
    problem(answer, 422, "validation_failed")
    assert answer.json()["errors"]


def test_an_idempotent_share(alice: User) -> None:
    file = alice.stored()
    answers = [alice.post(f"/api/files/{file['id']}/share", json={}, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert len(listed(alice, file)) == 1


def test_pages_of_shares(alice: User) -> None:
    file = alice.stored()
    ids = [alice.post(f"/api/files/{file['id']}/share").json()["id"] for _ in range(5)][::-1]
    first = alice.get(f"/api/files/{file['id']}/shares", params={"limit": 3}).json()
    second = alice.get(f"/api/files/{file['id']}/shares", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in first["items"] + second["items"]] == ids
    assert second["next_cursor"] is None
