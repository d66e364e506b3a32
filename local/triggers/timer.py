"""Timer triggers: NCRONTAB expressions on the wall clock, in UTC as on Azure."""

import asyncio
import json
import re
from datetime import UTC, datetime

from croniter import CroniterError, croniter  # type: ignore[import-untyped]  # it ships no types

from ..worker import Function, TriggerData
from .run import Runner

_LONGEST_SLEEP = 30.0  # seconds: a laptop that slept, or a clock that was set, is noticed within this
_PAST_DUE = 1.0  # seconds late from which on a run counts as past due
# What NCRONTAB knows of a field: croniter would take more (L, #, ?, R) and Azure would refuse it.
_VALUE = r"(?:\d+|[A-Za-z]{3,9})"
_FIELD = re.compile(rf"(?:(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/\d+)?)(?:,(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/\d+)?)*")


class Schedule:
    """`{second} {minute} {hour} {day} {month} {day of week}`; without the first field, second 0.

    Day of month and day of week must both hold, as in NCRONTAB (cron proper takes either). Raises ValueError.
    """

    def __init__(self, expression: str) -> None:
        fields = expression.split()
        if len(fields) not in (5, 6) or not all(_FIELD.fullmatch(field) for field in fields):
            raise ValueError(f"{expression!r} is no NCRONTAB expression of six fields")
        self.expression = " ".join(fields)
        try:
            self.after(datetime.now(UTC))
        except CroniterError as error:
            raise ValueError(f"{expression!r} is no NCRONTAB expression: {error}") from None

    def after(self, moment: datetime) -> datetime:
        """The first time that lies after `moment`."""
        due: datetime = croniter(self.expression, moment, second_at_beginning=True, day_or=False).get_next(datetime)
        return due


class TimerLoop:
    """Runs one function whenever it is due, never twice at once: what falls into a run is left out."""

    def __init__(self, function: Function, runner: Runner, expression: str) -> None:
        self._function = function
        self._runner = runner
        self._schedule = Schedule(expression)

    async def forever(self) -> None:
        if self._function.trigger.get("runOnStartup"):
            await self._runner.fire(self._function, timer_data(False))
        while True:
            due = self._schedule.after(datetime.now(UTC))
            late = await _sleep_until(due)
            following = self._schedule.after(due)
            await self._runner.fire(self._function, timer_data(late > _PAST_DUE, due, following))


async def _sleep_until(due: datetime) -> float:
    """Returns how late it is, in seconds. Sleeps in pieces, since the event loop's clock stands still in suspension."""
    while (left := (due - datetime.now(UTC)).total_seconds()) > 0:  # noqa: ASYNC110  # the wall clock sets no event
        await asyncio.sleep(min(left, _LONGEST_SLEEP))
    return -left


def timer_data(past_due: bool, last: datetime | None = None, following: datetime | None = None) -> TriggerData:
    """What the host sends of a timer (`func.TimerRequest`)."""
    moment = last or datetime.now(UTC)
    status = {"Last": moment.isoformat(), "Next": (following or moment).isoformat(), "LastUpdated": moment.isoformat()}
    return TriggerData("json", json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}))
