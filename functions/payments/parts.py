"""What the handlers of payments share: who acts, idempotency towards Stripe, pages of lists, times in queries."""

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from starlette.responses import JSONResponse, Response

from shared_code.errors import InvalidInput
from shared_code.payments.objects import Record
from shared_code.payments.ports import Actor
from shared_code.storage import cursors
from shared_code.web.callers import Caller, CallerDependency
from shared_code.web.idempotency import HEADER

PaymentsCaller = Annotated[Caller, Depends(CallerDependency("payments"))]
AdminCaller = Annotated[Caller, Depends(CallerDependency("payments", admin=True))]
OfCustomer = Annotated[str | None, Query(max_length=64, description="another customer than yours: for administrators")]
Moment = Annotated[str | None, Query(max_length=40)]

# RFC 3339, 5.6.
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII)


def actor(caller: Caller) -> Actor:
    return Actor(caller.user_id, caller.role == "admin")


async def stripe_key(request: Request) -> str:
    """Our idempotency key to Stripe: of the caller's own, if there is one, so that a request that died between Stripe's deed and
    our record is recognised when it comes again; else a new one. 64 characters."""
    given = request.headers.get(HEADER)
    if given is None:
        return secrets.token_hex(32)
    caller: Caller = request.scope["state"]["caller"]
    scope = f"{caller.user_id}\0{request.method} {request.url.path}\0{given}\0"
    return hashlib.sha256(scope.encode() + await request.body()).hexdigest()


StripeKey = Annotated[str, Depends(stripe_key)]


def page(records: Sequence[Record], limit: int, fields: Callable[[Record], dict[str, Any]], *of: str | None) -> Response:
    """A list's answer; one record more than ``limit`` says that there is a next page."""
    next_cursor = cursors.encode(records[limit - 1].key, *of) if len(records) > limit else None
    return JSONResponse({"items": [fields(record) for record in records[:limit]], "next_cursor": next_cursor})


def moment(text: str | None, name: str) -> datetime | None:
    """An RFC 3339 time of the query; raises InvalidInput."""
    if text is None:
        return None
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper())
    except ValueError:
        message = "This is no RFC 3339 time, such as 2026-01-31T00:00:00Z."
        raise InvalidInput(message, loc=("query", name), code="invalid_time") from None
