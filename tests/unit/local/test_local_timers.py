import asyncio
import json
from datetime import UTC, datetime

import pytest

from local.triggers.run import Runner
from local.triggers.timer import Schedule, TimerLoop, timer_data
from local.worker import Function, InvocationFailed, TriggerData

NOON = datetime(2026, 1, 1, 12, 0, 7, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("*/5 * * * * *", "2026-01-01T12:00:10"),
        ("5/15 * * * * *", "2026-01-01T12:00:20"),
        ("0 */5 * * * *", "2026-01-01T12:05:00"),
        ("0 30 3 * * *", "2026-01-02T03:30:00"),
        ("0 0 9-17 * * MON-FRI", "2026-01-01T13:00:00"),
        ("0 0 0 * JUL sun", "2026-07-05T00:00:00"),
        ("0 0 0 1 1 1", "2029-01-01T00:00:00"),  # day of month AND day of week: the next 1 January that is a Monday
        ("*/10 * * * *", "2026-01-01T12:10:00"),  # five fields: no seconds
    ],
)
def test_ncrontab(expression: str, due: str) -> None:
    assert Schedule(expression).after(NOON).isoformat() == f"{due}+00:00"


@pytest.mark.parametrize("expression", ["", "* * *", "0 0 0 L * *", "@daily", "0 0 0 ? * *", "99 * * * * *", "0 0 0 * * 1#2", "00:05:00"])
def test_what_azure_refuses_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="NCRONTAB"):
        Schedule(expression)


def test_what_a_timer_gets() -> None:
    data = timer_data(True, NOON, NOON)
    assert data.type == "json"
    assert json.loads(str(data.value))["IsPastDue"] is True


class SlowWorker:
    """Each run takes longer than the timer's period."""

    def __init__(self) -> None:
        self.running = self.most = self.runs = 0
        self.enough = asyncio.Event()

    async def invoke(self, function: Function, data: TriggerData) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(1.3)
        self.running -= 1
        self.runs += 1
        if self.runs == 2:
            self.enough.set()


async def test_runs_never_overlap_and_startup_comes_first() -> None:
    worker = SlowWorker()
    function = Function("tick", {"type": "timerTrigger", "name": "timer", "runOnStartup": True})
    loop = asyncio.create_task(TimerLoop(function, Runner(worker, None), "* * * * * *").forever())  # type: ignore[arg-type]  # invoke is all it needs
    await asyncio.wait_for(worker.enough.wait(), 10)
    loop.cancel()
    assert worker.most == 1


class FailingWorker:
    async def invoke(self, function: Function, data: TriggerData) -> None:
        if data.value == "hang":
            await asyncio.Event().wait()
        raise InvocationFailed if data.value == "fail" else RuntimeError("the host's own")


@pytest.mark.parametrize(("value", "said"), [("fail", "FAILED"), ("hang", "TIMED OUT"), ("odd", "FAILED")])
async def test_a_failure_is_told_and_survived(value: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    runner = Runner(FailingWorker(), 0.05)  # type: ignore[arg-type]  # invoke is all it needs
    assert not await runner.fire(Function("work", {"type": "queueTrigger"}), TriggerData("string", value))
    assert said in capsys.readouterr().out
