"""Timers and queue and blob triggers as spans: without one, each call of storage that they make would be a trace of its own."""

import functools
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import azure.functions as func

Function = Callable[..., Awaitable[None]]


class JobTracing(Protocol):
    def job(self, name: str, trigger: str) -> AbstractContextManager[None]: ...


class TracedApp(func.FunctionApp):
    """A FunctionApp whose jobs run within spans. Their signatures stay what they were: the worker reads them."""

    def __init__(self, tracing: JobTracing, **options: Any) -> None:
        super().__init__(**options)
        self._tracing = tracing

    def timer_trigger(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        return self._within("timer", super().timer_trigger(*arguments, **options))

    def queue_trigger(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        return self._within("pubsub", super().queue_trigger(*arguments, **options))

    def blob_trigger(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        return self._within("datasource", super().blob_trigger(*arguments, **options))

    def _within(self, trigger: str, declare: Callable[..., Any]) -> Callable[..., Any]:
        def decorate(function: Function) -> Any:
            @functools.wraps(function)
            async def job(*arguments: Any, **named: Any) -> None:
                with self._tracing.job(function.__name__, trigger):
                    await function(*arguments, **named)

            return declare(job)

        return decorate
