"""Domain errors: a code and a sentence for people, nothing about HTTP.

``web/problems.py`` maps each class (by method resolution order) to a status; a service therefore adds a class here only
when no existing one means the same to the caller.
"""

from collections.abc import Mapping
from typing import Any


class LydianError(Exception):
    """Base of every error that a caller may be told about.

    ``code`` is the stable slug of the answer, ``message`` is safe to show, ``extra`` becomes further problem members.
    """

    code = "error"

    def __init__(self, message: str = "", *, code: str | None = None, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.extra = dict(extra or {})


class InvalidRequest(LydianError):
    """The request cannot be understood at all."""

    code = "invalid_request"


class InvalidCursor(InvalidRequest):
    code = "invalid_cursor"


class InvalidInput(LydianError):
    """Understood, but a value breaks a rule. ``errors`` has the members ``loc``, ``msg`` and ``type``."""

    code = "validation_failed"

    def __init__(self, message: str, *, loc: tuple[str | int, ...] = (), code: str | None = None) -> None:
        code = code or type(self).code
        super().__init__(message, code=code, extra={"errors": [{"loc": list(loc), "msg": message, "type": code}]})


class Unauthenticated(LydianError):
    code = "unauthenticated"


class Forbidden(LydianError):
    code = "forbidden"


class NotFound(LydianError):
    """Missing, or another user's: the two are told apart nowhere."""

    code = "not_found"


class Gone(LydianError):
    code = "gone"


class Conflict(LydianError):
    code = "conflict"


class InProgress(Conflict):
    """The first request of several that are one is still running, or died a moment ago; ``retry_after`` is in seconds."""

    code = "idempotency_in_progress"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PreconditionFailed(LydianError):
    code = "precondition_failed"


class TooLarge(LydianError):
    code = "payload_too_large"


class UnsupportedType(LydianError):
    code = "unsupported_type"


class RangeNotSatisfiable(LydianError):
    """``size`` is the length of the representation in bytes."""

    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"No byte of the range exists: the length is {size}.")
        self.size = size


class RateLimited(LydianError):
    """``retry_after`` and ``reset`` (when the limit counts from nothing again) are in whole seconds; ``limit`` is how many
    were allowed, ``remaining`` how many still are."""

    code = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        retry_after: int,
        code: str | None = None,
        limit: int | None = None,
        remaining: int = 0,
        reset: int | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after, self.limit, self.remaining = retry_after, limit, remaining
        self.reset = retry_after if reset is None else reset


class BudgetExceeded(RateLimited):
    """What is left of a budget does not cover the request's worst case; ``retry_after`` is the time until it begins anew."""

    code = "insufficient_quota"


class Unavailable(LydianError):
    """A dependency is down, or contention could not be won in time; trying again later may help."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 1, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"


class Busy(Unavailable):
    code = "busy"


class UpstreamFailed(Unavailable):
    """An outside system answered with a failure of its own, or could not be understood."""

    code = "upstream_failed"


class UpstreamTimeout(Unavailable):
    """An outside system did not answer in time, or not at all; whether it did what was asked is not known."""

    code = "upstream_timeout"


class PaymentDeclined(LydianError):
    """The payer's bank or the card said no; ``extra`` holds the ``decline_code``."""

    code = "card_declined"


class NotConfigured(LydianError):
    """The outside system of a service is not configured; ``code`` is ``<service>_not_configured``."""

    code = "not_configured"
