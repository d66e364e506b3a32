"""What an API key may do in a minute: requests, and tokens. Counted across instances by ``QuickLimiter``: without a storage call before
the answer, and as exact as that one is.

Tokens are counted when they are known, after a request; what is under way on this instance counts by its likely size. So the
window never admits a request once it is full, and may be exceeded by the answers of the requests that it admitted last.
"""

from collections import Counter

from shared_code.quick_limit import QuickLimiter
from shared_code.rate_limit import Rule

from .models import Spender

MINUTE = 60
REQUESTS, TOKENS = "ai_requests", "ai_tokens"


class KeyRates:
    def __init__(self, limiter: QuickLimiter) -> None:
        self._limiter = limiter
        self._under_way = Counter[str]()

    async def take(self, spender: Spender, tokens: int) -> int:
        """Let a request of about ``tokens`` in; return what it counts for while it runs. Raises RateLimited with ``retry_after``."""
        key_id, limits = spender.key_id, spender.limits
        if key_id is None or limits is None:
            return 0
        counted = 0
        if limits.tokens_per_minute is not None:
            rule = Rule(limits.tokens_per_minute, MINUTE)
            self._limiter.check(TOKENS, key_id, rule, self._under_way[key_id])
            counted = tokens
        if limits.requests_per_minute is not None:
            await self._limiter.take(REQUESTS, key_id, Rule(limits.requests_per_minute, MINUTE))
        if counted:
            self._under_way[key_id] += counted
        return counted

    def end(self, spender: Spender, counted: int, tokens: int) -> None:
        """The request is over; it took ``tokens``."""
        key_id, limits = spender.key_id, spender.limits
        if key_id is None or limits is None or limits.tokens_per_minute is None:
            return
        self._under_way[key_id] -= counted
        if self._under_way[key_id] <= 0:
            del self._under_way[key_id]
        self._limiter.count(TOKENS, key_id, Rule(limits.tokens_per_minute, MINUTE), tokens)
