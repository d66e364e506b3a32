"""Circuit breakers: a model that keeps failing is left alone for a while, so that its requests go to its fallbacks at once.

Each instance has its own, in memory: they only save time, and an instance that learns by itself is wrong for seconds at most.
"""

from collections.abc import Callable
from dataclasses import dataclass

OPENS_AFTER = 5
"""Requests in a row that it failed, however often each was tried: one caller's two requests are no reason."""
FIRST, LONGEST = 5.0, 60.0
"""Seconds of the first pause, doubled with each trial that fails, and of the longest."""
TRIAL = 30.0
"""Seconds after which a trial that has not come back is taken for lost."""


@dataclass(slots=True)
class _State:
    failures: int = 0
    closed_until: float = 0.0
    pause: float = FIRST


class Breakers:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._states: dict[str, _State] = {}

    def allows(self, name: str) -> bool:
        """Whether to ask this model now. When its pause is over, one request is let through as a trial."""
        state = self._states.get(name)
        if state is None or not state.closed_until:
            return True
        if self._now() < state.closed_until:
            return False
        state.closed_until = self._now() + TRIAL
        return True

    def wait(self, name: str) -> float:
        """Seconds until it is asked again."""
        state = self._states.get(name)
        return max(0.0, state.closed_until - self._now()) if state else 0.0

    def good(self, name: str) -> None:
        self._states.pop(name, None)

    def bad(self, name: str) -> None:
        state = self._states.setdefault(name, _State())
        state.failures += 1
        if state.failures >= OPENS_AFTER:
            state.closed_until = self._now() + state.pause
            state.pause = min(2 * state.pause, LONGEST)

    def rest(self, name: str, seconds: float) -> None:
        """The provider itself says when to come again."""
        state = self._states.setdefault(name, _State())
        state.closed_until = max(state.closed_until, self._now() + min(seconds, LONGEST))
