"""JSON bodies: what is JSON, how deep, how large, and that nothing makes reading them slow."""

import json
import math
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from shared_code.errors import InvalidRequest, TooLarge
from shared_code.web import json_body


def request(chunks: list[bytes], *headers: tuple[bytes, bytes], leave: bool = False) -> Request:
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.disconnect"} if leave else {"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return messages.pop(0)

    found = Request({"type": "http", "method": "POST", "path": "/", "headers": list(headers), "query_string": b""}, receive)
    found.state.left = messages
    return found


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("depth", [1, 99, 100])
def test_a_hundred_levels_are_read(depth: int) -> None:
    json_body.parse(nested(depth))


@pytest.mark.parametrize("body", [nested(101), b'{"a":' * 101 + b"1" + b"}" * 101, b"[" * 100_000, b'[{"a":' * 51 + b"1"])
def test_deeper_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="100 levels") as caught:
        json_body.parse(body)
    assert caught.value.code == "invalid_json"


def test_brackets_side_by_side_or_inside_strings_are_not_depth() -> None:
    assert json_body.parse(b"[" + b",".join([b"[]"] * 300) + b"]") == [[]] * 300
    text = "[" * 300 + '\\"' + "{" * 300
    assert json_body.parse(json.dumps([text]).encode()) == [text]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nope", b'{"a":1,}', b"'a'", b"[1] [2]", b"NaN", b'{"a": NaN}', b"[Infinity]", b"[-Infinity]", b"1e999", b"-1e999",
        b"9" * 400 + b".5", b"1" * 5000, b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b'{"\\udc00": 1}', b'"\\ud800\\ud800"', b'"a',
        b"\xef\xbb\xbf1",
        b'"\x01"', b"\xff\xfe[\x00]\x00",
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        json_body.parse(body)
    assert caught.value.code == "invalid_json"


def test_escaped_pairs_and_numbers_are_json() -> None:
    assert json_body.parse(b'["\\ud83d\\ude00", 1e10, -0.5, 12345678901234567890]') == ["\U0001f600", 1e10, -0.5, 12345678901234567890]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_every_json_value_comes_back(value: Any) -> None:
    assert json_body.parse(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    try:
        value = json_body.parse(body)
    except InvalidRequest:
        return
    assert not (isinstance(value, float) and math.isinf(value))
    json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b",".join([b"[]"] * 101) + b',"' + b'\\"' * 500_000,
        b"{}" * 101 + b'"' * 900_000,
        b"{}" * 101 + b'"\\' * 400_000,
        b"{}" * 101 + b"\\" * 900_000,
    ],
    ids=["a string of quotes that never ends", "empty strings", "escapes", "backslashes"],
)
def test_a_mebibyte_is_read_in_linear_time(body: bytes) -> None:
    """Quadratic would be hours."""
    began = time.process_time()
    with pytest.raises(InvalidRequest):
        json_body.parse(body)
    assert time.process_time() - began < 2


async def test_a_body_is_put_together() -> None:
    assert await json_body.read_bytes(request([b"ab", b"c"]), 3) == b"abc"


async def test_what_is_declared_too_large_is_not_read() -> None:
    asked = request([b"abcd"], (b"content-length", b"4"))
    with pytest.raises(TooLarge):
        await json_body.read_bytes(asked, 3)
    assert len(asked.state.left) == 2


async def test_what_turns_out_too_large_is_read_no_further() -> None:
    asked = request([b"ab"] * 50)
    with pytest.raises(TooLarge):
        await json_body.read_bytes(asked, 3)
    assert len(asked.state.left) == 49, "two pieces were read, and the limit was passed"


@pytest.mark.parametrize("declared", [b"", b"-1", b"x", b"\xb2", b"1e3", b"9" * 5000])
async def test_a_length_that_is_none_is_left_to_what_arrives(declared: bytes) -> None:
    assert await json_body.read_bytes(request([b"abc"], (b"content-length", declared)), 3) == b"abc"


async def test_a_connection_that_ends_too_soon() -> None:
    with pytest.raises(InvalidRequest) as caught:
        await json_body.read_bytes(request([b"ab"], leave=True), 3)
    assert caught.value.code == "incomplete_body"


@pytest.mark.parametrize("item", [b"[]", b"{}", b"1.5", b'""', b"0"])
def test_a_bomb_of_small_values_is_refused_unread(item: bytes) -> None:
    """Eight megabytes of them would be a quarter of a gigabyte in memory, and seconds of work."""
    body = b"[" + b",".join([item] * (8 * 1024 * 1024 // (len(item) + 1))) + b"]"
    with pytest.raises(TooLarge, match="values"):
        json_body.parse(body)


def test_text_full_of_marks_is_only_text() -> None:
    text = "[],{}" * 200_000
    assert json_body.parse(json.dumps([text]).encode()) == [text]


async def test_a_large_body_is_read_beside_the_event_loop() -> None:
    loop_thread, seen = threading.get_ident(), set[int]()

    class Watched(float):
        pass

    def finite(text: str) -> float:
        seen.add(threading.get_ident())
        return Watched(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_body, "_finite", finite)
        assert await json_body.parsed(b"[1.5]") == [1.5]
        assert seen == {loop_thread}
        seen.clear()
        await json_body.parsed(b"[1.5" + b" " * json_body.INLINE + b"]")
        assert seen
        assert loop_thread not in seen
