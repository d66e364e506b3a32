"""Alerts over HTTP: what fires, what did, and whether a notice arrives."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from functions.dependencies import ContainerDep
from shared_code.clock import rfc3339
from shared_code.errors import LydianError
from shared_code.monitoring.alerts import Alert, State

from .statistics import AdminCaller


class AlertResponse(BaseModel):
    key: str
    rule: str
    title: str
    detail: str
    status: State
    since: str
    resolved_at: str | None
    notified_at: str | None = Field(description="when operators were told last")

    @classmethod
    def of(cls, alert: Alert) -> "AlertResponse":
        return cls(
            key=alert.key,
            rule=alert.rule,
            title=alert.title,
            detail=alert.detail,
            status=alert.state,
            since=rfc3339(alert.since),
            resolved_at=rfc3339(alert.resolved_at) if alert.resolved_at else None,
            notified_at=rfc3339(alert.told_at) if alert.told_at else None,
        )


class AlertList(BaseModel):
    items: list[AlertResponse]
    next_cursor: None = Field(default=None, description="always null: all are shown")


class AlertTestResponse(BaseModel):
    mails: int = Field(description="how many were handed in: one for each of `ALERT_EMAILS`")
    webhook: Literal["sent", "failed", "not_configured"]
    detail: str | None = Field(description="why the webhook failed")


def add_routes(router: APIRouter) -> None:
    router.get("/api/monitoring/alerts", name="monitoring_list_alerts")(list_alerts)
    router.post("/api/monitoring/alerts/test", name="monitoring_test_alerts")(test)


async def list_alerts(caller: AdminCaller, container: ContainerDep) -> AlertList:
    """What fires now, then what did in the last 30 days, the newest first."""
    return AlertList(items=[AlertResponse.of(alert) for alert in await container.alerts.items()])


async def test(caller: AdminCaller, container: ContainerDep) -> AlertTestResponse:
    """Send a notice that says it is a test, by every configured way."""
    notices, detail = container.operator_notices, None
    try:
        await container.alerts.test()
    except LydianError as error:
        detail = error.message
    webhook: Literal["sent", "failed", "not_configured"] = "failed" if detail else "sent" if notices.has_webhook else "not_configured"
    return AlertTestResponse(mails=notices.recipients, webhook=webhook, detail=detail)
