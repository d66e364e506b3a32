"""Mail over HTTP: the local outbox and what SendGrid reports (SPEC §5). Every app has these routes, as it sends mail."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from functions.dependencies import ContainerDep, Cursor, Limit
from shared_code.clock import rfc3339
from shared_code.errors import NotFound
from shared_code.mail.outbox import Stored
from shared_code.storage import cursors
from shared_code.web import json_body
from shared_code.web.callers import Caller, CallerDependency
from shared_code.web.endpoint import Endpoint

router = APIRouter(tags=["mail"], route_class=Endpoint)

AdminCaller = Annotated[Caller, Depends(CallerDependency(None, admin=True))]


class OutboxMail(BaseModel):
    to: str
    subject: str
    template: str
    text: str
    html: str
    created_at: str
    status: str

    @classmethod
    def of(cls, stored: Stored) -> "OutboxMail":
        return cls(
            to=stored.to,
            subject=stored.subject,
            template=stored.template,
            text=stored.text,
            html=stored.html,
            created_at=rfc3339(stored.created_at),
            status=stored.status,
        )


class OutboxList(BaseModel):
    items: list[OutboxMail]
    next_cursor: str | None


@router.get("/api/mail/outbox", name="mail_outbox")
async def outbox(caller: AdminCaller, container: ContainerDep, limit: Limit = 20, cursor: Cursor = None) -> OutboxList:
    """The mails that a local run without SendGrid has not sent, newest first."""
    if container.mail_outbox is None:
        raise NotFound("Mail is not kept here: there is an outbox only in local runs without SendGrid.", code="outbox_not_available")
    after = cursors.decode(cursor, "outbox")
    found = await container.mail_outbox.page(after=after, limit=limit + 1)
    page = found[:limit]
    next_cursor = cursors.encode(page[-1].id, "outbox") if len(found) > limit else None
    return OutboxList(items=[OutboxMail.of(each) for each in page], next_cursor=next_cursor)


@router.post("/api/webhooks/sendgrid", name="mail_sendgrid_webhook", status_code=204)
async def sendgrid_webhook(request: Request, container: ContainerDep) -> None:
    """SendGrid's signed event webhook: addresses that bounce or complain get no more mail."""
    body = await json_body.read_bytes(request, json_body.MAX_BYTES)
    container.sendgrid_reports.verify(
        body,
        request.headers.get("x-twilio-email-event-webhook-signature"),
        request.headers.get("x-twilio-email-event-webhook-timestamp"),
    )
    await container.sendgrid_reports.receive(json_body.parse(body))
