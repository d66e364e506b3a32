"""Statistics and queues over HTTP (SPEC §9)."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from functions.dependencies import ContainerDep
from shared_code.clock import rfc3339
from shared_code.monitoring.history import SPANS, Points, Resolution, moment
from shared_code.monitoring.queues import QueueState, Replayed
from shared_code.monitoring.statistics import Reading
from shared_code.web.callers import Caller, CallerDependency

AdminCaller = Annotated[Caller, Depends(CallerDependency("monitoring", admin=True))]


class FiguresResponse(BaseModel):
    """What a service has counted of itself."""

    figures: dict[str, int] = Field(description="by name; sums of money are in the currency's minor units, and AI cost in micro-dollars")
    as_of: str
    recounted_at: str | None = Field(description="when everything was last counted anew")
    drifted: int = Field(description="how many owners that recount found miscounted, and mended")
    difference: dict[str, int] = Field(description="by how much in all")

    @classmethod
    def of(cls, reading: Reading) -> "FiguresResponse":
        return cls(
            figures=dict(reading.figures),
            as_of=rfc3339(reading.as_of),
            recounted_at=rfc3339(reading.recounted_at) if reading.recounted_at else None,
            drifted=reading.drifted,
            difference=dict(reading.difference),
        )


class HistoryResponse(BaseModel):
    """Column by column: `series[name][i]` is the figure at `at[i]`, null where there was none."""

    resolution: Resolution
    step_seconds: int
    at: list[str]
    series: dict[str, list[int | None]]

    @classmethod
    def of(cls, resolution: Resolution, points: Points) -> "HistoryResponse":
        at = [rfc3339(moment(each)) for each in points.at]
        return cls(resolution=resolution, step_seconds=SPANS[resolution].step, at=at, series=points.series)


class StatisticsResponse(BaseModel):
    latest: dict[str, FiguresResponse | None] = Field(description="by service, as of its last roll-up; null before the first")
    history: HistoryResponse

    @classmethod
    def of(cls, latest: Mapping[str, Reading | None], resolution: Resolution, points: Points) -> "StatisticsResponse":
        shown = {service: FiguresResponse.of(reading) if reading else None for service, reading in latest.items()}
        return cls(latest=shown, history=HistoryResponse.of(resolution, points))


class QueueResponse(BaseModel):
    name: str
    length: int = Field(description="about how many messages wait, or are being handled")
    poison_length: int = Field(description="about how many were given up on")
    oldest_poison_at: str | None
    poison_kinds: dict[str, int] = Field(description="what the first 32 of those ask for")

    @classmethod
    def of(cls, state: QueueState) -> "QueueResponse":
        oldest = rfc3339(state.oldest_poison_at) if state.oldest_poison_at else None
        return cls(
            name=state.name,
            length=state.length,
            poison_length=state.poison_length,
            oldest_poison_at=oldest,
            poison_kinds=dict(state.kinds or {}),
        )


class QueueList(BaseModel):
    items: list[QueueResponse]
    next_cursor: None = Field(default=None, description="always null: all are shown")


class ReplayResponse(BaseModel):
    queue: str
    moved: int
    left: int = Field(description="about how many are still there; call again to go on")

    @classmethod
    def of(cls, replayed: Replayed) -> "ReplayResponse":
        return cls(queue=replayed.queue, moved=replayed.moved, left=replayed.left)


def add_routes(router: APIRouter) -> None:
    router.get("/api/monitoring/stats", name="monitoring_stats")(stats)
    router.get("/api/monitoring/queues", name="monitoring_list_queues")(queues)
    router.post("/api/monitoring/queues/{queue}/replay", name="monitoring_replay_queue")(replay)


async def stats(
    caller: AdminCaller,
    container: ContainerDep,
    history: Annotated[Resolution, Query(description="5-minute points of a day, hourly ones of a month, daily ones of a year")] = "5m",
) -> StatisticsResponse:
    """The last statistics roll-up of every service, and how the figures were over time."""
    return StatisticsResponse.of(await container.statistics.latest(), history, await container.statistics.history(history))


async def queues(caller: AdminCaller, container: ContainerDep) -> QueueList:
    """How long the queues between services are, and their poison queues: what was tried five times and given up on."""
    return QueueList(items=[QueueResponse.of(state) for state in await container.queue_room.states()])


async def replay(queue: str, caller: AdminCaller, container: ContainerDep) -> ReplayResponse:
    """Move what a queue's poison queue holds back into the queue, to be tried anew. One that is cut off may try a message twice."""
    replayed = await container.queue_room.replay(queue)
    await container.audit.record("poison_replayed", user_id=caller.user_id, queue=queue, moved=replayed.moved)
    return ReplayResponse.of(replayed)
