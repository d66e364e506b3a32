"""Why an answer failed, as it is stored, and as the error that it was: whoever follows it later is told the same."""

import re

from shared_code import errors

from .models import Failure

# The nearest class counts, so the order does not matter.
_KINDS: dict[str, type[errors.LydianError]] = {
    "invalid_request": errors.InvalidRequest,
    "invalid_input": errors.InvalidInput,
    "forbidden": errors.Forbidden,
    "not_found": errors.NotFound,
    "conflict": errors.Conflict,
    "too_large": errors.TooLarge,
    "rate_limited": errors.RateLimited,
    "upstream_failed": errors.UpstreamFailed,
    "upstream_timeout": errors.UpstreamTimeout,
    "unavailable": errors.Unavailable,
    "not_configured": errors.NotConfigured,
    "error": errors.LydianError,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
MAX_DETAIL, MAX_CODE = 2000, 64
NO_BUDGET = "insufficient_quota"
_NO_WORD = re.compile(r"[^A-Za-z0-9_.:-]+")

INTERRUPTED = Failure("unavailable", "answer_interrupted", "The server that wrote this answer stopped; this is the text so far.")
INTERNAL = Failure("error", "internal_error", "Something went wrong on our side.")


def to_failure(error: BaseException) -> Failure:
    """What is stored of an error; nothing but that there was one, if it is none that a caller may be told about."""
    if not isinstance(error, errors.LydianError):
        return INTERNAL
    kind = next(_NAMES[each] for each in type(error).__mro__ if each in _NAMES)
    code = _NO_WORD.sub("_", error.code)[:MAX_CODE]  # a provider's may be any text; an import takes words (``import_schemas.py``)
    return Failure(kind, code, error.message[:MAX_DETAIL])


def to_error(failure: Failure) -> errors.LydianError:
    """The error again. ``retry_after`` is not kept: by now nobody knows it; but a budget is not there again in a second."""
    match _KINDS.get(failure.kind, errors.LydianError):
        case errors.RateLimited:
            return errors.RateLimited(failure.detail, retry_after=3600 if failure.code == NO_BUDGET else 1, code=failure.code)
        case errors.InvalidInput:
            return errors.InvalidInput(failure.detail, code=failure.code)
        case kind:
            return kind(failure.detail, code=failure.code)
