"""``Idempotency-Key``: replayed, refused, kept for a day, unreadable at rest."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import JSONResponse, Response, StreamingResponse

from shared_code.clock import ManualClock
from shared_code.errors import Conflict, InvalidInput, InvalidRequest
from shared_code.storage.memory_tables import MemoryTables
from shared_code.storage.ports import Delete, EtagMismatch
from shared_code.web import idempotency
from shared_code.web.idempotency import Idempotency
from tests.unit.apps import WatchedTables, until

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MIDNIGHT_SOON = datetime(2026, 5, 4, 23, 59, 30, tzinfo=UTC)
HOUR = 3600


class Work:
    """What a request does, counted."""

    def __init__(self, answer: Callable[[int], Response] | None = None) -> None:
        self.done = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._answer = answer or (lambda number: JSONResponse({"made": number}, 201, {"Location": f"/made/{number}", "X-Not-Kept": "1"}))

    async def __call__(self) -> Response:
        await self.gate.wait()
        self.done += 1
        return self._answer(self.done)


class Rig:
    def __init__(self, start: datetime = NOON) -> None:
        self.clock = ManualClock(start)
        self.tables = WatchedTables(MemoryTables())
        self.idempotency = Idempotency(self.tables, self.clock)  # type: ignore[arg-type]  # what it lacks it passes on
        self.work = Work()

    async def ask(
        self, key: str = "k", *, scope: str = "alice:make", body: bytes = b"{}", work: Callable[[], Awaitable[Response]] | None = None
    ) -> Response:
        return await self.idempotency.run(key, scope, body, work or self.work)

    async def rows(self) -> list[Any]:
        names = await self.tables.list_tables(idempotency.TABLE)
        return [row for name in names for row in await self.tables.query(name)]


async def test_the_first_answer_again() -> None:
    rig = Rig()
    first, again = await rig.ask(), await rig.ask()
    assert rig.work.done == 1
    assert (again.status_code, again.body) == (first.status_code, first.body)
    assert again.headers["location"] == "/made/1"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert "x-not-kept" not in again.headers


async def test_another_body_is_refused() -> None:
    rig = Rig()
    await rig.ask()
    with pytest.raises(InvalidInput) as caught:
        await rig.ask(body=b"{ }")
    assert caught.value.code == "idempotency_key_reused"
    assert rig.work.done == 1


async def test_keys_callers_and_routes_are_apart() -> None:
    rig = Rig()
    for key, scope in [("k", "alice:make"), ("K", "alice:make"), ("k", "bob:make"), ("k", "alice:other"), ("make:k", "alice")]:
        assert "idempotent-replayed" not in (await rig.ask(key, scope=scope)).headers
    assert rig.work.done == 5


async def test_a_second_request_while_the_first_runs() -> None:
    rig = Rig()
    rig.work.gate.clear()
    first = asyncio.ensure_future(rig.ask())
    await until(lambda: rig.tables.calls)
    for _ in range(2):
        with pytest.raises(Conflict) as caught:
            await rig.ask()
        assert caught.value.code == "idempotency_in_progress"
    rig.work.gate.set()
    assert (await first).status_code == 201
    assert (await rig.ask()).headers["idempotent-replayed"] == "true"
    assert rig.work.done == 1


async def test_twenty_at_once_do_the_work_once() -> None:
    rig = Rig()
    answers = await asyncio.gather(*(rig.ask() for _ in range(20)), return_exceptions=True)
    assert rig.work.done == 1
    assert sum(isinstance(answer, Response) and "idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert all(isinstance(answer, Response | Conflict) for answer in answers)


@pytest.mark.parametrize("status", [400, 409, 422, 500, 503, 302])
async def test_an_answer_that_is_no_success_is_not_kept(status: int) -> None:
    rig = Rig()
    assert (await rig.ask(work=Work(lambda _: Response(status_code=status)))).status_code == status
    assert await rig.rows() == []
    assert (await rig.ask(body=b"other")).status_code == 201


async def test_an_exception_frees_the_key() -> None:
    rig = Rig()

    async def failing() -> Response:
        raise Conflict("taken", code="taken")

    with pytest.raises(Conflict, match="taken"):
        await rig.ask(work=failing)
    assert (await rig.ask()).status_code == 201


@pytest.mark.parametrize("answer", [Response(b"x" * 504_001), StreamingResponse(iter([b"x"]))], ids=["large", "streamed"])
async def test_what_cannot_be_kept_is_given_all_the_same(answer: Response) -> None:
    rig = Rig()
    assert await rig.ask(work=Work(lambda _: answer)) is answer
    assert await rig.rows() == []


@pytest.mark.parametrize("size", [0, 30_000, 60_000, 504_000])
async def test_a_large_answer_is_kept_in_pieces(size: int) -> None:
    rig, body = Rig(), random.Random(size).randbytes(size)
    work = Work(lambda _: Response(body, headers={"Location": "/made/" + "x" * 1000}))
    await rig.ask(work=work)
    again = await rig.ask(work=work)
    assert (again.body, again.headers["idempotent-replayed"], work.done) == (body, "true", 1)


async def test_a_day_and_no_longer() -> None:
    rig = Rig()
    await rig.ask()
    rig.clock.advance(24 * HOUR)
    assert (await rig.ask()).headers["idempotent-replayed"] == "true"
    rig.clock.advance(1)
    assert "idempotent-replayed" not in (await rig.ask(body=b"another")).headers
    assert rig.work.done == 2


async def test_over_midnight() -> None:
    rig = Rig(MIDNIGHT_SOON)
    await rig.ask()
    rig.clock.advance(60)
    assert (await rig.ask()).headers["idempotent-replayed"] == "true"
    with pytest.raises(InvalidInput):
        await rig.ask(body=b"other")
    assert rig.work.done == 1
    assert [row.values["started_at"] for row in await rig.rows()] == [MIDNIGHT_SOON], "the look-ups have left nothing"


async def test_in_progress_over_midnight() -> None:
    rig = Rig(MIDNIGHT_SOON)
    rig.work.gate.clear()
    first = asyncio.ensure_future(rig.ask())
    await until(lambda: rig.tables.calls)
    rig.clock.advance(60)
    with pytest.raises(Conflict):
        await rig.ask()
    rig.work.gate.set()
    await first
    assert (await rig.ask()).headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("start", [NOON, MIDNIGHT_SOON])
async def test_a_dead_request_is_taken_over(start: datetime) -> None:
    """Its process died: after ``functionTimeout`` a retry may do the work."""
    rig = Rig(start)
    rig.work.gate.clear()
    dead = asyncio.ensure_future(rig.ask())
    await until(lambda: rig.tables.calls)
    rig.clock.advance(600)
    with pytest.raises(Conflict):
        await rig.ask()
    rig.clock.advance(1)
    second = Work()
    with pytest.raises(InvalidInput):
        await rig.ask(body=b"other", work=second)
    assert (await rig.ask(work=second)).status_code == 201
    assert second.done == 1
    rig.work.gate.set()  # it was not dead after all: its answer is its own, and the kept one stays
    await dead
    assert json.loads((await rig.ask()).body) == {"made": 1}


async def test_only_one_retry_takes_over() -> None:
    rig = Rig()
    rig.work.gate.clear()
    dead = asyncio.ensure_future(rig.ask())
    await until(lambda: rig.tables.calls)
    rig.clock.advance(601)
    second = Work()
    answers = await asyncio.gather(*(rig.ask(work=second) for _ in range(5)), return_exceptions=True)
    assert second.done == 1
    assert all(isinstance(answer, Response | Conflict) for answer in answers)
    rig.work.gate.set()
    await dead


async def test_a_takeover_that_another_wins_is_in_progress() -> None:
    rig = Rig()
    rig.work.gate.clear()
    dead = asyncio.ensure_future(rig.ask())
    await until(lambda: rig.tables.calls)
    rig.clock.advance(601)
    writes = 0

    def lose(verb: str, table: str) -> None:
        nonlocal writes
        writes += verb == "write"
        if writes == 2:
            raise EtagMismatch

    rig.tables.before = lose
    with pytest.raises(Conflict):
        await rig.ask()
    rig.tables.before = lambda verb, table: None
    rig.work.gate.set()
    await dead


async def test_a_key_that_was_freed_between_two_looks() -> None:
    rig = Rig()
    await rig.ask()
    (row,) = await rig.rows()
    (name,) = await rig.tables.list_tables(idempotency.TABLE)

    def freed(verb: str, table: str) -> None:
        if verb == "get":
            rig.tables.tables._run(table, row.partition, [Delete(row.key)])  # type: ignore[attr-defined]  # without waiting

    rig.tables.before = freed
    with pytest.raises(Conflict) as caught:
        await rig.ask()
    assert name
    assert caught.value.code == "idempotency_in_progress"


async def test_work_is_finished_though_its_client_has_left() -> None:
    """It comes back with the same key, and must find one answer, not a second account or a second charge."""
    rig = Rig()
    rig.work.gate.clear()
    asking = asyncio.ensure_future(rig.ask())
    await until(lambda: rig.tables.calls)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    rig.work.gate.set()
    await until(lambda: not rig.idempotency._working)
    assert (await rig.ask()).headers["idempotent-replayed"] == "true"
    assert rig.work.done == 1


async def test_work_that_fails_when_nobody_waits_makes_no_noise() -> None:
    rig = Rig()
    gate = asyncio.Event()

    async def failing() -> Response:
        await gate.wait()
        raise ValueError

    asking = asyncio.ensure_future(rig.ask(work=failing))
    await until(lambda: rig.tables.calls)
    asking.cancel()
    gate.set()
    await until(lambda: not rig.idempotency._working)
    assert await rig.rows() == []


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_malformed_key(key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await Rig().ask(key)
    assert caught.value.code == "invalid_idempotency_key"


async def test_nothing_readable_is_at_rest() -> None:
    rig = Rig()
    secret = Work(lambda _: JSONResponse({"token": "shown-only-once"}, 201))
    await rig.ask("my-own-key", work=secret)
    at_rest = repr(await rig.rows())
    assert "answer" in at_rest
    for text in ("shown-only-once", "c2hvd24tb25seS1vbmNl", "my-own-key", "alice"):
        assert text not in at_rest


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([b"1", b"2"]), st.booleans(), st.integers(0, 40_000)), max_size=8))
def test_against_a_model(requests: list[tuple[str, bytes, bool, int]]) -> None:
    """Whatever comes when: a key has one success a day, and its answer is what a replay gives."""

    async def run() -> None:
        rig, model, number = Rig(), dict[str, tuple[float, bytes, int]](), 0
        now = 0.0
        for key, body, succeeds, later in requests:
            now += later
            rig.clock.advance(later)
            work = Work(lambda _, n=number, status=201 if succeeds else 400: JSONResponse(n, status))
            number += 1
            known = model.get(key)
            if known and now - known[0] > 24 * HOUR:
                known = None
            if known and known[1] != body:
                with pytest.raises(InvalidInput):
                    await rig.ask(key, body=body, work=work)
                continue
            answer = await rig.ask(key, body=body, work=work)
            if known:
                assert json.loads(answer.body) == known[2]
            else:
                assert json.loads(answer.body) == number - 1
                if succeeds:
                    model[key] = (now, body, number - 1)

    asyncio.run(run())
