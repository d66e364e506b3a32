"""Bytes on their way in, through the host and past it, and the trigger that follows them (SPEC §4)."""

import http.client
import itertools
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from .target import Broken, CannotTell, Target, part

MIB = 1024 * 1024
BOUNDARY = "preflight-boundary"


def limit(target: Target) -> str:
    """A body over ``FILES_MAX_BYTES`` is our own 413 before it is read; one over the host's limit is refused by the host, which says
    413 or, on Azure, 500. Nothing but the beginning of either is sent."""
    status, by_us = _declared(target, target.options.body_limit - MIB)
    if (status, by_us) != (413, True):
        raise Broken(
            f"{target.options.body_limit - MIB} bytes are answered {status or 'nothing'}{'' if by_us else ' by the host'}, not 413 by us: "
            "is FUNCTIONS_REQUEST_BODY_SIZE_LIMIT what --body-limit says?"
        )
    hosts, _ = _declared(target, target.options.body_limit + MIB)
    if hosts not in (0, 413, 500):
        raise Broken(f"over the host's own limit the answer is {hosts}")
    return f"over FILES_MAX_BYTES 413, over the host's limit {hosts or 'the connection ends'}"


def large(target: Target) -> str:
    size = _long(target, 100 * MIB)
    began = time.monotonic()
    response = target.client.post(
        "/api/files/upload",
        content=_multipart("preflight.txt", "text/plain", _text(size)),
        headers={**target.bearer, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        timeout=httpx.Timeout(60, read=230, write=230),
    )
    file = target.judged(response, 201)
    took = time.monotonic() - began
    try:
        if part(file, "size") != size:
            raise Broken(f"{size} bytes were sent, {file['size']} are stored")
    finally:
        _remove(target, file)
    return f"{size // MIB} MiB in {took:.1f} s"


def direct(target: Target) -> str:
    """By a grant, straight to storage. Beyond 100 MiB the queue has to work too: it hashes the bytes."""
    size = 101 * MIB if target.options.long else 64 * 1024
    grant = target.client.post(
        "/api/files/upload-url",
        json={"filename": "preflight.txt", "content_type": "text/plain", "size": size},
        headers=target.bearer,
    )
    if grant.status_code == 413:
        raise CannotTell("direct uploads are off or smaller (FILES_MAX_DIRECT_BYTES)")
    grant_body = target.judged(grant, 201)
    url, file_id = part(grant_body, "upload_url"), part(grant_body, "file_id")
    sent = httpx.put(
        url,
        content=_text(size),
        headers={**part(grant_body, "headers"), "Content-Length": str(size)},
        timeout=httpx.Timeout(60, write=300),
        trust_env=False,
    )
    if sent.status_code != 201:
        raise Broken(f"storage answered {sent.status_code}: {sent.headers.get('x-ms-error-code', '')}; may the identity sign for users?")
    file = target.ask("POST", f"/api/files/{file_id}/complete")
    try:
        if not target.options.long:
            return f"{size} bytes at {urlsplit(url).hostname}"
        target.eventually(lambda: target.ask("GET", f"/api/files/{file_id}/metadata").get("sha256"), "the queue that hashes large files")
    finally:
        _remove(target, file)
    return f"{size // MIB} MiB at {urlsplit(url).hostname}, hashed by the queue"


def blob_trigger(target: Target) -> str:
    began = time.monotonic()
    file = _image(target)
    try:

        def settled() -> dict[str, Any] | None:
            image: dict[str, Any] = part(target.ask("GET", f"/api/files/{file['id']}/metadata"), "image")
            return image if image["status"] != "pending" else None

        image = target.eventually(settled, "the image job: does the blob subscription exist (infra/hooks/events.sh)?")
        took = time.monotonic() - began
        if image["status"] != "ready":
            raise Broken(f"the image job failed: {image.get('error')}")
    finally:
        _remove(target, file)
    return f"ready {took:.1f} s after the upload began"


def identity_triggers(target: Target) -> str:
    """The host reaches storage by its identity: the account takes no keys, so a trigger that runs has shown it."""
    if target.local:
        raise CannotTell("the emulator knows no identities")
    grant = target.ask("POST", "/api/files/upload-url", 201, json={"filename": "a.txt", "content_type": "text/plain", "size": 1})
    query = urlsplit(part(grant, "upload_url")).query
    if "skoid=" not in query:
        raise Broken("the grant is signed with an account key, not by an identity (no skoid): is AZURE_STORAGE_ACCOUNT_URL set?")
    return f"grants are signed by an identity; the blob trigger ran by one: {blob_trigger(target)}"


def _image(target: Target) -> dict[str, Any]:
    response = target.client.post("/api/files/upload", files={"file": ("preflight.png", png(), "image/png")}, headers=target.bearer)
    file: dict[str, Any] = target.judged(response, 201)
    part(file, "id")
    return file


def png(side: int = 64) -> bytes:
    """A small picture that is never the same twice, so that nothing between us and it can have kept the answer."""
    noise = time.time_ns()
    rows = b"".join(b"\0" + bytes((noise >> (x + y) % 48) & 255 for x in range(side * 3)) for y in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _declared(target: Target, size: int) -> tuple[int, bool]:
    """The status for a body that says it is as long, of which only the beginning comes, and whether it is a problem of ours; 0 where the
    connection ends without one."""
    connection = target.connect()
    try:
        connection.putrequest("POST", "/api/files/upload")
        for name, value in {
            **target.bearer,
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "Content-Length": str(size),
        }.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(_head("preflight.txt", "text/plain") + b"x" * 1024)
        answer = connection.getresponse()
        return answer.status, answer.headers.get_content_type() == "application/problem+json"
    except TimeoutError:
        raise CannotTell("whatever stands in front waits for the whole body before it passes anything on") from None
    except (http.client.HTTPException, ConnectionError):
        return 0, False
    finally:
        connection.close()


def _remove(target: Target, file: Any) -> None:
    if isinstance(file, dict) and "id" in file:
        target.client.delete(f"/api/files/{file['id']}", params={"permanent": "true"}, headers=target.bearer)


def _long(target: Target, size: int) -> int:
    if not target.options.long:
        raise CannotTell("sends 100 MiB: say --long")
    return size


def _head(name: str, kind: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'.encode()


def _multipart(name: str, kind: str, data: Iterator[bytes]) -> Iterator[bytes]:
    return itertools.chain([_head(name, kind)], data, [f"\r\n--{BOUNDARY}--\r\n".encode()])


def _text(size: int) -> Iterator[bytes]:
    block = b"preflight " * 6553 + b"\n" * 6  # 64 KiB
    for sent in range(0, size, len(block)):
        yield block[: min(len(block), size - sent)]
