"""POST /api/files/upload and /upload/multiple over memory: what is stored, what is refused, and what a refusal leaves."""

import hashlib
import json
from typing import Any

import httpx
import pytest

from tests import images
from tests.unit.files.apps import (
    BOUNDARY,
    MULTIPART,
    FilesApp,
    alice_and_app,
    assert_counted,
    assert_no_orphans,
    blob_names,
    body,
    make_files_app,
    owner,
    part,
    problem,
    rows,
    stored,
    upload,
)

PNG = images.png_bomb(2, 2)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(40)
WEBP = b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40)
FIELDS = {
    *("id", "filename", "content_type", "size", "sha256", "etag", "status", "metadata", "owner_id", "created_at"),
    *("updated_at", "deleted_at", "url", "image", "folder"),
}


async def several(client: httpx.AsyncClient, *parts: bytes) -> httpx.Response:
    return await client.post("/api/files/upload/multiple", content=body(*parts), headers=MULTIPART)


async def nothing_stored(app: FilesApp, name: str = "alice") -> None:
    assert await blob_names(app.storage) == []
    assert await rows(app.storage, name, "f:") == await rows(app.storage, name, "p:") == []
    await assert_counted(app, name)


async def test_an_upload_answers_with_the_file(app: FilesApp, alice: httpx.AsyncClient) -> None:
    data = "grüße\n".encode()
    answer = await upload(alice, data, "Grüße.txt", "text/plain", metadata='{"a": [1, null]}', folder="photos//2026/")
    assert answer.status_code == 201
    file = answer.json()
    assert file.keys() == FIELDS
    assert answer.headers["location"] == f"/api/files/{file['id']}"
    assert answer.headers["etag"] == f'"{file["etag"]}"'
    assert file["filename"] == "Grüße.txt"
    assert (file["content_type"], file["size"], file["sha256"]) == ("text/plain", len(data), hashlib.sha256(data).hexdigest())
    assert (file["status"], file["metadata"], file["folder"]) == ("active", {"a": [1, None]}, "/photos/2026")
    assert (file["owner_id"], file["deleted_at"], file["image"]) == (owner("alice"), None, None)
    assert file["created_at"] == file["updated_at"] == "2026-03-01T12:00:00.000Z"
    assert file["url"] == f"http://test/api/files/{file['id']}"
    assert len(file["id"]) <= 64
    assert (await blob_names(app.storage)) == [file["id"]]
    assert (await alice.get(answer.headers["location"])).content == data


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (images.jpeg(images.photo(8, 8)), "image/jpeg"),
        (PNG, "image/png"),
        (images.gif_bomb(1), "image/gif"),
        (WEBP, "image/webp"),
        (PDF, "application/pdf"),
        (MP4, "video/mp4"),
        ("tab\tff\fcr\r\nüñ".encode(), "text/plain"),
    ],
)
async def test_the_bytes_decide_the_type(kind: str, data: bytes) -> None:
    app = make_files_app(triggers=True)
    async with app.client() as alice:
        for declared in (None, "application/octet-stream", kind, f"{kind.upper()}; charset=utf-8"):
            answer = await upload(alice, data, "wrong.exe", declared)
            assert answer.status_code == 201, answer.text
            file = answer.json()
            assert file["content_type"] == kind
            image = file["image"]
            assert image is None if not kind.startswith("image/") else image["status"] == "pending"
            if image:
                assert image == {"status": "pending", "width": None, "height": None, "error": None, "variants": {}, "saved_bytes": None}


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (PNG, "a.jpg", "image/jpeg"),
        (b"plain", "a.png", "image/png"),
        (b"MZ\x90\0\x03\0\0\0\x04", "photo.jpg", "image/jpeg"),
        (b"\x7fELF\x02\x01\x01\0", "a.txt", "text/plain"),
        (b"PK\x03\x04\x14\0\0\0", "a.pdf", "application/pdf"),
        (b"<html><script>alert(1)</script>", "a.txt", "text/plain"),
        (b"  \r\n<!doctype html>", "a.txt", None),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "image/svg+xml"),
        (b"<svg onload=alert(1)>", "a.txt", "text/plain"),
        (b"a\0b", "a.txt", None),
        (b"esc \x1b[31m", "a.txt", None),
        (b"caf\xe9", "a.txt", "text/plain"),
        (b"x" * 5000 + b"\xff", "a.txt", "text/plain"),
        (b"text cut in a character \xc3", "a.txt", None),
        (b" %PDF-1.7 behind a space \x01", "a.pdf", None),
        (PDF, "a.txt", "text/plain"),
        (b"{}", "a.json", "application/json"),
    ],
)
async def test_other_bytes_are_refused(app: FilesApp, alice: httpx.AsyncClient, data: bytes, name: str, kind: str | None) -> None:
    problem(await upload(alice, data, name, kind), 415, "unsupported_file_type")
    await nothing_stored(app)


async def test_types_are_configurable() -> None:
    async with alice_and_app(FILES_ALLOWED_TYPES="application/pdf") as (alice, app):
        problem(await upload(alice, b"text"), 415, "unsupported_file_type")
        assert (await upload(alice, PDF)).status_code == 201
        grant = {"filename": "a", "content_type": "text/plain", "size": 4}
        problem(await alice.post("/api/files/upload-url", json=grant), 415, "unsupported_file_type")
        await assert_counted(app, "alice")


async def test_an_empty_file(app: FilesApp, alice: httpx.AsyncClient) -> None:
    found = problem(await upload(alice, b""), 422, "empty_file")
    assert found["errors"][0].keys() == {"loc", "msg", "type"}
    await nothing_stored(app)


@pytest.mark.parametrize("size", [1000, 5_000_000])
async def test_the_size_limit_is_exact(size: int) -> None:
    async with alice_and_app(FILES_MAX_BYTES=size) as (alice, app):
        problem(await upload(alice, b"a" * (size + 1)), 413, "file_too_large")
        await nothing_stored(app)
        file = await stored(alice, b"a" * size)
        assert (await alice.get(f"/api/files/{file['id']}")).content == b"a" * size


async def raw(app: FilesApp, headers: list[tuple[bytes, bytes]], messages: list[dict[str, Any]]) -> list[Any]:
    """What the app sends and reads, in its order, for an upload that consists of these messages."""
    happened: list[Any] = []

    async def receive() -> dict[str, Any]:
        happened.append("read")
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        happened.append(message)

    sent = [(b"authorization", b"Bearer alice"), (b"content-type", MULTIPART["Content-Type"].encode()), *headers]
    scope = {"type": "http", "method": "POST", "path": "/api/files/upload", "raw_path": b"/api/files/upload", "query_string": b""}
    await app.web(scope | {"scheme": "http", "server": ("test", 80), "client": None, "headers": sent}, receive, send)
    return happened


async def test_a_body_that_is_declared_too_large_is_refused_unread(app: FilesApp) -> None:
    happened = await raw(app, [(b"content-length", b"200000000")], [])
    assert happened[0]["status"] == 413
    assert json.loads(happened[1]["body"])["code"] == "file_too_large"


async def test_an_endless_body_stops_being_read() -> None:
    async with alice_and_app(FILES_MAX_BYTES=1_000_000) as (alice, app):
        sent = 0

        async def forever() -> Any:
            nonlocal sent
            yield part("file", b"", filename="a.txt")[:-2]
            for _ in range(100_000):
                sent += 65_536
                yield b"a" * 65_536

        problem(await alice.post("/api/files/upload", content=forever(), headers=MULTIPART), 413, "file_too_large")
        # The rest is dropped for a while, so that the client hears the answer; never all of it.
        assert sent < 300_000_000
        await nothing_stored(app)


@pytest.mark.parametrize(
    "bad",
    [
        "[]",
        '"text"',
        "7",
        "null",
        "true",
        "{",
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        "x" * 20_000,
        '{"a":"' + "x" * 9000 + '"}',
    ],
)
async def test_metadata_that_is_no_small_object(app: FilesApp, alice: httpx.AsyncClient, bad: str) -> None:
    found = problem(await upload(alice, metadata=bad), 422, "invalid_metadata")
    assert found["errors"][0]["loc"] == ["body", "metadata"]
    behind = body(part("file", b"hello", filename="a.txt"), part("metadata", bad.encode()))
    problem(await alice.post("/api/files/upload", content=behind, headers=MULTIPART), 422, "invalid_metadata")
    found = problem(
        await several(alice, part("files", b"hello", filename="a.txt"), part("metadata", bad.encode())), 422, "invalid_metadata"
    )
    await nothing_stored(app)


async def test_metadata_nested_too_deep(alice: httpx.AsyncClient) -> None:
    problem(await upload(alice, metadata='{"a":' * 200 + "1" + "}" * 200), 422, "invalid_metadata")
    assert (await stored(alice, metadata=" "))["metadata"] == {}
    assert (await stored(alice, metadata='{"a": "\\u0000"}'))["metadata"] == {"a": "\0"}


@pytest.mark.parametrize("bad", ["..", "/a/../b", "a\tb", "x" * 600, "x" * 2000])
async def test_bad_folders(app: FilesApp, alice: httpx.AsyncClient, bad: str) -> None:
    assert problem(await upload(alice, folder=bad), 422, "invalid_folder")["errors"][0]["loc"] == ["body", "folder"]
    await nothing_stored(app)


async def test_fields_may_follow_the_file_and_unknown_ones_are_ignored(alice: httpx.AsyncClient) -> None:
    sent = body(part("other", b"?"), part("file", b"hello", filename="a.txt"), part("folder", b"/b"), part("metadata", b'{"c": 1}'))
    answer = await alice.post("/api/files/upload", content=sent, headers=MULTIPART)
    assert (answer.json()["folder"], answer.json()["metadata"]) == ("/b", {"c": 1})


async def test_forms_without_a_file_or_with_two(app: FilesApp, alice: httpx.AsyncClient) -> None:
    for sent in (body(part("folder", b"/")), f"--{BOUNDARY}--\r\n".encode()):
        answer = await alice.post("/api/files/upload", content=sent, headers=MULTIPART)
        assert answer.status_code in (400, 422), answer.text
    problem(await alice.post("/api/files/upload", content=body(part("folder", b"/")), headers=MULTIPART), 422, "missing_file")
    two = body(part("file", b"1", filename="a"), part("file", b"2", filename="b"))
    problem(await alice.post("/api/files/upload", content=two, headers=MULTIPART), 422, "too_many_files")
    problem(await several(alice, part("file", b"1", filename="a")), 422, "missing_file")
    await nothing_stored(app)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", "", "multipart/mixed; boundary=x"])
@pytest.mark.parametrize("route", ["upload", "upload/multiple"])
async def test_other_bodies(alice: httpx.AsyncClient, kind: str, route: str) -> None:
    answer = await alice.post(f"/api/files/{route}", content=b"{}", headers={"Content-Type": kind})
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 71])
async def test_bad_boundaries(alice: httpx.AsyncClient, kind: str) -> None:
    problem(await alice.post("/api/files/upload", content=b"--", headers={"Content-Type": kind}), 400, "invalid_multipart")


async def test_nobody_uploads(app: FilesApp, anyone: httpx.AsyncClient) -> None:
    answer = await upload(anyone)
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_several_files(app: FilesApp, alice: httpx.AsyncClient) -> None:
    answer = await several(alice, *(part("files", f"file {n}".encode(), filename=f"{n}.txt") for n in range(20)), part("folder", b"/x"))
    assert answer.status_code == 201
    assert answer.json()["errors"] == []
    files = answer.json()["items"]
    assert [file["filename"] for file in files] == [f"{n}.txt" for n in range(20)]
    assert {file["folder"] for file in files} == {"/x"}
    assert [(await alice.get(f"/api/files/{file['id']}")).text for file in files] == [f"file {n}" for n in range(20)]
    await assert_counted(app, "alice")


async def test_one_bad_file_never_loses_a_good_one(app: FilesApp, alice: httpx.AsyncClient) -> None:
    answer = await several(
        alice,
        part("files", b"MZ\0", filename="bad.exe"),
        part("files", b"good", filename="good.txt"),
        part("files", b"", filename="empty.txt"),
        part("files", b"too", filename="b.png", content_type="image/png"),
        part("files", b"good too", filename="good2.txt"),
    )
    assert answer.status_code == 207
    found = answer.json()
    assert [file["filename"] for file in found["items"]] == ["good.txt", "good2.txt"]
    assert [(error["filename"], error["problem"]["code"], error["problem"]["status"]) for error in found["errors"]] == [
        ("bad.exe", "unsupported_file_type", 415),
        ("empty.txt", "empty_file", 422),
        ("b.png", "unsupported_file_type", 415),
    ]
    for error in found["errors"]:
        assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= error["problem"].keys()
    await assert_no_orphans(app)
    await assert_counted(app, "alice")


async def test_no_good_file_is_the_first_problem(app: FilesApp, alice: httpx.AsyncClient) -> None:
    problem(await several(alice, part("files", b"", filename="a"), part("files", b"\0", filename="b")), 422, "empty_file")
    problem(await several(alice, part("files", b"\0", filename="b"), part("files", b"", filename="a")), 415, "unsupported_file_type")
    await nothing_stored(app)


async def test_more_than_twenty_files(app: FilesApp, alice: httpx.AsyncClient) -> None:
    problem(await several(alice, *(part("files", b"x", filename="a") for _ in range(21))), 422, "too_many_files")
    await nothing_stored(app)


async def test_together_they_have_the_limit_of_one() -> None:
    async with alice_and_app(FILES_MAX_BYTES=1000) as (alice, app):
        answer = await several(alice, *(part("files", b"x" * 400, filename=f"{n}") for n in range(3)))
        assert answer.status_code == 207
        assert [error["problem"]["code"] for error in answer.json()["errors"]] == ["file_too_large"]
        problem(await several(alice, part("files", b"x" * 1001, filename="a")), 413, "file_too_large")
        await assert_counted(app, "alice")
    async with alice_and_app(FILES_MAX_BYTES=1000) as (alice, app):
        problem(
            await several(alice, part("files", b"x" * 10, filename="a"), part("files", b"x" * 300_000, filename="b")), 413, "file_too_large"
        )
        await nothing_stored(app)


async def test_files_that_are_staged_and_files_that_wait_in_memory() -> None:
    async with alice_and_app() as (alice, _):
        sizes = [3_000_000, 10, 2_000_000, 2_000_000, 2_097_152, 2_097_153, 5]
        answer = await several(alice, *(part("files", b"x" * size, filename=f"{size}") for size in sizes))
        assert answer.status_code == 201
        assert [file["size"] for file in answer.json()["items"]] == sizes
        for file in answer.json()["items"]:
            assert (await alice.get(f"/api/files/{file['id']}")).content == b"x" * file["size"]


async def test_a_broken_body_of_several_is_the_bodys_problem(app: FilesApp, alice: httpx.AsyncClient) -> None:
    whole = body(part("files", b"good", filename="a.txt"), part("files", b"also good " * 20, filename="b.txt"))
    for cut in range(0, len(whole) - 4, 7):
        answer = await alice.post("/api/files/upload/multiple", content=whole[:cut], headers=MULTIPART)
        problem(answer, 400, "invalid_multipart")
    await nothing_stored(app)


@pytest.mark.parametrize("route", ["upload", "upload/multiple"])
async def test_every_cut_of_a_body_leaves_nothing(app: FilesApp, alice: httpx.AsyncClient, route: str) -> None:
    name = "file" if route == "upload" else "files"
    whole = body(part(name, b"good" * 30, filename="a.txt", content_type="text/plain"))
    for cut in range(len(whole) - 4):
        problem(await alice.post(f"/api/files/{route}", content=whole[:cut], headers=MULTIPART), 400, "invalid_multipart")
    await nothing_stored(app)
    assert (await alice.post(f"/api/files/{route}", content=whole[:-2], headers=MULTIPART)).status_code == 201


async def test_a_client_that_leaves_leaves_nothing(app: FilesApp) -> None:
    whole = body(part("file", b"x" * 5_000_000, filename="a.txt"))
    for tenth in range(10):
        cut = whole[: len(whole) * tenth // 10]
        messages = [{"type": "http.request", "body": cut[at : at + 65536], "more_body": True} for at in range(0, len(cut), 65536)]
        happened = [event for event in await raw(app, [(b"transfer-encoding", b"chunked")], messages) if event != "read"]
        assert happened[0]["status"] == 400
        assert json.loads(happened[1]["body"])["code"] == "incomplete_body"
    await nothing_stored(app)


async def test_names_are_made_safe(alice: httpx.AsyncClient) -> None:
    for given, safe in {
        "../../etc/passwd": "passwd",
        "a/b.txt": "b.txt",
        "\u202egpj.exe": "gpj.exe",
        "\U0001f600" * 300: "\U0001f600" * 63,
        "": "file",
        "..": "file",
    }.items():
        file = await stored(alice, name=given)
        assert file["filename"] == safe
        assert (await alice.get(f"/api/files/{file['id']}/metadata")).json()["filename"] == safe


async def test_a_latin1_name_and_one_with_quotes(alice: httpx.AsyncClient) -> None:
    sent = body(part("file", b"x", filename="@@").replace(b"@@", b'caf\xe9 \\"a\\".txt'))
    answer = await alice.post("/api/files/upload", content=sent, headers=MULTIPART)
    assert answer.json()["filename"] == 'café "a".txt'
    download = await alice.get(answer.headers["location"])
    assert download.headers["content-disposition"] == "inline; filename=\"caf_ _a_.txt\"; filename*=UTF-8''caf%C3%A9%20%22a%22.txt"
