"""The answer to a refusal goes out at once; what the client is still sending is read and dropped."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Message

from shared_code.web import linger
from shared_code.web.linger import Linger
from tests.unit.apps import make_app


class Line:
    def __init__(self, pieces: int, *, ends: bool = True) -> None:
        self.sent: list[Message] = []
        self.inbound: list[Message] = [{"type": "http.request", "body": b"x" * 10, "more_body": True} for _ in range(pieces)]
        self.inbound.append({"type": "http.request", "body": b"", "more_body": False} if ends else {"type": "http.disconnect"})
        self.left_when_answered: list[int] = []

    async def receive(self) -> Message:
        return self.inbound.pop(0) if self.inbound else await asyncio.Event().wait()  # type: ignore[func-returns-value]  # it never returns

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.left_when_answered.append(len(self.inbound))


async def answer(line: Line, status: int, *headers: tuple[bytes, bytes], read: int = 0) -> None:
    stands = Linger({"headers": list(headers)}, line.receive, line.send)
    for _ in range(read):
        await stands.receive()
    await stands.send({"type": "http.response.start", "status": status, "headers": []})
    await stands.send({"type": "http.response.body", "body": b"no"})


def whole(line: Line) -> bool:
    return line.sent[-1].get("more_body", False) is False and b"".join(m.get("body", b"") for m in line.sent) == b"no"


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [([], False), ([(b"content-length", b"0")], False), ([(b"content-length", b"9")], True), ([(b"transfer-encoding", b"chunked")], True)],
)
def test_only_requests_with_a_body_are_concerned(headers: list[Any], wanted: bool) -> None:
    assert Linger.concerns({"headers": headers}) is wanted


@pytest.mark.parametrize("read", [0, 2])
async def test_a_refusal_is_answered_first_and_read_to_the_end_then(read: int) -> None:
    line = Line(5)
    await answer(line, 413, read=read)
    assert line.left_when_answered[1] == 6 - read, "the answer does not wait"
    assert not line.inbound
    assert whole(line)


@pytest.mark.parametrize(("status", "read", "headers"), [(200, 1, []), (413, 6, []), (401, 0, [(b"expect", b"100-continue")])])
async def test_nothing_is_dropped_of_what_is_wanted_finished_or_held_back(status: int, read: int, headers: list[Any]) -> None:
    line = Line(5)
    await answer(line, status, *headers, read=read)
    assert len(line.inbound) == 6 - read
    assert len(line.sent) == 2
    assert whole(line)


async def test_a_client_that_leaves_ends_it() -> None:
    line = Line(2, ends=False)
    await answer(line, 401)
    assert whole(line)


async def test_it_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "MAX_BYTES", 25)
    line = Line(50)
    await answer(line, 413)
    assert len(line.inbound) == 48
    assert whole(line)


async def test_it_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "MAX_SECONDS", 0.01)
    line = Line(1)
    line.inbound.pop()  # the client says nothing more, and stays
    await asyncio.wait_for(answer(line, 413), 5)
    assert whole(line)


@pytest.mark.parametrize("limit", ["SILENT", "LONGEST"])
async def test_a_client_that_stops_sending_has_left(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its invocation lives until the host restarts the worker."""
    monkeypatch.setattr(linger, limit, 0.01)
    line = Line(2)
    line.inbound.pop()
    stands = Linger({"headers": []}, line.receive, line.send)
    async with asyncio.timeout(5):
        assert [(await stands.receive())["type"] for _ in range(3)] == ["http.request", "http.request", "http.disconnect"]


async def test_who_has_sent_all_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "SILENT", 0.01)
    line = Line(0)
    stands = Linger({"headers": []}, line.receive, line.send)
    await stands.receive()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stands.receive()  # for it to leave, while its answer is made


async def test_a_body_that_never_comes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "SILENT", 0.01)

    async def nothing() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    app = make_app()
    headers = {"Content-Type": "application/json", "Content-Length": "100"}
    async with app.client() as client, asyncio.timeout(5):
        answer = await client.post("/api/auth/login", content=nothing(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "incomplete_body")
