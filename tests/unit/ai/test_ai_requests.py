"""What is asked: checked where we must know, untouched everywhere else."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_code.ai import requests
from shared_code.errors import InvalidInput, InvalidRequest
from tests.unit.ai.scripted import LARGE, SMALL

MESSAGES = [{"role": "user", "content": "Hi"}]


def read(raw: bytes | dict[str, Any], operation: Any = "chat") -> requests.Request:
    return requests.read(operation, raw if isinstance(raw, bytes) else json.dumps(raw).encode())


def test_only_what_must_change_does() -> None:
    raw = b' { "messages":[ {"role":"user","content":"\\u00e9\xc3\xa9"} ] , "temperature":1.00, '
    raw += b'"seed":12345678901234567890123,"x":{"a" : -0.0e1}} '
    body = read(raw).bytes_for(LARGE, fallback=False)
    assert body == (
        b'{"messages":[ {"role":"user","content":"\\u00e9\xc3\xa9"} ],"temperature":1.00,"seed":12345678901234567890123,"x":{"a" : -0.0e1},'
        b'"model":"large-2"}'
    )


def test_a_stream_is_asked_for_its_usage() -> None:
    request = read({"messages": MESSAGES, "model": "large", "stream": True, "stream_options": {"include_obfuscation": False}})
    body = json.loads(request.bytes_for(LARGE, fallback=False))
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert list(body) == ["messages", "model", "stream", "stream_options"]
    assert not request.wants_usage
    assert json.loads(read({"messages": MESSAGES, "stream": True, "stream_options": None}).bytes_for(LARGE, fallback=False))[
        "stream_options"
    ]


def test_nothing_is_stored() -> None:
    for store in ({}, {"store": True}, {"store": None}):
        assert json.loads(read({"input": "Hi", **store}, "responses").bytes_for(LARGE, fallback=False))["store"] is False


def test_a_fallback_is_asked_for_no_more_than_it_makes() -> None:
    request = read({"messages": MESSAGES, "max_tokens": 500, "max_completion_tokens": 50})
    assert json.loads(request.bytes_for(SMALL, fallback=True))["max_tokens"] == 100
    assert json.loads(request.bytes_for(SMALL, fallback=True))["max_completion_tokens"] == 50
    assert json.loads(request.bytes_for(SMALL, fallback=False))["max_tokens"] == 500


NAMES = st.text(st.characters(exclude_categories=["Cs"])).filter(
    lambda name: name not in ("model", "n", "stream", "stream_options", "max_tokens", "max_completion_tokens", "messages")
)
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
SPACE = st.text(" \t\r\n", max_size=3)


@given(st.dictionaries(NAMES, NUMBERS, max_size=6), SPACE, st.booleans())
def test_numbers_keep_their_text(numbers: dict[str, str], space: str, ascii_only: bool) -> None:
    members = [f"{json.dumps(name, ensure_ascii=ascii_only)}{space}:{space}{text}" for name, text in numbers.items()]
    raw = f"{space}{{{space}{f'{space},{space}'.join([json.dumps('messages') + ':[{}]', *members])}{space}}}{space}".encode()
    sent = requests.read("chat", raw).bytes_for(LARGE, fallback=False)
    found = json.loads(sent, parse_float=str, parse_int=str)
    assert {name: found[name] for name in numbers} == numbers
    assert found["model"] == "large-2"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, JSON, max_size=5))
def test_unknown_members_arrive_as_they_were(extra: dict[str, Any]) -> None:
    body = {**extra, "messages": MESSAGES, "model": "large"}
    assert json.loads(read(body).bytes_for(LARGE, fallback=False)) == {**body, "model": "large-2"}
    assert json.loads(requests.of("chat", body).bytes_for(LARGE, fallback=False)) == {**body, "model": "large-2"}


def test_of_a_name_that_comes_twice_the_last_counts_and_only_it_is_sent() -> None:
    request = read(b'{"messages":[{}],"model":"a","model":"b"}')
    assert request.model == "b"
    assert request.bytes_for(replace(LARGE, deployment="b"), fallback=False) == b'{"messages":[{}],"model":"b"}'


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"[", b"[] []", b"nul", b'"x', b"[NaN]", b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b"{,}", b"{1:2}",
        b"{'a':1}", b'{"a" 1}', b'{"a":1 "b":2}', b'{"messages":[{}]} x', b"{}{}", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":tru}',
        b'\xff\xfe{"a":1}', b'{"a":"\xc3"}', b'\xef\xbb\xbf{"messages":[{}]}', b'{"a":"\x00"}', b'{"a":' + b"9" * 5000 + b"}",
        b"{" + b",".join(b'"%d":1' % n for n in range(1100)) + b"}", b"{" + b'"a":1,' * 1100 + b'"messages":[{}]}',
    ],
)  # fmt: skip
def test_what_is_no_json(raw: bytes) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(raw)
    assert raised.value.code == "invalid_json"


@pytest.mark.parametrize("raw", [b"[]", b' ["a", {}] ', b"null", b'"x"', b"1.5", b"true"])
def test_what_is_json_but_no_object_breaks_a_rule(raw: bytes) -> None:
    with pytest.raises(InvalidInput) as raised:
        read(raw)
    assert raised.value.extra["errors"][0]["loc"] == ["body"]


@pytest.mark.parametrize(
    ("operation", "body", "place"),
    [
        ("chat", {}, "messages"),
        ("chat", {"messages": []}, "messages"),
        ("chat", {"messages": "Hi"}, "messages"),
        ("chat", {"messages": ["Hi"]}, "messages"),
        ("chat", {"messages": MESSAGES, "model": 4}, "model"),
        ("chat", {"messages": MESSAGES, "stream": "yes"}, "stream"),
        ("chat", {"messages": MESSAGES, "stream_options": True}, "stream_options"),
        ("chat", {"messages": MESSAGES, "n": 0}, "n"),
        ("chat", {"messages": MESSAGES, "n": 129}, "n"),
        ("chat", {"messages": MESSAGES, "n": True}, "n"),
        ("chat", {"messages": MESSAGES, "n": 1.5}, "n"),
        ("responses", {}, "input"),
        ("responses", {"input": 4}, "input"),
        ("responses", {"input": "Hi", "previous_response_id": "resp_1"}, "previous_response_id"),
        ("responses", {"input": "Hi", "conversation": {"id": "c"}}, "conversation"),
        ("responses", {"input": "Hi", "background": True}, "background"),
        ("embeddings", {}, "input"),
        ("embeddings", {"input": "Hi", "stream": True}, "stream"),
    ],
)
def test_what_breaks_a_rule_names_the_place(operation: Any, body: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read(body, operation)
    assert raised.value.extra["errors"][0]["loc"] == ["body", place]


@pytest.mark.parametrize("value", [0, -1, 1001, 10**30, "5", True, 1.5])
def test_limits_of_tokens(value: Any) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        with pytest.raises(InvalidInput):
            read({"messages": MESSAGES, name: value}).check_limits(LARGE)
    with pytest.raises(InvalidInput):
        read({"input": "Hi", "max_output_tokens": value}, "responses").check_limits(LARGE)


def test_what_is_allowed() -> None:
    read({"messages": MESSAGES, "max_tokens": 1000, "max_completion_tokens": None, "n": 128, "stream": None, "model": None}).check_limits(
        LARGE
    )
    read({"prompt": {"id": "p"}}, "responses")
    read({"input": "Hi", "previous_response_id": None, "background": False}, "responses")
    read({"input": [1, 2]}, "embeddings")


def test_images_are_seen() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    assert read({"messages": [{"role": "user", "content": [{"type": "text"}, image]}]}).has_images
    assert read({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "responses").has_images
    assert not read({"messages": [*MESSAGES, {"content": None}, {"content": ["x"]}]}).has_images
    assert not read({"input": "Hi"}, "responses").has_images
