"""What an instance counts of its requests, and when it writes it."""

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest
import structlog

from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.monitoring import traffic as module
from shared_code.monitoring.traffic import KEPT, MINUTES, Recorder
from shared_code.monitoring.traffic_rows import Key, Series, errors, merge, pack, requests, unpack
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Row
from tests.unit.apps import App, make_app, until

TABLE = "traffic20260101"


class Setup:
    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.storage = MemoryStorage(self.clock)
        self.recorder = Recorder(lambda: self.storage.tables, self.clock, "one", **options)

    def seen(self, function: str | None = "files_list", status: int = 200, seconds: float = 0.01, **options: Any) -> None:
        told = {"streamed": False, "cold": False, **options}
        self.recorder.observe(function, told.pop("method", "GET"), status, told.pop("first", seconds), seconds, **told)

    async def rows(self, table: str = TABLE) -> list[Row]:
        return await self.storage.tables.query(table, MINUTES)


async def test_a_minute_is_a_row() -> None:
    setup = Setup(writes=False)
    for _ in range(3):
        setup.seen()
    setup.seen(status=503, seconds=2.0)
    setup.seen("files_download", seconds=30.0, first=0.02, streamed=True)
    setup.seen(seconds=1.0, cold=True)
    await setup.recorder.flush()
    assert await setup.rows() == [], "the minute is not over"
    setup.clock.advance(60)
    await setup.recorder.flush()
    await setup.recorder.flush()
    (row,) = await setup.rows()
    assert row.key == "0000:one:1"
    assert (row.values["requests"], row.values["errors"]) == (6, 1)
    found = unpack(row)
    assert found[Key("files_list", "GET", 2, "plain")].count == 3
    assert found[Key("files_list", "GET", 2, "plain")].micros == 30_000
    assert found[Key("files_list", "GET", 2, "cold")].count == 1
    stream = found[Key("files_download", "GET", 2, "stream")]
    assert stream.latency != stream.whole
    assert stream.micros == 20_000


def test_packing_loses_nothing() -> None:
    traffic = {Key("a", "GET", 2, "plain"): Series(2, 5, {3: 2}, {}), Key("b", "PUT", 5, "stream"): Series(1, 7, {1: 1}, {60: 1})}
    row = Row("p", "k", pack(traffic))
    assert unpack(row) == traffic
    assert (requests(traffic), errors(traffic)) == (3, 1)
    assert unpack(None) == {}
    twice = merge([traffic, unpack(row)])
    assert twice[Key("a", "GET", 2, "plain")] == Series(4, 10, {3: 4}, {})
    assert traffic[Key("a", "GET", 2, "plain")].count == 2, "a sum has objects of its own"


def test_a_row_that_would_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from shared_code.monitoring import traffic_rows

    monkeypatch.setattr(traffic_rows, "PIECE", 8)
    monkeypatch.setattr(traffic_rows, "PIECES", 2)
    with pytest.raises(ValueError, match="more functions"):
        pack({Key("a", "GET", 2, "plain"): Series(2, 5, {3: 2}, {})})


async def test_a_clock_that_is_put_back_loses_and_doubles_nothing() -> None:
    setup = Setup(writes=False)
    setup.clock.advance(120)
    setup.seen()
    setup.clock.advance(-60)
    setup.seen()
    setup.seen()
    setup.clock.advance(60)
    setup.seen()
    setup.clock.advance(60)
    await setup.recorder.flush()
    assert [(row.key, row.values["requests"]) for row in await setup.rows()] == [("0001:one:2", 2), ("0002:one:1", 1), ("0002:one:3", 1)]


async def test_methods_that_nobody_knows_are_one() -> None:
    setup = Setup(writes=False)
    for number in range(1000):
        setup.seen(None, 404, method=f"M{number}")
    assert len(setup.recorder._current) == 1


class Down:
    """Tables that do not answer until they are told to; then they may say that the row is there already."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage, self.down = storage, True

    async def apply(self, *call: Any) -> str:
        if self.down:
            raise StorageUnavailable("storage is down")
        return await self.storage.tables.apply(*call)


async def test_what_storage_did_not_take_waits_within_bounds() -> None:
    setup = Setup(writes=False)
    down: Any = Down(setup.storage)
    recorder = setup.recorder = Recorder(lambda: down, setup.clock, "one", writes=False)
    with structlog.testing.capture_logs() as logs:
        for _ in range(KEPT + 5):
            setup.seen()
            setup.clock.advance(60)
            with pytest.raises(StorageUnavailable):
                await recorder.flush()
    assert recorder.lost == 5
    assert [line["event"] for line in logs] == ["traffic_lost"] * 5
    down.down = False
    await recorder.flush()
    rows = await setup.rows()
    assert len(rows) == KEPT
    assert rows[0].key.startswith("0005:")


async def test_an_answer_that_was_lost_writes_no_row_twice() -> None:
    setup = Setup(writes=False)
    setup.seen()
    setup.clock.advance(60)
    setup.recorder._close()
    waiting = list(setup.recorder._pending)
    await setup.recorder.flush()
    setup.recorder._pending.extend(waiting)
    await setup.recorder.flush()
    assert len(await setup.rows()) == 1


async def test_the_next_request_writes_and_says_that_the_instance_lives() -> None:
    lived: list[int] = []

    async def live() -> None:
        lived.append(1)

    setup = Setup(and_then=live)
    setup.seen()
    setup.clock.advance(60)
    setup.seen()
    await until(lambda: lived)
    assert len(await setup.rows()) == 1


async def test_a_timer_writes_where_no_request_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    lived, request, seen_by = asyncio.Event(), ContextVar[str]("request", default="none"), list[str]()
    request.set("the first")

    async def live() -> None:
        seen_by.append(request.get())
        lived.set()

    monkeypatch.setattr(module, "SETTLE", (-59.99, -59.99))
    setup = Setup(and_then=live)
    setup.seen()
    setup.clock.advance(60)
    await asyncio.wait_for(lived.wait(), 5)
    assert len(await setup.rows()) == 1
    lived.clear()
    await asyncio.wait_for(lived.wait(), 5)  # it goes on
    assert set(seen_by) == {"none"}, "what is written by the clock is in no request's trace"


@pytest.mark.parametrize("error", [StorageUnavailable("down"), RuntimeError("of ours")])
async def test_failing_to_write_is_told_and_harms_nobody(error: Exception) -> None:
    async def live() -> None:
        raise error

    setup = Setup(and_then=live)
    with structlog.testing.capture_logs() as logs:
        setup.seen()
        setup.clock.advance(60)
        setup.seen()
        await until(lambda: logs)
    assert logs[0]["event"] == "traffic_not_written"


def counted(app: App) -> dict[Key, int]:
    return {key: series.count for key, series in app.container.traffic._current.items()}


async def test_requests_are_counted_by_function_whatever_the_path() -> None:
    app = make_app(SERVICES="files,monitoring")
    async with app.client() as client:
        await client.get("/health")
        for number in range(300):
            assert (await client.get(f"/nothing/{number}")).status_code == 404
        assert (await client.delete("/health")).status_code == 405
        assert (await client.head("/health")).status_code == 200
        assert (await client.get("/api/files/abc")).status_code == 401
        await client.post("/api/files/upload", content=b"x" * 300_000, headers={"content-type": "multipart/form-data; boundary=b"})
    assert counted(app) == {
        Key("common_health", "GET", 2, "cold"): 1,
        Key("zz_fallback", "GET", 4, "plain"): 300,
        Key("common_health", "DELETE", 4, "plain"): 1,
        Key("common_health", "HEAD", 2, "plain"): 1,
        Key("files_download", "GET", 4, "plain"): 1,
        Key("files_upload", "POST", 4, "stream"): 1,
    }


async def test_what_fails_counts_as_an_error_and_who_leaves_does_not() -> None:
    app = make_app(SERVICES="files")
    release = asyncio.Event()

    @app.web.get("/test/broken", name="test_broken")
    async def broken() -> None:
        raise RuntimeError("of ours")

    @app.web.get("/test/slow", name="test_slow")
    async def slow() -> None:
        await release.wait()

    async with app.client() as client:
        assert (await client.get("/test/broken")).status_code == 500
    sent: list[Any] = []
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/test/slow", "raw_path": b"/test/slow", "query_string": b"", "headers": []}
    task = asyncio.ensure_future(app.web(scope, receive, send))
    await until(lambda: "route" in scope or scope.get("state", {}).get("request_id"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {key.status: count for key, count in counted(app).items()} == {5: 1, 4: 1}


async def test_ten_thousand_unknown_paths_take_no_memory() -> None:
    app = make_app(SERVICES="files", LOG_FORMAT="console")

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        """The client takes it."""

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # errors alone: 10,000 lines are of no use
    try:
        for number in range(10_000):
            path = f"/{number}/x"
            scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
            await app.web(scope, receive, send)
    finally:
        structlog.reset_defaults()
    assert counted(app) == {Key("zz_fallback", "GET", 4, "cold"): 1, Key("zz_fallback", "GET", 4, "plain"): 9_999}
    (plain,) = [series for key, series in app.container.traffic._current.items() if key.kind == "plain"]
    assert len(plain.latency) < 90
