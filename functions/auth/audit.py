"""The audit trail over HTTP (SPEC §5)."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from functions.dependencies import ContainerDep, Cursor, Limit
from shared_code.audit.models import Event
from shared_code.audit.trail import Filter
from shared_code.clock import rfc3339
from shared_code.errors import Forbidden, InvalidInput
from shared_code.storage import cursors
from shared_code.web.callers import AccountCaller


def add_routes(router: APIRouter) -> None:
    router.get("/api/auth/audit", name="auth_list_audit")(list_audit)


_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})")
"""RFC 3339, 5.6, which has fewer forms than Python reads."""


class AuditEvent(BaseModel):
    id: str
    kind: str = Field(description="`sign_in`, `sign_in_failed`, `share_created`, …")
    user_id: str | None = Field(description="whose account it concerns; null where nobody's is known")
    at: str
    details: dict[str, Any]
    request_id: str | None

    @classmethod
    def of(cls, event: Event) -> "AuditEvent":
        return cls(
            id=event.id,
            kind=event.kind,
            user_id=event.user_id,
            at=rfc3339(event.at),
            details=dict(event.details),
            request_id=event.request_id,
        )


class AuditList(BaseModel):
    items: list[AuditEvent]
    next_cursor: str | None = Field(description="a page may be short, or empty, before the end: only null is the end")


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput("A time as in RFC 3339 is wanted: 2026-01-31T12:00:00Z.", loc=("query", name)) from None


async def list_audit(
    caller: AccountCaller,
    container: ContainerDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    user_id: Annotated[str | None, Query(min_length=1, max_length=64, description="another's, for administrators")] = None,
    scope: Annotated[Literal["own", "all"], Query(description="`all`: everyone's, for administrators")] = "own",
    kind: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    since: Annotated[str | None, Query(alias="from", max_length=64, description="RFC 3339, inclusive")] = None,
    until: Annotated[str | None, Query(alias="to", max_length=64, description="RFC 3339, exclusive")] = None,
) -> AuditList:
    """Security events, newest first: the caller's, a user's, or with `scope=all` everyone's (`user_id` narrows those too)."""
    if caller.role != "admin" and (scope == "all" or user_id not in (None, caller.user_id)):
        raise Forbidden("Other people's events are for administrators.")
    wanted = Filter(kind, _moment("from", since), _moment("to", until), user_id if scope == "all" else None)
    of = ("audit", caller.user_id, scope, user_id, kind, since, until)
    after = cursors.decode(cursor, *of)
    if scope == "all":
        page = await container.audit_trail.everyone(wanted, after=after, limit=limit)
    else:
        page = await container.audit_trail.own(user_id or caller.user_id, wanted, after=after, limit=limit)
    next_cursor = cursors.encode(page.next, *of) if page.next else None
    return AuditList(items=[AuditEvent.of(event) for event in page.events], next_cursor=next_cursor)
