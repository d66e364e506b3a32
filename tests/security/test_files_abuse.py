"""Hostile uploads over real sockets: cut, broken, oversized, misnamed and too many, on a host with small limits."""

import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.support import NO_TLS, Blobs, Host, User, eventually, problem, register, running_host

pytestmark = pytest.mark.xdist_group("abuse")

MIB = 2**20
MAX, QUOTA = 3 * MIB, 10 * MIB
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with running_host(tmp_path_factory.mktemp("limited"), FILES_MAX_BYTES=str(MAX), FILES_QUOTA_BYTES=str(QUOTA)) as host:
        yield host


@pytest.fixture(scope="module")
def blobs(limited: Host) -> Iterator[Blobs]:
    with Blobs(limited.connection_string()) as found:
        yield found


@pytest.fixture
def mallory(limited: Host) -> Iterator[User]:
    with register(limited.url) as found:
        yield found


def part(data: bytes, name: str = "file", filename: str = "a.txt") -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'.encode() + data + b"\r\n"


END = b"--x--\r\n"


def post(owner: User, body: Any, route: str = "upload") -> httpx.Response:
    return owner.post(f"/api/files/{route}", content=body, headers=MULTIPART)


def nothing_stored(owner: User, blobs: Blobs) -> None:
    totals = owner.totals()
    assert (totals["total_files"], totals["total_bytes"]) == (0, 0)
    assert owner.get("/api/files", params={"status": "all"}).json()["items"] == []
    assert [name for name in blobs.names("uploads") if name.endswith(owner.user_id)] == []


def send_raw(owner: User, body: bytes, declared: int | None, route: str = "upload") -> None:
    """Send a request's head and some of its body, then close the connection without a word."""
    url = urlsplit(str(owner.base_url))
    length = "Transfer-Encoding: chunked" if declared is None else f"Content-Length: {declared}"
    head = (
        f"POST /api/files/{route} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: {owner.headers['authorization']}\r\n"
        f"Content-Type: {MULTIPART['Content-Type']}\r\n{length}\r\n\r\n"
    )
    assert url.hostname
    with socket.create_connection((url.hostname, url.port or 80), timeout=10) as connection:
        connection.sendall(head.encode())
        if declared is None:
            connection.sendall(b"%x\r\n%s\r\n" % (len(body), body) if body else b"")
        else:
            connection.sendall(body)


@pytest.mark.parametrize("size", [1000, int(2.8 * MIB)])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("route", ["upload", "upload/multiple"])
def test_an_upload_cut_at_every_tenth(mallory: User, blobs: Blobs, size: int, chunked: bool, route: str) -> None:
    whole = part(b"x" * size, "file" if route == "upload" else "files") + END
    for tenth in range(10):
        send_raw(mallory, whole[: len(whole) * tenth // 10], None if chunked else len(whole), route)
    # All ten have ended when a whole one behind them has been answered and nothing of them is there.
    assert post(mallory, whole, route).status_code == 201
    time_over = time.monotonic() + 1
    while time.monotonic() < time_over:
        assert (mallory.totals()["total_files"], mallory.totals()["total_bytes"]) == (1, size)
    [name] = [name for name in blobs.names("uploads") if name.endswith(mallory.user_id)]
    assert mallory.delete(f"/api/files/{name}", params={"permanent": "true"}).status_code == 204
    nothing_stored(mallory, blobs)


BROKEN = {
    "no end": part(b"x" * 1000),
    "no end, no line": part(b"x" * 1000)[:-2],
    "nothing": b"",
    "line ends": b"\r\n" * 100,
    "another boundary": part(b"x").replace(b"--x", b"--y") + END,
    "no headers": b"--x\r\n\r\nbytes\r\n" + END,
    "no name": b"--x\r\nContent-Disposition: form-data\r\n\r\nbytes\r\n" + END,
    "attachment": b'--x\r\nContent-Disposition: attachment; name="file"\r\n\r\nbytes\r\n' + END,
    "a header line of 1 MiB": b"--x\r\nContent-Disposition: form-data; name=" + b"a" * MIB + b"\r\n\r\nx\r\n" + END,
    "a header name of 1 MiB": b"--x\r\n" + b"a" * MIB + b": x\r\n\r\nx\r\n" + END,
    "1,000 headers": b"--x\r\n" + b"A: b\r\n" * 1000 + b"\r\nx\r\n" + END,
    "a header without colon": b"--x\r\nContent-Disposition\r\n\r\nx\r\n" + END,
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("route", ["upload", "upload/multiple"])
def test_broken_bodies(mallory: User, blobs: Blobs, kind: str, route: str) -> None:
    problem(post(mallory, BROKEN[kind], route), 400, "invalid_multipart")
    nothing_stored(mallory, blobs)


@pytest.mark.parametrize("route", ["upload", "upload/multiple"])
def test_ten_thousand_parts(mallory: User, blobs: Blobs, route: str) -> None:
    name = "files" if route.endswith("multiple") else "other"
    began = time.monotonic()
    answer = post(mallory, b"".join(part(b"x", name, f"{n}") for n in range(10_000)) + END, route)
    assert answer.status_code in (413, 422)
    assert answer.json()["code"] in ("too_many_parts", "too_many_files")
    assert time.monotonic() - began < 5
    nothing_stored(mallory, blobs)


def test_random_bodies_are_never_our_fault(mallory: User) -> None:
    rng = random.Random(4)
    good = part(b"hello") + part(b'{"a": 1}', "metadata") + part(b"/a", "folder") + END
    for route in ("upload", "upload/multiple"):
        for _ in range(150):
            body = bytearray(good)
            for _ in range(rng.randrange(1, 6)):
                at = rng.randrange(len(body))
                body[at : at + rng.randrange(3)] = rng.choice([b"", b"\r\n", b"--x", b"\0", b'"', b";", rng.randbytes(3)])
            answer = post(mallory, bytes(body), route)
            assert answer.status_code in (201, 207, 400, 413, 415, 422), (bytes(body), answer.text)
            if answer.status_code >= 400:
                assert answer.json()["status"] == answer.status_code


def test_too_large_is_heard(mallory: User, blobs: Blobs) -> None:
    for size in (MAX + 1, MAX + MIB, 30 * MIB):
        problem(post(mallory, part(b"x" * size) + END), 413, "file_too_large")

        def unknown_length(size: int = size) -> Iterator[bytes]:
            yield part(b"")[:-2]
            for _ in range(size // 65536 + 1):
                yield b"x" * 65536
            yield b"\r\n" + END

        problem(post(mallory, unknown_length()), 413, "file_too_large")
    nothing_stored(mallory, blobs)
    assert post(mallory, part(b"x" * MAX) + END).status_code == 201


def test_a_wrong_type_is_heard_while_the_client_still_sends(mallory: User, blobs: Blobs) -> None:
    for data in (b"MZ" + b"\0" * 2 * MIB, b"<html>" + b"x" * 2 * MIB):
        problem(post(mallory, part(data) + END), 415, "unsupported_file_type")
    nothing_stored(mallory, blobs)


def test_a_strangers_bytes_are_not_stored(limited: Host, blobs: Blobs) -> None:
    before = blobs.names("uploads")
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp4"}):
        with httpx.Client(base_url=limited.url, verify=NO_TLS, timeout=30) as stranger:
            answer = stranger.post("/api/files/upload", content=part(b"x" * 2 * MIB) + END, headers={**MULTIPART, **headers})
        problem(answer, 401, answer.json()["code"])
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert blobs.names("uploads") == before


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/", "file"),
        ("..", "file"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("\u200f\u061cname.txt", "name.txt"),
        ("\U0001f600" * 300 + ".txt", "\U0001f600" * 62 + ".txt"),
        ("a;b=c.txt", "a;b=c.txt"),
        ("percent %41 %00.txt", "percent %41 %00.txt"),
        ("<script>alert(1)<|>.txt", "<script>alert(1)<|>.txt"),
    ],
)
def test_names(mallory: User, given: str, safe: str) -> None:
    answer = post(mallory, part(b"hello", filename=given) + END)
    assert answer.status_code == 201, answer.text
    assert answer.json()["filename"] == safe
    header = mallory.get(answer.json()["url"]).headers["content-disposition"]
    assert header.isascii()
    assert header.startswith("inline; filename=")
    assert mallory.patch(f"{answer.json()['url']}/metadata", json={"filename": given}).json()["filename"] == safe


def test_control_characters_in_names(mallory: User) -> None:
    file = post(mallory, part(b"hello") + END).json()
    changed = mallory.patch(f"{file['url']}/metadata", json={"filename": "a\r\nSet-Cookie: b=c\0\x1b\x7f\x85.txt"}).json()
    assert changed["filename"] == "aSet-Cookie: b=c.txt"
    assert "set-cookie" not in mallory.get(file["url"]).headers


@pytest.mark.parametrize("file_id", ["..%2f..%2fetc%2fpasswd", "%00", "%ff", "a%0d%0ab", "x" * 3000, "{id}", "'; drop", "0" * 52, "%2e%2e"])
def test_ids_that_are_none(mallory: User, file_id: str) -> None:
    for method, path in (
        ("GET", ""),
        ("GET", "/metadata"),
        ("DELETE", ""),
        ("POST", "/restore"),
        ("POST", "/complete"),
        ("GET", "/shares"),
    ):
        answer = mallory.request(method, f"/api/files/{file_id}{path}")
        assert answer.status_code == 404, answer.text
    assert mallory.get(f"/share/{file_id}").status_code == 404


def test_thirty_at_once_at_the_edge_of_the_quota(mallory: User, blobs: Blobs) -> None:
    size = MIB  # ten of them fit
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: post(mallory, part(b"x" * size) + END), range(30)))
    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [413] * 20
    assert {answer.json()["code"] for answer in answers if answer.status_code == 413} == {"quota_exceeded"}
    assert mallory.totals()["total_bytes"] == QUOTA
    mine = eventually(lambda: [name for name in blobs.names("uploads") if name.endswith(mallory.user_id)])
    assert len(mine) == 10
    sent = {"filename": "a", "content_type": "text/plain", "size": 1}
    problem(mallory.post("/api/files/upload-url", json=sent), 413, "quota_exceeded")
    assert mallory.delete(f"/api/files/{mine[0]}", params={"permanent": "true"}).status_code == 204
    assert mallory.post("/api/files/upload-url", json={**sent, "size": size}).status_code == 201
    problem(post(mallory, part(b"x") + END), 413, "quota_exceeded")  # held by the grant


def test_changes_of_one_file_at_once(mallory: User, blobs: Blobs) -> None:
    for _ in range(3):
        file = post(mallory, part(b"hello") + END).json()
        path = f"/api/files/{file['id']}"
        requests = [("DELETE", path), ("POST", f"{path}/restore"), ("PATCH", f"{path}/metadata"), ("DELETE", f"{path}?permanent=true")] * 4
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda each: mallory.request(*each, json={"filename": "b"}), requests))
        assert {answer.status_code for answer in answers} <= {200, 204, 404, 503}, [answer.text for answer in answers]
    nothing_stored(mallory, blobs)
