"""How the demo reads and prints a streamed answer."""

import httpx
import pytest

from local.demo_ai import Words, ask_about_photo, events, stream


def test_events_have_names_and_data_and_comments_are_none() -> None:
    lines = [": hello", "", "event: delta", 'data: {"text": "a"}', "", 'data: {"n": 1}', "", "data: [DONE]", ""]
    assert list(events(iter(lines))) == [("delta", {"text": "a"}), ("message", {"n": 1})]


def test_words_are_printed_whole_and_lines_are_short(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    words = Words()
    for piece in ("Once th", "ere was a stand-in", " that liv", "ed.\n\nIt sle", "pt."):
        words.add(piece)
    words.end()
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines] == ["Once there was a stand-in", "that lived.", "It slept."]
    assert all(line.startswith("     ") and len(line) <= 30 for line in lines)


def test_a_refusal_is_raised_and_a_cut_answer_told(capsys: pytest.CaptureFixture[str]) -> None:
    cut = 'data: {"choices": [{"delta": {"content": "It is a "}}]}\n\ndata: {"error": {"message": "upstream failed"}}\n\n'

    def answer(request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/api/ai/v1/models":
                return httpx.Response(200, json={"data": [{"id": "local-large"}]})
            case "/api/files/f1":
                return httpx.Response(200, content=b"jpeg", headers={"content-type": "image/jpeg"})
            case "/api/ai/v1/chat/completions":
                assert b"data:image/jpeg;base64,anBlZw==" in request.content
                return httpx.Response(200, text=cut)
        return httpx.Response(429, json={"error": {}})

    with httpx.Client(base_url="http://app", transport=httpx.MockTransport(answer)) as client:
        with pytest.raises(SystemExit, match="upstream failed"):
            ask_about_photo(client, {"id": "f1", "image": {"variants": {"optimized": {"size": 4}}}}, 5, print)
        with pytest.raises(httpx.HTTPStatusError), stream(client, "/elsewhere", {}):
            raise AssertionError
    assert "Asked local-large about the photo (optimized)" in capsys.readouterr().out
