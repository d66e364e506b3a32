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


def said(*frames: bytes) -> str:
    watcher, text = ChatWatcher(hide_usage=True), ""
    watcher.keep_text()
    for each in frames:
        watcher.feed(each)
        text += watcher.take_text()
    return text + watcher.take_text(last=True)


def content(escaped: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\n\n' % escaped.encode()


def test_an_emoji_that_comes_in_two_halves_is_one_character() -> None:
    assert said(content("a\\ud83d"), content("\\ude00b")) == "a\U0001f600b"


@pytest.mark.parametrize("frames", [[content("a\\ud83d")], [content("a"), content("\\ude00")], [content("\\ud83d"), content("b")]])
def test_half_a_pair_that_stays_alone_is_shown_as_broken(frames: list[bytes]) -> None:
    text = said(*frames)
    assert "\ufffd" in text
    assert text.encode(), "no half is left in it"


def test_a_broken_character_does_not_take_the_text_around_it_along() -> None:
    assert said(b'data: {"choices":[{"index":0,"delta":{"content":"a\xff"}}]}\n\n', content("b")) == "a\ufffdb"


def test_text_in_parts_a_refusal_and_choices_without_a_number() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hel"}]
    frames = [frame({"choices": [{"delta": {"content": parts}}]}), frame({"choices": [{"index": None, "delta": {"refusal": "lo"}}]})]
    assert said(*frames) == "Hello"


def test_of_several_choices_each_must_have_finished_where_nothing_says_done() -> None:
    def finished(index: int) -> bytes:
        return frame({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]})

    watcher = ChatWatcher(hide_usage=True, choices=2)
    watcher.feed(finished(0))
    watcher.feed(frame({"choices": [{"index": 1, "delta": {"content": "cut he"}}]}))
    assert watcher.end() is None
    watcher.feed(finished(1))
    assert watcher.end() == DONE
