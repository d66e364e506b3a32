"""Requests and what they call as OpenTelemetry spans, and ``http.server.request.duration``, both as its conventions have them
(https://opentelemetry.io/docs/specs/semconv/http/)."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.metrics import Meter
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from . import Attribute

BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_W3C = TraceContextTextMapPropagator()


class _Dependency:
    def __init__(self, span: Span) -> None:
        self._span = span

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        self._span.set_attributes(attributes)


class OpenTelemetry:
    """``telemetry.Tracing`` and ``web.context.Tracing``. ``salt`` keys the hash that stands for a user: the same for all apps of a
    deployment, and an operator who knows a user's id can compute it. Ids hold 80 random bits, so that nobody can try them all."""

    def __init__(self, tracer: Tracer, meter: Meter, salt: str) -> None:
        self._tracer, self._salt = tracer, salt.encode()
        self._duration = meter.create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=BOUNDARIES,
        )

    @contextmanager
    def request(self, headers: list[tuple[bytes, bytes]], state: dict[str, Any]) -> Iterator[None]:
        """The span of a request. Azure's host has one of its own for it, and says so: then ours is a part of that one, linked to the
        caller's where the host does not continue it. Else ours continues the caller's trace."""
        known = {name: value.decode("latin-1") for name, value in headers if name in _WANTED}
        host = state.get("host_trace")
        theirs = _context(known.get(b"traceparent"), known.get(b"tracestate"))
        parent = _context(*host) if host else theirs
        links = []
        if host and theirs is not None:
            caller = trace.get_current_span(theirs).get_span_context()
            if parent is None or caller.trace_id != trace.get_current_span(parent).get_span_context().trace_id:
                links.append(Link(caller))
        with self._tracer.start_as_current_span(
            "request",
            context=parent,
            kind=SpanKind.INTERNAL if host else SpanKind.SERVER,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            state["trace_id"] = trace.format_trace_id(span.get_span_context().trace_id)
            invocation = state.get("invocation_id") or known.get(b"x-ms-invocation-id")
            if invocation:
                span.set_attribute("faas.invocation_id", invocation[:64])
            yield

    def answered(
        self, *, function: str | None, route: str | None, method: str, status: int, seconds: float, request_id: str, user_id: str | None
    ) -> None:
        """What is known of the current request at its end. A method that nobody knows is ``_OTHER``, as the conventions ask."""
        method = method if method in _METHODS else "_OTHER"
        of_http: dict[str, Attribute] = {"http.request.method": method, "http.response.status_code": status}
        if route is not None:
            of_http["http.route"] = route
        span = trace.get_current_span()
        if span.is_recording():
            span.update_name(function or f"{method} unknown")
            span.set_attributes(of_http)
            span.set_attribute("lydian.request_id", request_id)
            span.set_attribute("faas.name", function or "zz_fallback")
            if user_id is not None:
                span.set_attribute("enduser.pseudo.id", self.pseudonym(user_id))
            if status >= 500:
                span.set_attribute("error.type", str(status))
                span.set_status(Status(StatusCode.ERROR))
        self._duration.record(seconds, of_http)

    @contextmanager
    def job(self, name: str, trigger: str) -> Iterator[None]:
        """The span of a timer's run, or of a message's or blob's. ``trigger``: in the conventions' words."""
        with self._tracer.start_as_current_span(
            name, attributes={"faas.name": name, "faas.trigger": trigger}, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                _failed(span, error)
                raise

    def pseudonym(self, user_id: str) -> str:
        return hmac.digest(self._salt, user_id.encode(), hashlib.sha256).hex()[:32]

    @contextmanager
    def dependency(self, system: str, operation: str, attributes: Mapping[str, Attribute]) -> Iterator[_Dependency]:
        """A call's span, within a request's or a job's. What a process does by the clock belongs to neither: each of its calls would be a
        trace of its own, many a minute."""
        if not trace.get_current_span().get_span_context().is_valid:
            yield _Dependency(trace.INVALID_SPAN)
            return
        with self._tracer.start_as_current_span(
            f"{system} {operation}",
            kind=SpanKind.CLIENT,
            attributes={"peer.service": system, **attributes},
            record_exception=False,  # messages may hold what belongs to somebody
            set_status_on_exception=False,
        ) as span:
            try:
                yield _Dependency(span)
            except BaseException as error:
                _failed(span, error)
                raise


def _failed(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(Status(StatusCode.ERROR))


_WANTED = frozenset({b"traceparent", b"tracestate", b"x-ms-invocation-id"})
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})


def _context(traceparent: str | None, tracestate: str | None = None) -> Any:
    """The remote span that a header names; None for none, or one that is malformed."""
    if not traceparent:
        return None
    context = _W3C.extract({"traceparent": traceparent, "tracestate": tracestate or ""}, context=None)
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def correlation(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: log lines say which trace and span they belong to."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"], event["span_id"] = trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
    return event
