"""Multipart bodies as they arrive: in any pieces, within every limit."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from shared_code.errors import InvalidRequest, LydianError, TooLarge, UnsupportedType
from shared_code.web import multipart

KIND = "multipart/form-data; boundary=b"


def part(data: bytes, name: bytes = b'name="f"', kind: bytes | None = None) -> bytes:
    header = b"--b\r\nContent-Disposition: form-data; " + name + b"\r\n"
    return header + (b"Content-Type: " + kind + b"\r\n" if kind else b"") + b"\r\n" + data + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


def request(*chunks: bytes, kind: str = KIND, length: int | None = None, leaves: bool = False) -> Request:
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b"", "more_body": False})
    headers = [(b"content-type", kind.encode())] + ([(b"content-length", str(length).encode())] if length is not None else [])

    async def receive() -> Message:
        return messages.pop(0)

    found = Request({"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}, receive)
    found.state.left = messages
    return found


async def read(asked: Request, max_bytes: int = 10_000) -> list[tuple[str, str | None, str | None, bytes]]:
    found = []
    async for each in multipart.parts(asked, max_bytes):
        data = b"".join([chunk async for chunk in each.chunks()])
        found.append((each.name, each.filename, each.content_type, data))
    return found


async def refused(asked: Request, max_bytes: int = 10_000) -> LydianError:
    with pytest.raises(LydianError) as caught:
        await read(asked, max_bytes)
    return caught.value


async def test_parts() -> None:
    sent = body(part(b"one"), part(b"two", b'name="g"; filename="a b.txt"', b"text/plain"), part(b""))
    assert await read(request(sent)) == [("f", None, None, b"one"), ("g", "a b.txt", "text/plain", b"two"), ("f", None, None, b"")]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4), st.integers(1, 50))
async def test_any_bytes_in_any_pieces(contents: list[bytes], size: int) -> None:
    sent = body(*(part(data, b'name="f"; filename="x"') for data in contents if b"\r\n--b" not in b"\r\n" + data))
    chunks = [sent[start : start + size] for start in range(0, len(sent), size)]
    assert [data for *_, data in await read(request(*chunks))] == [data for data in contents if b"\r\n--b" not in b"\r\n" + data]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
async def test_anything_is_read_or_refused(sent: bytes) -> None:
    for whole in (sent, b"--b\r\n" + sent, part(b"x") + sent):
        with contextlib.suppress(InvalidRequest, TooLarge):
            await read(request(whole))


async def test_what_is_left_unread_is_skipped() -> None:
    sent = body(part(b"one" * 100), part(b"two"), part(b"three"))
    seen = []
    async for each in multipart.parts(request(sent[:90], sent[90:]), 10_000):
        seen.append(each.name)
        if len(seen) == 2:
            assert await each.text(10) == "two"
    assert seen == ["f", "f", "f"]


@pytest.mark.parametrize("name", ["é.txt".encode(), "é.txt".encode("latin-1")])
async def test_names_in_utf_8_or_latin_1(name: bytes) -> None:
    ((_, filename, _, _),) = await read(request(body(part(b"", b'name="f"; filename="' + name + b'"'))))
    assert filename == "é.txt"


async def test_a_text_field_is_bounded_and_utf_8() -> None:
    async for each in multipart.parts(request(body(part("é".encode()))), 10_000):
        assert await each.text(2) == "é"
    async for each in multipart.parts(request(body(part(b"abc"))), 10_000):
        with pytest.raises(TooLarge) as caught:
            await each.text(2)
        assert caught.value.code == "field_too_large"
    async for each in multipart.parts(request(body(part(b"\xff"))), 10_000):
        with pytest.raises(InvalidRequest, match="not UTF-8"):
            await each.text(2)


@pytest.mark.parametrize("kind", ["application/json", "", "multipart/mixed; boundary=b", "text/plain; boundary=b"])
async def test_another_type(kind: str) -> None:
    error = await refused(request(body(part(b"")), kind=kind))
    assert isinstance(error, UnsupportedType)
    assert error.code == "unsupported_media_type"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"nonsense",
        b"--b",
        part(b"x"),
        part(b"x") + b"--b",
        part(b"x", b"filename=x") + b"--b--\r\n",
        b"--b\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: attachment; name=f\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nno colon\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"A" * 100_000 + b": x\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"A: x\r\n" * 1000 + b"\r\nx\r\n--b--\r\n",
    ],
)
async def test_broken_bodies(sent: bytes) -> None:
    assert (await refused(request(sent), 1_000_000)).code == "invalid_multipart"


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'b' * 71}"])
async def test_a_boundary_of_one_to_seventy(kind: str) -> None:
    assert (await refused(request(body(part(b"")), kind=kind))).code == "invalid_multipart"


async def test_a_cut_connection() -> None:
    assert (await refused(request(part(b"x" * 100)[:60], leaves=True))).code == "incomplete_body"


async def test_the_size_is_enforced_while_reading() -> None:
    declared = request(body(part(b"x")), length=101)
    assert (await refused(declared, 100)).code == "file_too_large"
    assert len(declared.state.left) == 2, "nothing was read"
    lying = request(part(b"x" * 50), *[b"x" * 50] * 20, length=10)
    assert (await refused(lying, 200)).code == "file_too_large"
    assert len(lying.state.left) >= 16


async def test_the_number_of_parts_is_bounded() -> None:
    assert len(await read(request(body(*[part(b"")] * multipart.MAX_PARTS)))) == multipart.MAX_PARTS
    assert (await refused(request(body(*[part(b"")] * (multipart.MAX_PARTS + 1))))).code == "too_many_parts"


async def test_reading_stops_at_the_last_boundary() -> None:
    asked = request(body(part(b"x")), b"an epilogue", b"that goes on")
    assert len(await read(asked)) == 1
    assert len(asked.state.left) == 3
