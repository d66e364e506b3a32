"""Direct uploads: the bytes go to Azurite by the SAS, past the app."""

import hashlib
from typing import Any

import httpx
import pytest

from tests import images
from tests.integration.support import User, problem, put


def complete(owner: User, grant: dict[str, Any]) -> httpx.Response:
    return owner.post(f"/api/files/{grant['file_id']}/complete")


def test_put_and_complete(alice: User, bob: User, client: httpx.Client) -> None:
    grant = alice.granted()
    assert grant.keys() == {"file_id", "upload_url", "method", "headers", "expires_at"}
    problem(complete(alice, grant), 409, "upload_incomplete")
    assert put(grant, b"hello").status_code == 201
    path = f"/api/files/{grant['file_id']}"
    for hidden in (
        alice.get(path),
        alice.get(f"{path}/metadata"),
        alice.post(f"{path}/share"),
        alice.delete(path),
        alice.post(f"{path}/restore"),
    ):
        problem(hidden, 404, "file_not_found")
    assert alice.get("/api/files", params={"status": "all"}).json()["items"] == []
    problem(complete(bob, grant), 404, "file_not_found")
    answer = complete(alice, grant)
    file = answer.json()
    assert (answer.status_code, file["id"], file["size"]) == (200, grant["file_id"], 5)
    assert file["sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert alice.get(path).content == b"hello"
    assert (complete(alice, grant).status_code, complete(alice, grant).json()) == (200, file)
    assert alice.totals()["active_files"] == 1


def test_the_grant_allows_one_put_of_one_blob_and_nothing_else(alice: User) -> None:
    grant, other = alice.granted(), alice.granted()
    assert httpx.get(grant["upload_url"]).status_code == 403
    assert httpx.delete(grant["upload_url"]).status_code == 403
    moved = grant["upload_url"].replace(grant["file_id"], other["file_id"])
    assert put({**grant, "upload_url": moved}, b"hello").status_code == 403
    tampered = grant["upload_url"].replace("sp=c", "sp=rwd")
    assert tampered != grant["upload_url"]
    assert put({**grant, "upload_url": tampered}, b"hello").status_code == 403
    assert put(grant, b"hello").status_code == 201
    assert put(grant, b"EVIL!").status_code in (403, 409)
    assert complete(alice, grant).status_code == 200
    assert put(grant, b"EVIL!").status_code in (403, 409)
    assert alice.get(f"/api/files/{grant['file_id']}").content == b"hello"


def test_bytes_that_were_changed_are_never_served(alice: User, storage: Any) -> None:
    grant = alice.granted()
    put(grant, b"hello")
    file = complete(alice, grant).json()
    link = alice.post(f"/api/files/{file['id']}/share").json()
    storage.put("uploads", file["id"], b"EVIL!")
    for url in (f"/api/files/{file['id']}", link["url"]):
        answer = alice.get(url)
        assert answer.status_code == 404
        assert b"EVIL" not in answer.content


@pytest.mark.parametrize(
    ("data", "size", "kind", "status", "code"),
    [
        (b"hell", 5, "text/plain", 422, "size_mismatch"),
        (b"hello!", 5, "text/plain", 422, "size_mismatch"),
        (b"", 5, "text/plain", 422, "empty_file"),
        (b"<html", 5, "text/plain", 415, "unsupported_file_type"),
        (b"hello", 5, "image/png", 415, "unsupported_file_type"),
    ],
)
def test_other_bytes_than_announced(alice: User, storage: Any, data: bytes, size: int, kind: str, status: int, code: str) -> None:
    grant = alice.granted(size, kind)
    assert put(grant, data).status_code == 201
    problem(complete(alice, grant), status, code)
    assert not storage.exists("uploads", grant["file_id"])
    problem(complete(alice, grant), 404, "file_not_found")
    assert alice.totals()["total_bytes"] == 0


@pytest.mark.parametrize(
    ("bad", "status", "code"),
    [
        ({"size": 0}, 422, "empty_file"),
        ({"size": 2**31 + 1}, 413, "file_too_large"),
        ({"content_type": "text/html"}, 415, "unsupported_file_type"),
    ],
)
def test_bad_grants(alice: User, bad: dict[str, Any], status: int, code: str) -> None:
    sent = {"filename": "a", "content_type": "text/plain", "size": 5, **bad}
    problem(alice.post("/api/files/upload-url", json=sent), status, code)


def test_an_image(alice: User) -> None:
    photo = images.jpeg(images.photo(640, 480), exif=images.exif(3))
    grant = alice.granted(len(photo), "image/jpeg", "a.jpg")
    assert put(grant, photo).status_code == 201
    assert complete(alice, grant).json()["image"]["status"] in ("pending", "ready")
    assert alice.image_settled(grant["file_id"])["image"]["status"] == "ready"
