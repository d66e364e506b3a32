"""Stripe's webhook, the inbox behind it, and reconciliation (SPEC §8)."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request

from functions.dependencies import ContainerDep, Cursor, Limit
from shared_code.errors import InvalidRequest, NotConfigured
from shared_code.payments import signatures
from shared_code.payments.event_schemas import EventList, EventResponse, ReceivedResponse, ReportResponse, StatsResponse
from shared_code.payments.inbox import Status
from shared_code.storage import cursors
from shared_code.web import json_body

from .parts import AdminCaller

log = structlog.get_logger("lydian.payments")

RECONCILED_FOR = 60.0
"""Seconds that a reconciliation by hand works before it answers with what it has; the next call goes on there."""


def add_routes(router: APIRouter) -> None:
    router.post("/api/webhooks/stripe", name="payments_stripe_webhook")(stripe_webhook)
    router.get("/api/payments/events", name="payments_list_events")(list_events)
    router.post("/api/payments/events/{event_id}/replay", name="payments_replay_event")(replay_event)
    router.post("/api/payments/reconcile", name="payments_reconcile")(reconcile)
    router.get("/api/payments/stats", name="payments_stats")(stats)


async def stripe_webhook(request: Request, container: ContainerDep) -> ReceivedResponse:
    """Take one event of Stripe: verified, stored, acknowledged, and then processed behind a queue."""
    secrets = container.settings.stripe_webhook_secrets
    if not secrets:
        raise NotConfigured("Stripe's webhook secret is not configured.", code="payments_not_configured")
    body = await json_body.read_bytes(request, json_body.MAX_BYTES)
    try:
        signatures.verify(body, request.headers.get("stripe-signature"), secrets, container.clock.now())
    except InvalidRequest:
        # A secret that is wrong here looks like this and like nothing else: somebody should see it.
        log.warning("stripe_webhook_refused", signed="stripe-signature" in request.headers, remedy="compare STRIPE_WEBHOOK_SECRET")
        raise
    return ReceivedResponse(duplicate=not await container.payments_inbox.receive(body))


async def list_events(
    caller: AdminCaller,
    container: ContainerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    status: Annotated[Status | None, Query(description="only events in this state")] = None,
) -> EventList:
    """The inbox, newest first: what came of each event of the last 35 days."""
    after = cursors.decode(cursor, "events", status)
    found = await container.payments_inbox.page(after=after, limit=limit + 1, status=status)
    page = found[:limit]
    following = cursors.encode(page[-1][0], "events", status) if len(found) > limit else None
    return EventList(items=[EventResponse.of(event) for _, event in page], next_cursor=following)


async def replay_event(event_id: str, caller: AdminCaller, container: ContainerDep) -> EventResponse:
    """Process an event again now; its state says what came of it."""
    return EventResponse.of(await container.payments_processor.replay(event_id))


async def reconcile(caller: AdminCaller, container: ContainerDep) -> ReportResponse:
    """Compare the mirror with Stripe, repair it, and report the drift. One that is not finished goes on with the next call."""
    report = await container.payments_reconciliation.run(RECONCILED_FOR)
    return ReportResponse.of(report)


async def stats(caller: AdminCaller, container: ContainerDep) -> StatsResponse:
    """Everyone's counts and sums by currency and status, as of the last roll-up. Currencies are never added together."""
    return StatsResponse.of(await container.payments_statistics.latest())
