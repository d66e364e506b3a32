"""Who answers: the model asked for, tried again where that may help, then its fallbacks. Nothing has gone to the client yet."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from shared_code import errors
from shared_code.errors import LydianError, Unavailable, UpstreamFailed, UpstreamTimeout

from .beginning import begun
from .breaker import Breakers
from .models import Model
from .ports import Answer, NoAnswer, Refusal, Upstream
from .requests import Request

log = structlog.get_logger("lydian.ai")

TRIES = 3
"""Of one model."""
PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds before the second try, doubled each time; who asks to wait longer than the longest is left for its fallback."""
UNASKED_AFTER = 3
_AGAIN = (408, 409, 429)
_OURS = (401, 403, 404)
"""About our key, or a deployment that is not there: nothing that the caller could mend."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. Azure's front end ends a request that sends nothing for 230 s, the function's own time is ten minutes."""

    stream: float = 100.0
    """Until an attempt's stream begins."""
    plain: float = 210.0
    """Until an attempt's whole answer is made."""
    first: float = 10.0
    """Until a stream that has begun must have said something, to be given up for another if it breaks off before. Those that think for
    longer are believed: the client's stream begins then, with comments in place of text."""
    begin: float = 220.0
    """For all attempts together."""
    whole: float = 570.0
    """From the request until its stream must have ended; a hold outlasts it (``reckoning.HOLD``)."""


class Attempts:
    def __init__(
        self, upstream: Upstream, breakers: Breakers, *, timeouts: Timeouts | None = None, pause: float = PAUSE, tries: int = TRIES
    ) -> None:
        self._upstream, self._breakers, self._pause, self._tries = upstream, breakers, pause, tries
        self.timeouts = timeouts or Timeouts()
        self._unasked = Counter[str]()
        """How often in a row a model's server has refused to be asked for a stream's usage (Mistral's does, and tells it anyway)."""

    async def open(self, request: Request, candidates: Sequence[Model], trying: Callable[[Model], None]) -> tuple[Model, Answer]:
        """The first that answers, and its answer. ``trying`` is told whom each attempt asks. Raises what the last failure comes to:
        the provider's own refusal, or UpstreamFailed, UpstreamTimeout, RateLimited and Unavailable."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeouts.begin
        failure: LydianError | None = None
        for model in candidates:
            if not self._breakers.allows(model.name):
                continue
            asks = request.adds_usage and self._unasked.get(model.name, 0) < UNASKED_AFTER
            body = request.bytes_for(model, fallback=model is not candidates[0], usage=asks)
            pause: float | None = 0.0
            bad = False
            for attempt in range(self._tries):
                left = deadline - loop.time()
                if attempt and (pause is None or pause >= left):
                    break
                if attempt:
                    await asyncio.sleep(pause or 0)
                if left <= 0:
                    break
                trying(model)
                limit = self.timeouts.stream if request.stream else self.timeouts.plain
                try:
                    answer: Answer = await self._upstream.send(model, request.operation, body, within=min(limit, left))
                    if request.stream:
                        answer = await begun(answer, min(self.timeouts.first, left))
                except (Refusal, NoAnswer, LydianError) as error:
                    failure = to_domain(error)
                    if not bad and _is_its_fault(error):
                        bad = True
                        self._breakers.bad(model.name)
                    pause = self._judged(model, error, attempt)
                    log.warning("ai_attempt_failed", model=model.name, attempt=attempt + 1, reason=str(error))
                    if asks and isinstance(error, Refusal) and error.names_usage and error.status in (400, 422):
                        # The caller has not asked for what is refused.
                        asks, pause = False, 0.0
                        self._unasked[model.name] += 1
                        body = request.bytes_for(model, fallback=model is not candidates[0], usage=False)
                        continue
                    if isinstance(error, Refusal) and not _elsewhere(error):
                        raise failure from None
                    continue
                self._breakers.good(model.name)
                if asks:
                    self._unasked.pop(model.name, None)  # some refuse it for some requests only: Azure, with data of one's own
                return model, answer
        if failure is None:
            wait = min(self._breakers.wait(model.name) for model in candidates)
            failure = Unavailable("The model's provider is failing; it is being left alone.", retry_after=max(1, round(wait)))
        raise failure

    def _judged(self, model: Model, error: Exception, attempt: int) -> float | None:
        """Seconds to wait before the same model is tried again, None: it is not. The breaker is told of what is no failure of the
        model's, and of how long it asks to be left alone."""
        backoff: float = self._pause * 2**attempt * random.uniform(0.5, 1)
        if isinstance(error, NoAnswer):
            return None if error.timed_out else backoff
        if not isinstance(error, Refusal):
            return None
        if error.status != 429 and not _is_its_fault(error):
            self._breakers.good(model.name)  # it answers, if not to this caller's liking
        if not _again(error):
            return None
        asked = error.retry_after
        if asked is not None and asked > LONGEST_PAUSE:
            self._breakers.rest(model.name, asked)
            return None
        # A little more than was asked: whoever was refused at the same moment comes again at the same moment.
        return backoff if asked is None else asked + backoff


def _is_its_fault(error: Exception) -> bool:
    """Whether it speaks against the model, and not against this request or the pace of all."""
    if isinstance(error, Refusal):
        return error.status in _OURS or (error.status != 429 and _again(error))
    return isinstance(error, NoAnswer)


def _again(refusal: Refusal) -> bool:
    return (refusal.status in _AGAIN or refusal.status >= 500) and refusal.code != "insufficient_quota"


def _elsewhere(refusal: Refusal) -> bool:
    """Whether another model may answer what this one refused."""
    return refusal.status in (*_AGAIN, *_OURS) or refusal.status >= 500


def to_domain(error: Exception) -> LydianError:
    """What an attempt's failure is to the caller. A provider's refusal keeps its status, where that is about the request, and its own
    words in ``extra["error"]``."""
    if isinstance(error, LydianError):
        return error
    if isinstance(error, NoAnswer):
        kind = UpstreamTimeout if error.timed_out else UpstreamFailed
        return kind(f"The model's provider gave no whole answer: {error}.")
    assert isinstance(error, Refusal)
    status, code = error.status, error.code
    if status in _OURS:
        log.error("ai_provider_refuses_us", status=status, code=code)
        return UpstreamFailed(f"The model's provider refuses the gateway itself ({status}).")
    if code == "insufficient_quota":  # the provider's account, which is no budget of the caller's
        log.error("ai_provider_quota_exhausted", status=status)
        return UpstreamFailed("The gateway's own quota with the model's provider is used up.", code="upstream_quota_exhausted")
    message = str(error.error.get("message") or f"The model's provider answers {status}.")
    wait = max(1, round(error.retry_after or 1))
    extra = {"error": dict(error.error)} if error.error else {}
    refused: LydianError
    match status:
        case 429:
            refused = errors.RateLimited(message, retry_after=wait, code=code or "rate_limit_exceeded")
            refused.extra.update(extra)
            return refused
        case 409:
            return errors.Conflict(message, code=code, extra=extra)
        case 413:
            return errors.TooLarge(message, code=code, extra=extra)
        case 415:
            return errors.UnsupportedType(message, code=code, extra=extra)
        case 422:
            refused = errors.InvalidInput(message, code=code or None)
            refused.extra.update(extra)
            return refused
        case 408 | 504:
            refused = UpstreamTimeout(message, retry_after=wait)
        case 503:
            refused = Unavailable(message, retry_after=wait, code=code or "upstream_unavailable")
        case _ if status >= 500 or status < 400:
            refused = UpstreamFailed(message, retry_after=wait)
        case _:
            return errors.InvalidRequest(message, code=code, extra=extra)
    refused.extra.update(extra)
    return refused
