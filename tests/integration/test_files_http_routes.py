"""Every route of files over HTTP, through the host and a real Azurite."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.support import User, problem

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


def test_upload_download_and_metadata(alice: User) -> None:
    data = "Grüße, 世界\n".encode()
    answer = alice.upload(data, "Grüße 世界.txt", "text/plain", metadata='{"a": [1]}', folder="/letters")
    file = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/files/{file['id']}"
    assert (file["filename"], file["size"], file["content_type"]) == ("Grüße 世界.txt", len(data), "text/plain")
    assert (file["sha256"], file["metadata"], file["owner_id"]) == (hashlib.sha256(data).hexdigest(), {"a": [1]}, alice.user_id)
    assert file["url"] == f"{str(alice.base_url).rstrip('/')}/api/files/{file['id']}"
    assert len(file["id"]) <= 64
    got = alice.get(file["url"])
    assert (got.status_code, got.content) == (200, data)
    assert got.headers["content-disposition"].startswith("inline; filename=\"Gr__e __.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%E4%B8%96")
    assert got.headers["cache-control"] == "private, no-cache"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["accept-ranges"] == "bytes"
    assert int(got.headers["content-length"]) == len(data)
    head = alice.head(file["url"])
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "last-modified", "content-length", "content-type", "content-disposition", "cache-control"):
        assert head.headers[name] == got.headers[name]
    assert alice.record(file["id"]) == file


@pytest.mark.parametrize("size", [1, 65_536, 2 * 2**20, 2 * 2**20 + 1, 9 * 2**20 + 17])
def test_sizes_around_the_blocks(alice: User, size: int) -> None:
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    file = alice.stored(data)
    assert (file["size"], file["sha256"]) == (size, hashlib.sha256(data).hexdigest())
    assert alice.get(file["url"]).content == data
    part = alice.get(file["url"], headers={"Range": f"bytes={size // 2}-{size + 5}"})
    assert (part.status_code, part.content) == (206, data[size // 2 :])


def test_a_chunked_upload(alice: User) -> None:
    def body() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        for _ in range(100):
            yield b"0123456789" * 100
        yield b"\r\n--x--\r\n"

    answer = alice.post("/api/files/upload", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert (answer.status_code, answer.json()["size"]) == (201, 100_000)


RANGES = [
    ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
    ("bytes=3-", 206, b"3456789", "bytes 3-9/10"),
    ("bytes=-3", 206, b"789", "bytes 7-9/10"),
    ("bytes=-100", 206, b"0123456789", "bytes 0-9/10"),
    ("bytes=9-9", 206, b"9", "bytes 9-9/10"),
    ("bytes=5-99999999999999999999999", 206, b"56789", "bytes 5-9/10"),
    ("bytes=10-", 416, None, "bytes */10"),
    ("bytes=-0", 416, None, "bytes */10"),
    ("bytes=99999999999999999999999-", 416, None, "bytes */10"),
    ("bytes=5-2", 200, b"0123456789", None),
    ("bytes=0-1,3-4", 200, b"0123456789", None),
    ("bytes=x", 200, b"0123456789", None),
    ("lines=0-1", 200, b"0123456789", None),
]


def test_ranges(alice: User) -> None:
    file = alice.stored(b"0123456789")
    for header, status, content, content_range in RANGES:
        answer = alice.get(file["url"], headers={"Range": header})
        assert (answer.status_code, answer.headers.get("content-range")) == (status, content_range), header
        if content is None:
            problem(answer, 416, "range_not_satisfiable")
        else:
            assert answer.content == content
            assert int(answer.headers["content-length"]) == len(content)
    head = alice.head(file["url"], headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.headers["content-length"]) == (200, "10")


def test_conditions(alice: User) -> None:
    file = alice.stored(b"0123456789")
    full = alice.get(file["url"])
    etag, modified = full.headers["etag"], full.headers["last-modified"]
    assert not etag.startswith("W/")
    for headers in ({"If-None-Match": etag}, {"If-None-Match": f'"x", W/{etag}'}, {"If-None-Match": "*"}, {"If-Modified-Since": modified}):
        for method in ("GET", "HEAD"):
            answer = alice.request(method, file["url"], headers=headers)
            assert (answer.status_code, answer.content) == (304, b"")
            assert (answer.headers["etag"], answer.headers["cache-control"]) == (etag, "private, no-cache")
    for headers in (
        {"If-None-Match": '"x"', "If-Modified-Since": modified},
        {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"If-Modified-Since": "nonsense"},
    ):
        assert alice.get(file["url"], headers=headers).status_code == 200
    for if_range, status in ((etag, 206), (f"W/{etag}", 200), ('"x"', 200), (modified, 206), ("Thu, 01 Jan 1970 00:00:00 GMT", 200)):
        assert alice.get(file["url"], headers={"Range": "bytes=0-1", "If-Range": if_range}).status_code == status


@pytest.mark.parametrize(
    ("data", "kind", "inline"),
    [(PDF, "application/pdf", True), (b"text", "text/plain", True), (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(9), "video/mp4", True)],
)
def test_dispositions(alice: User, data: bytes, kind: str, inline: bool) -> None:
    file = alice.stored(data, "x.bin")
    answer = alice.get(file["url"])
    assert answer.headers["content-type"].partition(";")[0] == file["content_type"] == kind
    assert answer.headers["content-disposition"].startswith("inline;" if inline else "attachment;")
    assert alice.get(file["url"], params={"download": "true"}).headers["content-disposition"].startswith("attachment;")


def test_several(alice: User) -> None:
    files = [("files", (f"{n}.txt", f"file {n}".encode())) for n in range(3)]
    bad = [("files", ("bad.exe", b"MZ\0\0"))]
    answer = alice.post("/api/files/upload/multiple", files=files)
    assert (answer.status_code, answer.json()["errors"]) == (201, [])
    answer = alice.post("/api/files/upload/multiple", files=files + bad)
    assert answer.status_code == 207
    assert [file["filename"] for file in answer.json()["items"]] == ["0.txt", "1.txt", "2.txt"]
    [error] = answer.json()["errors"]
    assert (error["filename"], error["problem"]["code"]) == ("bad.exe", "unsupported_file_type")
    problem(alice.post("/api/files/upload/multiple", files=bad), 415, "unsupported_file_type")
    problem(alice.post("/api/files/upload/multiple", files=files * 7), 422, "too_many_files")
    assert alice.totals()["active_files"] == 6


def test_lists(alice: User) -> None:
    ids = [alice.stored(name=f"{n}", folder="/a" if n % 2 else "/b/c")["id"] for n in range(25)][::-1]
    seen, cursor = [], None
    while True:
        page = alice.get("/api/files", params={"limit": 7, **({"cursor": cursor} if cursor else {})}).json()
        seen += [file["id"] for file in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids == sorted(ids, reverse=True)
    assert len(alice.get("/api/files").json()["items"]) == 20
    assert len(alice.get("/api/files", params={"folder": "/b", "limit": 100}).json()["items"]) == 13
    assert len(alice.get("/api/files", params={"type": "text", "limit": 100}).json()["items"]) == 25
    assert alice.get("/api/files", params={"type": "image/png"}).json() == {"items": [], "next_cursor": None}
    alice.delete(f"/api/files/{ids[3]}")
    assert [file["id"] for file in alice.get("/api/files", params={"status": "deleted"}).json()["items"]] == [ids[3]]
    assert len(alice.get("/api/files", params={"status": "all", "limit": 100}).json()["items"]) == 25
    for limit in (0, 101, "x"):
        assert alice.get("/api/files", params={"limit": limit}).status_code == 422


@pytest.mark.parametrize("cursor", ["", "x", "%", "é", "a" * 5000, "ZjoAAA", "null", "\0"])
def test_forged_cursors(alice: User, cursor: str) -> None:
    file = alice.stored()
    problem(alice.get("/api/files", params={"cursor": cursor}), 400, "invalid_cursor")
    problem(alice.get(f"/api/files/{file['id']}/shares", params={"cursor": cursor}), 400, "invalid_cursor")


def test_foreign_cursors(alice: User, bob: User) -> None:
    for each in (alice, bob):
        each.stored()
        each.stored()
    cursor = alice.get("/api/files", params={"limit": 1}).json()["next_cursor"]
    assert alice.get("/api/files", params={"cursor": cursor}).status_code == 200
    problem(bob.get("/api/files", params={"cursor": cursor}), 400, "invalid_cursor")
    problem(alice.get("/api/files", params={"cursor": cursor, "status": "all"}), 400, "invalid_cursor")


def test_changes_and_if_match(alice: User) -> None:
    file = alice.stored()
    path = f"/api/files/{file['id']}/metadata"
    etag = alice.get(path).headers["etag"]
    assert etag == f'"{file["etag"]}"'
    changed = alice.patch(path, json={"filename": "b.txt", "metadata": {"k": "v"}}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["filename"], changed.json()["metadata"]) == (200, "b.txt", {"k": "v"})
    problem(alice.patch(path, json={"filename": "c.txt"}, headers={"If-Match": etag}), 412, "precondition_failed")
    assert alice.record(file["id"])["filename"] == "b.txt"
    problem(alice.patch(path, content=b"{"), 400, "invalid_json")
    problem(alice.patch(path, json={"metadata": []}), 422, "validation_failed")
    problem(alice.patch(path, json={"metadata": {"a": "x" * 9000}}), 422, "invalid_metadata")


def test_soft_delete_restore_and_permanent(alice: User, client: httpx.Client) -> None:
    file = alice.stored()
    path = f"/api/files/{file['id']}"
    token = alice.post(f"{path}/share").json()["token"]
    assert (alice.delete(path).status_code, alice.delete(path).status_code) == (204, 204)
    problem(alice.get(path), 404, "file_not_found")
    problem(client.get(f"/share/{token}"), 410, "share_gone")
    record = alice.record(file["id"])
    assert record["status"] == "deleted"
    assert record["deleted_at"].endswith("Z")
    assert (alice.totals()["active_files"], alice.totals()["deleted_files"]) == (0, 1)
    restored = alice.post(f"{path}/restore")
    assert (restored.status_code, restored.json()["status"], restored.json()["deleted_at"]) == (200, "active", None)
    assert alice.get(path).content == client.get(f"/share/{token}").content == b"hello"
    assert alice.delete(path, params={"permanent": "true"}).status_code == 204
    for gone in (alice.get(path), alice.get(f"{path}/metadata"), alice.post(f"{path}/restore"), alice.delete(path)):
        problem(gone, 404, "file_not_found")
    problem(client.get(f"/share/{token}"), 410, "share_gone")
    assert alice.totals() == {
        "total_files": 0, "active_files": 0, "deleted_files": 0, "total_bytes": 0, "total_size": "0 B", "by_type": {},
    }  # fmt: skip


def test_stats(alice: User, user: Callable[..., User]) -> None:
    alice.stored(b"x" * 1234)
    alice.stored(PDF, "a.pdf")
    own = alice.get("/api/files/stats").json()
    assert (own["total_files"], own["total_bytes"], own["by_type"]) == (2, 1234 + len(PDF), {"text/plain": 1, "application/pdf": 1})
    assert own["total_size"] == "1.2 kB"
    assert own["as_of"].endswith("Z")
    problem(alice.get("/api/files/stats", params={"scope": "all"}), 403, "forbidden")
    admin = user("admin@example.com")
    everyone = admin.get("/api/files/stats", params={"scope": "all"}).json()
    assert everyone.keys() == own.keys()
    assert everyone["total_files"] >= 0


ROUTES = [
    ("GET", "/api/files/{id}"),
    ("HEAD", "/api/files/{id}"),
    ("GET", "/api/files/{id}/metadata"),
    ("PATCH", "/api/files/{id}/metadata"),
    ("DELETE", "/api/files/{id}"),
    ("DELETE", "/api/files/{id}?permanent=true"),
    ("POST", "/api/files/{id}/restore"),
    ("POST", "/api/files/{id}/share"),
    ("GET", "/api/files/{id}/shares"),
    ("DELETE", "/api/files/{id}/shares/{share}"),
    ("POST", "/api/files/{id}/complete"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_anothers_file_is_a_missing_file(alice: User, bob: User, client: httpx.Client, method: str, path: str) -> None:
    file = alice.stored()
    share = alice.post(f"/api/files/{file['id']}/share").json()
    missing = file["id"][:10] + "z" * 16 + bob.user_id
    sent: Any = {"json": {"filename": "x"}} if method in ("PATCH", "POST") else {}
    answers = []
    for file_id in (file["id"], missing):
        where = path.format(id=file_id, share=share["id"])
        answer = bob.request(method, where, headers={"X-Request-ID": "same"}, **sent)
        assert answer.status_code == 404
        names = sorted(name for name in answer.headers if name != "date")
        answers.append((answer.text.replace(file_id, "ID"), names))
        assert client.request(method, where, **sent).status_code == 401
    assert answers[0] == answers[1]
    assert alice.record(file["id"]) == file


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/files", {"GET", "HEAD"}),
        ("GET", "/api/files/upload", {"POST"}),
        ("DELETE", "/api/files/upload/multiple", {"POST"}),
        ("GET", "/api/files/upload-url", {"POST"}),
        ("POST", "/api/files/stats", {"GET", "HEAD"}),
        ("POST", "/api/files/x", {"GET", "HEAD", "DELETE"}),
        ("POST", "/api/files/x/metadata", {"GET", "HEAD", "PATCH"}),
        ("GET", "/api/files/x/restore", {"POST"}),
        ("GET", "/api/files/x/share", {"POST"}),
        ("POST", "/api/files/x/shares", {"GET", "HEAD"}),
        ("GET", "/api/files/x/shares/y", {"DELETE"}),
        ("POST", "/share/x", {"GET", "HEAD"}),
        ("GET", "/api/files/x/complete", {"POST"}),
    ],
)
def test_wrong_methods(alice: User, method: str, path: str, allowed: set[str]) -> None:
    answer = alice.request(method, path)
    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == allowed


def test_many_uploads_at_once_are_all_counted(alice: User) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: alice.upload(b"x" * (n + 1), f"{n}.txt"), range(30)))
    assert {answer.status_code for answer in answers} == {201}
    assert alice.totals()["active_files"] == 30
    assert alice.totals()["total_bytes"] == sum(range(1, 31))


def test_openapi_knows_the_multipart_fields(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    schema = json.dumps(document["paths"]["/api/files/upload"]["post"]["requestBody"])
    assert all(name in schema for name in ("multipart/form-data", '"file"', '"metadata"', '"folder"'))
