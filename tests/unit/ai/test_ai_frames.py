"""Frames: however the bytes are cut, they come out whole and unchanged."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared_code.ai import frames
from shared_code.ai.frames import Splitter, TooLong, data_of, object_of
from shared_code.ai.watching import ChatWatcher
from tests.unit.ai.scripted import DONE, HELLO, USAGE, delta, frame

FRAMES = st.lists(
    st.sampled_from([delta("a"), frame({"x": "é"}, "name"), b": comment\n\n", b"data: 1\r\ndata: 2\r\n\r\n", b"\n\n", USAGE]), max_size=8
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    points = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[first:last] for first, last in itertools.pairwise(points)]


@example([b"\n\n", b"\n\n"], [3], b"")
@given(
    FRAMES,
    st.lists(st.integers(0, 10_000), max_size=12),
    st.binary(max_size=5).filter(lambda tail: b"\n" not in tail and b"\r" not in tail),
)
def test_any_cut_gives_the_same_frames(parts: list[bytes], places: list[int], tail: bytes) -> None:
    splitter = Splitter()
    found = [each for chunk in cut(b"".join(parts) + tail, places) for each in splitter.feed(chunk)]
    assert b"".join(found) + splitter.rest == b"".join(parts) + tail
    assert found == parts


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_any_cut_of_a_stream_passes_on_the_same(places: list[int]) -> None:
    watcher, passed, last = ChatWatcher(hide_usage=True), b"", None
    watcher.keep_text()
    for chunk in cut(b"".join(HELLO), places):
        found = watcher.feed(chunk)
        passed += found.now
        last = last or found.last
    assert passed == b"".join(HELLO[:4])
    assert last == DONE
    assert watcher.take_text() == "Hello"
    assert (watcher.pieces, watcher.size) == (2, 5)


def test_a_frame_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_BYTES", 10)
    splitter = Splitter()
    splitter.feed(b"0123456789")
    with pytest.raises(TooLong):
        splitter.feed(b"0")


def test_data() -> None:
    assert data_of(b"data: x\n\n") == b"x"
    assert data_of(b"event: e\ndata:x\ndata: y\nid: 1\n\n") == b"x\ny"
    assert data_of(b": comment\n\n") == b""
    assert object_of(b"[1]") is None
    assert object_of(b"{") is None


def test_tool_calls_and_further_choices_count_but_are_no_text() -> None:
    watcher = ChatWatcher(hide_usage=True)
    watcher.keep_text()
    call = {"index": 0, "function": {"name": "f", "arguments": '{"a":1}'}}
    watcher.feed(
        frame(
            {"choices": [{"index": 0, "delta": {"tool_calls": [call, "x"], "role": "assistant"}}, {"index": 1, "delta": {"content": "no"}}]}
        )
    )
    watcher.feed(frame({"choices": ["x", {"delta": None}, {"index": 1, "finish_reason": "length", "delta": {"refusal": "n"}}]}))
    assert watcher.finish_reason == "length"
    watcher.feed(frame({"choices": [{"index": 0, "finish_reason": "stop", "delta": {}}]}))
    assert (watcher.take_text(), watcher.size, watcher.finish_reason) == ("", 11, "stop")


@pytest.mark.parametrize(
    "odd", [b"data: no json\n\n", b"data: [1]\n\n", frame({"choices": None}), frame({"usage": {"prompt_tokens": "x"}})]
)
def test_what_is_not_understood_is_passed_on(odd: bytes) -> None:
    assert ChatWatcher(hide_usage=True).feed(odd).now == odd
