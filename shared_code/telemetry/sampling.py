"""Which traces are kept is decided here, and not by who calls."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, get_current_span
from opentelemetry.trace.span import TraceState

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes


class OwnDecision(Sampler):
    """The sampler that was asked for, as if each request began a trace. It goes on under its caller's id, but anybody on the internet may
    write that, and the flag behind it: whoever had the flag count could keep what they do out of our traces, or fill them, and who had the
    id count, with an id that every ratio takes (https://www.w3.org/TR/trace-context/#security-considerations). What belongs to a request is
    kept with it."""

    def __init__(self, asked_for: Sampler) -> None:
        self._asked_for = asked_for

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: "Attributes" = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        parent = get_current_span(parent_context).get_span_context()
        if parent.is_valid and parent.is_remote:
            found = self._asked_for.should_sample(Context(), random.getrandbits(128), name, kind, attributes, links, trace_state)
        else:
            found = self._asked_for.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if not parent.is_valid:
            return found
        decision = found.decision
        if not parent.is_remote:
            decision = Decision.RECORD_AND_SAMPLE if parent.trace_flags.sampled else Decision.DROP
        return SamplingResult(decision, found.attributes, parent.trace_state)

    def get_description(self) -> str:
        return f"OwnDecision{{{self._asked_for.get_description()}}}"
