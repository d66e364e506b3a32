"""Stripe's errors as ours: by status, type, code and decline code (https://docs.stripe.com/api/errors).

The one place that translates them. It knows the wire, not the SDK's classes, so that it needs no SDK in memory.
"""

from typing import Any

import structlog

from shared_code.errors import (
    Conflict,
    InvalidInput,
    InvalidRequest,
    LydianError,
    NotFound,
    PaymentDeclined,
    RateLimited,
    UpstreamFailed,
    UpstreamTimeout,
)

log = structlog.get_logger("lydian.payments")

RETRY_AFTER = 5
"""Seconds to wait for a Stripe that is down; it names none itself."""
_LONGEST_MESSAGE = 500


def translate(error: Exception) -> LydianError:
    """What to raise in the place of the SDK's ``error``, or of what its HTTP client let through."""
    status, body = getattr(error, "http_status", None), getattr(error, "json_body", None)
    found = body.get("error") if isinstance(body, dict) else None
    details: dict[str, Any] = found if isinstance(found, dict) else {}
    request_id = getattr(error, "request_id", None)
    if status is None:
        return _unreachable(error)
    kind, code, message = str(details.get("type") or ""), details.get("code"), str(details.get("message") or "")[:_LONGEST_MESSAGE]
    code = code if isinstance(code, str) else None
    extra = {name: details[name] for name in ("decline_code", "param") if isinstance(details.get(name), str)}
    if status in (401, 403):
        # Never the message: it repeats parts of the key.
        log.error("stripe_refuses_our_key", status=status, code=code, stripe_request_id=request_id)
        return UpstreamFailed("Payments are not set up correctly on our side.", retry_after=60, code="payments_misconfigured")
    if status == 429:
        headers = getattr(error, "headers", None) or {}
        return RateLimited("Stripe takes no more requests right now.", retry_after=_seconds(headers), code="stripe_rate_limited")
    if status >= 500 or not details:
        log.warning("stripe_failed", status=status, code=code, stripe_request_id=request_id)
        return UpstreamFailed("Stripe failed to answer.", retry_after=RETRY_AFTER, code="stripe_failed")
    if kind == "card_error" or status == 402:
        return PaymentDeclined(message or "The card was declined.", code=code, extra=extra)
    if kind == "idempotency_error":
        message = "This Idempotency-Key was used with other values."
        return InvalidInput(message, loc=("header", "Idempotency-Key"), code="idempotency_key_reused")
    if code == "idempotency_key_in_use":
        return Conflict("The first request with this Idempotency-Key is still running.", code="idempotency_in_progress")
    if status == 409:
        return Conflict(message, code=code, extra=extra)
    if status == 404:
        return NotFound(message, code=code or "resource_missing", extra=extra)
    return InvalidRequest(message, code=code, extra=extra)


def timed_out() -> UpstreamTimeout:
    log.warning("stripe_timeout")
    return UpstreamTimeout("Stripe did not answer in time.", retry_after=RETRY_AFTER, code="stripe_timeout")


def _unreachable(error: Exception) -> LydianError:
    """No answer at all, or one that broke off. The HTTP client's exception is the cause of the SDK's."""
    cause = error.__cause__ or error
    log.warning("stripe_unreachable", reason=type(cause).__name__)
    if "Timeout" in type(cause).__name__:
        return timed_out()
    return UpstreamFailed("Stripe cannot be reached.", retry_after=RETRY_AFTER, code="stripe_unreachable")


def _seconds(headers: Any) -> int:
    given = str(headers.get("retry-after") or headers.get("Retry-After") or "")
    return min(int(given), 3600) if given.isascii() and given.isdigit() and len(given) < 6 else 1
