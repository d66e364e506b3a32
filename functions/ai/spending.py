"""Who pays for a request."""

from shared_code.ai.models import KeyLimits, Spender
from shared_code.web.callers import Caller


def spender(caller: Caller) -> Spender:
    """The caller, with the limits of their API key, if it has any."""
    return Spender(caller.user_id, caller.key_id, KeyLimits.of(caller.ai) if caller.ai is not None else None)
