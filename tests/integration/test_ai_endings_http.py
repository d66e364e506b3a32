"""Every way in which a model's answer can end, over HTTP, with a real server of OpenAI's wire behind the app and Azurite below it:
the one thing that says so, what is recorded, and that nothing stays held."""

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.aiserver import AiServer, error, filtered, rate_limited, silent, start_aiserver, text
from tests.integration.support import Host, User, eventually, register, running_host

PATH = "/api/ai/v1/chat/completions"
BUDGET = Decimal(1)
LONG = "word " * 60
"""A streamed answer of a second and a half, with 50 ms between its frames: ten characters each."""
MOST = 4000
"""Output tokens of each request at most: 0.04 US dollars are held for it."""
USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
COST = Decimal("0.0045")
"""Of USAGE by local-large: 1,000 tokens at 2.50 and 200 at 10 US dollars a million."""


@dataclass
class Ended:
    """How an answer ended. ``cut``: the connection was closed without the end of the body."""

    status: int
    frames: list[Any] = field(default_factory=list)
    cut: bool = False
    body: Any = None

    @property
    def said(self) -> str:
        chunks = [frame for frame in self.frames if isinstance(frame, dict)]
        return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", []))

    @property
    def finish_reason(self) -> str | None:
        chunks = [frame for frame in self.frames if isinstance(frame, dict)]
        reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk.get("choices", []) if choice["finish_reason"]]
        assert len(reasons) <= 1
        return reasons[0] if reasons else None

    def terminal(self) -> Any:
        """The one frame that ends a stream, which is the last: ``"[DONE]"`` or an error."""
        found = [frame for frame in self.frames if frame == "[DONE]" or "error" in frame]
        assert found == self.frames[-1:], self.frames
        return found[0]


@pytest.fixture(scope="module")
def ai() -> Iterator[AiServer]:
    server = start_aiserver()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def app(ai: AiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with running_host(tmp_path_factory.mktemp("endings"), **settings(ai)) as host:
        yield host


@pytest.fixture
def ada(app: Host) -> Iterator[User]:
    with register(app.url) as user:
        yield user


def settings(ai: AiServer) -> dict[str, str]:
    return {"SERVICES": "auth,ai", "AI_DEFAULT_BUDGET_USD": str(BUDGET), **ai.settings()}


def body(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "local-large", "stream": True, "max_tokens": MOST, "messages": [{"role": "user", "content": prompt}], **more}


def frames_of(answer: httpx.Response) -> Iterator[Any]:
    for line in answer.iter_lines():
        if line.startswith("data:"):
            data = line.removeprefix("data:").strip()
            yield data if data == "[DONE]" else json.loads(data)


def ask(user: User, prompt: str, **more: Any) -> Ended:
    """Ask and read to whatever end."""
    with user.stream("POST", PATH, json=body(prompt, **more)) as answer:
        ended = Ended(answer.status_code)
        if answer.status_code != 200:
            answer.read()
            ended.body = answer.json()
            return ended
        try:
            for frame in frames_of(answer):
                ended.frames.append(frame)
        except httpx.RemoteProtocolError:
            ended.cut = True
        return ended


def budget(user: User) -> dict[str, Decimal]:
    found = user.get("/api/ai/usage").raise_for_status().json()["budget"]
    return {name: Decimal(str(found[name])) for name in ("budget", "spent", "held")}


@dataclass
class Recorded:
    spent: Decimal
    items: list[dict[str, Any]]


def settled(user: User) -> Recorded:
    """What was recorded, once something is; and nothing is held for the request any more."""

    def look() -> Recorded | None:
        usage = user.get("/api/ai/usage").raise_for_status().json()
        found = Recorded(Decimal(str(usage["budget"]["spent"])), usage["items"])
        return found if found.spent else None

    found = eventually(look, 10, "settlement")
    assert found is not None
    nothing_held(user)
    return found


def all_that_is_left(user: User) -> Ended:
    """Ask for 0.96 of the US dollar, at worst: too much while one request is under way."""
    return ask(user, "all that is left", n=24)


def nothing_held(user: User) -> None:
    """The instance keeps a small slice for what comes next, so that ``held`` is not zero; but what is not spent can be asked for."""

    def look() -> bool:
        found = budget(user)
        assert found["spent"] + found["held"] <= BUDGET
        return all_that_is_left(user).status == 200

    eventually(look, 10, "the end of what was held")


def test_done(ai: AiServer, ada: User) -> None:
    ai.serve(text("all of it", LONG, usage=USAGE))
    ended = ask(ada, "all of it")
    assert (ended.terminal(), ended.finish_reason, ended.said) == ("[DONE]", "stop", LONG)
    recorded = settled(ada)
    assert recorded.spent == COST
    [row] = recorded.items
    assert (row["model"], row["requests"], row["input_tokens"], row["output_tokens"]) == ("local-large", 1, 1000, 200)
    assert len(ai.requests("all of it")) == 1


def test_length(ai: AiServer, ada: User) -> None:
    ai.serve(text("too long", "It ends befo", finishReason="length", usage=USAGE))
    ended = ask(ada, "too long")
    assert (ended.terminal(), ended.finish_reason, ended.said) == ("[DONE]", "length", "It ends befo")
    assert settled(ada).spent == COST


def test_a_prompt_that_is_filtered(ai: AiServer, ada: User) -> None:
    ai.serve(filtered("nasty prompt"))
    ended = ask(ada, "nasty prompt")
    assert (ended.status, ended.body["error"]["code"]) == (400, "content_filter")
    assert budget(ada)["spent"] == 0
    nothing_held(ada)
    assert len(ai.requests("nasty prompt")) == 1  # asking again would change nothing


def test_an_answer_that_is_filtered(ai: AiServer, ada: User) -> None:
    ai.serve(text("nasty answer", "It began well", finishReason="content_filter", usage=USAGE))
    ended = ask(ada, "nasty answer")
    assert (ended.terminal(), ended.finish_reason) == ("[DONE]", "content_filter")
    assert settled(ada).spent == COST


def test_an_upstream_that_is_cut(ai: AiServer, ada: User) -> None:
    ai.serve(text("cut off", LONG, tick=20, cut_after=6))
    ended = ask(ada, "cut off")
    assert isinstance(ended.terminal(), dict), "a cut answer is no silent success"
    assert ended.said
    assert ended.finish_reason is None
    recorded = settled(ada)
    assert 0 < recorded.spent < COST
    assert [row["estimated_requests"] for row in recorded.items] == [1]
    assert len(ai.requests("cut off")) == 1  # never again after the first byte


def test_an_upstream_that_is_busy_and_so_are_its_fallbacks(ai: AiServer, ada: User) -> None:
    ai.serve(rate_limited("all busy", retry_after=0))
    ended = ask(ada, "all busy")
    assert (ended.status, ended.body["error"]["code"]) == (429, "rate_limit_exceeded")
    models = [entry["body"]["model"] for entry in ai.requests("all busy")]
    assert set(models) == {"local-large", "local-small"}
    assert models == sorted(models)  # the one asked for first
    assert budget(ada)["spent"] == 0
    nothing_held(ada)


def test_a_fallback_that_answers_is_what_is_paid(ai: AiServer, ada: User) -> None:
    """local-small: 1,000 tokens at 0.15 and 200 at 0.60 US dollars a million."""
    busy = [{**each, "match": {**each["match"], "model": "local-large"}} for each in rate_limited("half busy", retry_after=0)]
    ai.serve(busy, text("half busy", "From the other.", usage=USAGE))
    ended = ask(ada, "half busy")
    assert (ended.terminal(), ended.said) == ("[DONE]", "From the other.")
    assert settled(ada).spent == Decimal("0.00027")


def test_an_upstream_that_fails_for_a_moment(ai: AiServer, ada: User) -> None:
    ai.serve(error("hiccup", 500, times=1), text("hiccup", "Back.", usage=USAGE))
    ended = ask(ada, "hiccup")
    assert (ended.terminal(), ended.said) == ("[DONE]", "Back.")
    assert settled(ada).spent == COST


def test_a_client_that_leaves_after_the_first_byte(ai: AiServer, ada: User) -> None:
    ai.serve(text("bye", LONG * 10, tick=50, chunk=10))
    before = ai.connections()
    with ada.stream("POST", PATH, json=body("bye")) as answer:
        frames = frames_of(answer)  # kept: an iterator that is let go closes the connection
        assert any(frame["choices"][0]["delta"].get("content") for frame in frames)
        assert all_that_is_left(ada).body["error"]["code"] == "insufficient_quota"
        left = time.monotonic()
    eventually(lambda: ai.connections() <= before, 5, "the upstream's end")
    assert time.monotonic() - left < 2, "within a second, and one more for a busy machine"
    assert 0 < settled(ada).spent < COST


def test_a_client_that_leaves_before_the_first_byte(ai: AiServer, ada: User) -> None:
    ai.serve(silent("nothing yet", 20_000))
    before = ai.connections()
    with pytest.raises(httpx.ReadTimeout):
        ada.post(PATH, json=body("nothing yet"), timeout=0.5)
    eventually(lambda: ai.connections() <= before, 5, "the upstream's end")
    nothing_held(ada)
    assert len(ai.requests("nothing yet")) <= 1


def test_a_budget_that_does_not_suffice(ai: AiServer, ada: User) -> None:
    ended = ask(ada, "for the rich", n=40)
    assert (ended.status, ended.body["error"]["code"]) == (429, "insufficient_quota")
    assert budget(ada)["spent"] == 0
    nothing_held(ada)
    assert not ai.requests("for the rich")


def test_an_upstream_that_is_dead_and_comes_back(ai: AiServer, app: Host, ada: User) -> None:
    ai.kill()
    try:
        ended = ask(ada, "anyone there?")
        assert 500 <= ended.status < 600
        assert ended.body["error"]["message"]
        ready = ada.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    finally:
        ai.start()
    assert budget(ada)["spent"] == 0
    nothing_held(ada)

    def healed() -> bool:
        return ask(ada, "back again?").status == 200

    eventually(healed, 40, "the way back")  # a breaker may be open for a while
    eventually(lambda: ada.get("/health/ready").json()["status"] == "ok", 15, "readiness")


def until_killed(host: Host, user: User, prompt: str) -> list[Any]:
    """The frames of an answer whose instance dies after the first."""
    found = list[Any]()
    try:
        with user.stream("POST", PATH, json=body(prompt)) as answer:
            for frame in frames_of(answer):
                found.append(frame)
                if host.process.poll() is None:
                    host.process.send_signal(signal.SIGKILL)
    except httpx.TransportError:
        return found
    raise AssertionError(f"a whole body came from a dead instance: {found}")


def test_an_instance_that_is_killed(ai: AiServer, tmp_path: Path) -> None:
    """What it held stays held until it expires, so that the budget is kept; another instance goes on with what is left."""
    ai.serve(text("doomed", LONG * 10, tick=50, chunk=10))
    with running_host(tmp_path, **settings(ai)) as first, register(first.url, "doomed@example.com") as user:
        frames = until_killed(first, user, "doomed")
    assert frames
    assert "[DONE]" not in frames
    with running_host(tmp_path, **settings(ai)) as second, register(second.url, "doomed@example.com") as user:
        found = budget(user)
        assert found["held"] > 0
        assert found["spent"] + found["held"] <= BUDGET
        assert ask(user, "and on", max_tokens=100).terminal() == "[DONE]"
        found = budget(user)
        assert found["spent"] + found["held"] <= BUDGET
