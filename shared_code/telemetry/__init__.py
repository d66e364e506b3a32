"""Traces, metrics and logs for whoever collects them. Nothing of OpenTelemetry is imported until a setting asks for it.

Whoever calls another system does so within ``dependency(…)``, which costs a microsecond while nobody listens.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

Attribute = str | int | float | bool


class Span(Protocol):
    """What happens now. Attributes must hold nothing secret and nothing that names a person: no URL, no path, no query."""

    def set(self, attributes: Mapping[str, Attribute]) -> None: ...


class Tracing(Protocol):
    def dependency(self, system: str, operation: str, attributes: Mapping[str, Attribute]) -> AbstractContextManager[Span]: ...


class _Silent:
    """A span for nobody; one serves all."""

    def __enter__(self) -> "_Silent":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        return None

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Nobody listens."""


_silent = _Silent()
_nothing: Mapping[str, Attribute] = {}
_tracing: Tracing | None = None


def listen(tracing: Tracing | None) -> None:
    """From now on, for the process: ``setup`` calls it once, and tests take it back."""
    global _tracing
    _tracing = tracing


def dependency(system: str, operation: str, attributes: Mapping[str, Attribute] = _nothing) -> AbstractContextManager[Span]:
    """A call of another system: ``with dependency("table", "GET"):``. An exception that leaves it marks it as failed, by its class
    alone. Their traces end there: no trace context is sent to Stripe or to a model's provider."""
    return _silent if _tracing is None else _tracing.dependency(system, operation, attributes)
