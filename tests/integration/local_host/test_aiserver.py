"""The AI server of tests shows the faults that tests ask it for."""

from collections.abc import Iterator

import httpx
import pytest

from tests.aiserver import ANYTHING, AiServer, dropped, filtered, rate_limited, silent, start_aiserver, text


@pytest.fixture(scope="module")
def ai() -> Iterator[AiServer]:
    server = start_aiserver()
    yield server
    server.stop()


def ask(ai: AiServer, prompt: str, stream: bool = False, timeout: float = 5) -> httpx.Response:
    body = {"model": "any", "stream": stream, "messages": [{"role": "user", "content": prompt}]}
    return httpx.post(f"{ai.base_url}/chat/completions", json=body, timeout=timeout, trust_env=False)


def said(answer: httpx.Response) -> str:
    found: str = answer.json()["choices"][0]["message"]["content"]
    return found


def test_answers_and_the_journal(ai: AiServer) -> None:
    ai.serve(text("one of a kind", "First.", finishReason="length"))
    assert said(ask(ai, "this is one of a kind")) == "First."
    assert said(ask(ai, "whatever")) == ANYTHING
    assert [entry["body"]["model"] for entry in ai.requests("one of a kind")] == ["any"]
    ai.serve(text("one of a kind", "Second."))
    assert said(ask(ai, "one of a kind")) == "Second."
    ai.reset()
    assert ai.requests() == []
    assert said(ask(ai, "one of a kind")) == ANYTHING


def test_an_error_for_a_while(ai: AiServer) -> None:
    ai.serve(rate_limited("busy", retry_after=2, times=2), text("busy", "At last."), filtered("nasty"))
    answers = [ask(ai, "busy") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "2"
    assert said(answers[2]) == "At last."
    refused = ask(ai, "nasty")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "content_filter")


def test_connections_that_end_early(ai: AiServer) -> None:
    ai.serve(text("cut me", "word " * 40, cut_after=4), dropped("drop me"), silent("nothing", 2000))
    for prompt in ("cut me", "drop me"):
        with pytest.raises(httpx.RemoteProtocolError):
            ask(ai, prompt, stream=True)
    with pytest.raises(httpx.ReadTimeout):
        ask(ai, "nothing", timeout=0.2)


def test_it_hangs_and_wakes_dies_and_comes_back(ai: AiServer) -> None:
    ai.freeze()
    with pytest.raises(httpx.ReadTimeout):
        ask(ai, "hello", timeout=0.2)
    ai.thaw()
    assert ask(ai, "hello").is_success
    ai.kill()
    assert not ai.answers()
    with pytest.raises(httpx.ConnectError):
        ask(ai, "hello")
    ai.start()
    assert said(ask(ai, "hello")) == ANYTHING
