"""Traffic over time over HTTP, for charts."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from functions.dependencies import ContainerDep
from shared_code.clock import rfc3339
from shared_code.monitoring.traffic_series import STEPS, TrafficPoint, Window

from .statistics import AdminCaller


class TrafficResponse(BaseModel):
    """Column by column: `requests[i]` is how many came within `step_seconds` from `at[i]` on. A slot without requests is left out."""

    window: Window
    step_seconds: int
    at: list[str]
    requests: list[int]
    errors: list[int] = Field(description="answers of 5xx")
    p50_ms: list[float | None] = Field(description="of ordinary requests: neither streams nor those of a starting process")
    p95_ms: list[float | None]
    p99_ms: list[float | None]

    @classmethod
    def of(cls, window: Window, points: Sequence[TrafficPoint]) -> "TrafficResponse":
        return cls(
            window=window,
            step_seconds=int(STEPS[window].total_seconds()),
            at=[rfc3339(point.at) for point in points],
            requests=[point.requests for point in points],
            errors=[point.errors for point in points],
            p50_ms=[_ms(point.p50) for point in points],
            p95_ms=[_ms(point.p95) for point in points],
            p99_ms=[_ms(point.p99) for point in points],
        )


def add_routes(router: APIRouter) -> None:
    router.get("/api/monitoring/traffic", name="monitoring_get_traffic")(traffic)


async def traffic(
    caller: AdminCaller,
    container: ContainerDep,
    window: Annotated[Window, Query(description="a day by slots of five minutes, or a week by hours")] = "24h",
) -> TrafficResponse:
    """Requests, errors and latencies of all apps over time, as far as they have been added up: every five minutes."""
    return TrafficResponse.of(window, await container.traffic_series.read(window))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
