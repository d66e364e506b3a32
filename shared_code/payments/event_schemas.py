"""The inbox, reconciliation and statistics as OpenAPI shows them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from shared_code.clock import rfc3339

from .inbox import InboxEvent, Status
from .money import show
from .reconcile import Report
from .stats import Figures


class ReceivedResponse(BaseModel):
    received: Literal[True] = True
    duplicate: bool


class EventResponse(BaseModel):
    id: str
    type: str
    status: Status
    attempts: int
    error: str | None
    object_id: str | None
    api_version: str | None
    created_at: str
    received_at: str
    processed_at: str | None

    @classmethod
    def of(cls, event: InboxEvent) -> "EventResponse":
        return cls(
            id=event.id,
            type=event.type,
            status=event.status,
            attempts=event.attempts,
            error=event.error or None,
            object_id=event.object_id or None,
            api_version=event.api_version or None,
            created_at=rfc3339(event.created_at),
            received_at=rfc3339(event.received_at),
            processed_at=rfc3339(event.processed_at) if event.processed_at else None,
        )


class EventList(BaseModel):
    items: list[EventResponse]
    next_cursor: str | None


class ReportResponse(BaseModel):
    started_at: str
    finished_at: str | None
    finished: bool
    checked: dict[str, int] = Field(description="objects of Stripe that were compared, by kind")
    drifted: int = Field(description="objects that differed, all of them repaired")
    drift: list[dict[str, Any]] = Field(description="the first of them: kind, id, fields and reason")

    @classmethod
    def of(cls, report: Report) -> "ReportResponse":
        return cls(
            started_at=report.started_at,
            finished_at=report.finished_at,
            finished=report.finished,
            checked=report.checked,
            drifted=report.drifted,
            drift=list(report.drift),
        )


class SumResponse(BaseModel):
    currency: str
    status: str
    count: int
    amount: str
    amount_minor: int


class StatsResponse(BaseModel):
    payments: list[SumResponse]
    refunds: list[SumResponse]
    subscriptions: dict[str, int] = Field(description="how many, by state")
    active_subscriptions: int = Field(description="active, trialing or past due")
    as_of: str

    @classmethod
    def of(cls, figures: Figures) -> "StatsResponse":
        states: dict[str, int] = {}
        for _, status, count, _ in figures.of("sub"):
            states[status] = states.get(status, 0) + count
        return cls(
            payments=_sums(figures, "pi"),
            refunds=_sums(figures, "re"),
            subscriptions=states,
            active_subscriptions=figures.active_subscriptions,
            as_of=rfc3339(figures.as_of),
        )


def _sums(figures: Figures, kind: str) -> list[SumResponse]:
    return [
        SumResponse(currency=currency, status=status, count=count, amount=show(minor, currency), amount_minor=minor)
        for currency, status, count, minor in figures.of(kind)
    ]
