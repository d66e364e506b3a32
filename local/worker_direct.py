"""The direct worker: calls the app's functions in this process, on any supported Python.

What a function receives is decoded by the very converters that Microsoft's worker uses (azure-functions and
azurefunctions-extensions-base), and HTTP goes through the app's own web extension, as there.
"""

import asyncio
import functools
import importlib
import inspect
import logging
import os
import sys
import threading
import typing
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
from azure.functions import meta
from azurefunctions.extensions import base  # type: ignore[import-untyped]  # it ships no types
from starlette.types import ASGIApp

from .settings import StartError
from .worker import Function, InvocationFailed, ParamsOf, TriggerData, trigger_of

logger = logging.getLogger("local.worker")

_threads = threading.local()


class DirectContext(func.Context):
    """What a handler's `context: func.Context` receives."""

    def __init__(self, name: str, directory: str) -> None:
        self._name, self._directory = name, directory
        self._invocation_id = str(uuid.uuid4())

    @property
    def invocation_id(self) -> str:
        return self._invocation_id

    @property
    def function_name(self) -> str:
        return self._name

    @property
    def function_directory(self) -> str:
        return self._directory

    @property
    def thread_local_storage(self) -> Any:  # the base class says type[threading.local], and means an instance
        return _threads

    @property
    def trace_context(self) -> Any:
        return _NO_TRACE

    @property
    def retry_context(self) -> Any:
        return _NO_RETRY


# Requests of this host carry no distributed trace, and it has no retry policies.
_NO_TRACE = SimpleNamespace(trace_state="", trace_parent="", attributes={})
_NO_RETRY = SimpleNamespace(retry_count=0, max_retry_count=0, exception=None)


@dataclass(frozen=True)
class _Handler:
    """A user's function, made ready to be called."""

    call: Callable[..., Any]
    parameter: str
    annotation: Any
    wants_context: bool
    is_async: bool


class DirectWorker:
    def __init__(self, app_dir: Path) -> None:
        self._directory = app_dir
        self._handlers: dict[str, _Handler] = {}
        threads = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
        self._pool = ThreadPoolExecutor(int(threads) if threads else None, thread_name_prefix="function")

    async def start(self) -> list[Function]:
        functions = []
        for listed in import_function_app().get_functions():  # can be called once only: a second call raises
            name = str(listed.get_function_name())
            try:
                function = trigger_of(name, listed.get_raw_bindings())
                self._handlers[name] = read_handler(function, listed.get_user_function())
            except (ValueError, TypeError) as error:
                raise StartError(f"function {name} can't be served: {error}") from error
            functions.append(function)
        if any(function.kind == "httptrigger" for function in functions):
            _web_extension()
        return functions

    def http_app(self, function: Function, params: ParamsOf) -> ASGIApp:  # the extension ignores them
        app = _web_extension().WebApp()
        app.route(self._endpoint(function.name))
        asgi: ASGIApp = app.get_app()
        return asgi

    def _endpoint(self, name: str) -> Callable[..., Any]:
        handler = self._handlers[name]
        if handler.is_async and not handler.wants_context:
            return handler.call  # nothing at all stands between the extension and the function

        async def endpoint(request: Any) -> Any:
            return await self._run(name, handler, request)

        return endpoint

    async def invoke(self, function: Function, data: TriggerData) -> None:
        handler = self._handlers[function.name]
        try:
            result = await self._run(function.name, handler, decode(function, data, handler.annotation))
        except Exception as error:
            logger.exception("%s failed", function.name)
            raise InvocationFailed(str(error)) from error
        if result is not None:
            logger.error("%s returned a value but has no $return binding: Azure fails that", function.name)
            raise InvocationFailed(function.name)

    async def _run(self, name: str, handler: _Handler, value: Any) -> Any:
        arguments = {handler.parameter: value}
        if handler.wants_context:
            arguments["context"] = DirectContext(name, str(self._directory))
        if handler.is_async:
            return await handler.call(**arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, functools.partial(handler.call, **arguments))

    async def stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def import_function_app() -> func.FunctionRegister:
    """The one FunctionApp of function_app.py, found as Microsoft's worker finds it. Raises StartError."""
    sys.path_importer_cache.clear()
    try:
        module = importlib.import_module(os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py").removesuffix(".py"))
    except Exception as error:
        logger.exception("function_app.py can't be imported")
        raise StartError(f"function_app.py can't be imported: {type(error).__name__}: {error}") from error
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(apps) != 1:
        raise StartError(f"function_app.py must hold exactly one FunctionApp at module level, and holds {len(apps)}")
    return apps[0]


def read_handler(function: Function, call: Callable[..., Any]) -> _Handler:
    """Check a function's parameters against its trigger. Raises ValueError for what Microsoft's worker refuses too."""
    parameter = str(function.trigger["name"])
    parameters = dict(inspect.signature(call).parameters)
    wants_context = parameter != "context" and parameters.pop("context", None) is not None
    if set(parameters) != {parameter}:
        raise ValueError(f"its parameters are {sorted(parameters)}, its trigger's name is {parameter!r}")
    annotation = typing.get_type_hints(call).get(parameter)
    if function.kind == "blobtrigger" and not base.get_binding_registry().check_supported_type(annotation):
        raise ValueError("a blob trigger's parameter must be an SDK type (deferred binding), so that no bytes travel")
    return _Handler(call, parameter, annotation, wants_context, inspect.iscoroutinefunction(call))


def decode(function: Function, data: TriggerData, annotation: Any) -> Any:
    """Make a handler's argument of what fires it, by the converter that the binding's package registered."""
    binding = str(function.trigger["type"])
    if data.type == "model_binding_data":
        deferred = base.get_binding_registry().get(binding)
        return deferred.decode(base.Datum(data.value, data.type), trigger_metadata={}, pytype=annotation)
    registry: Any = func.get_binding_registry  # untyped in the package
    converter = registry().get(binding)
    if converter is None:
        raise InvocationFailed(f"no converter for {binding}")
    metadata = {name: meta.Datum(value, "json") for name, value in data.metadata.items()}
    return converter.decode(meta.Datum(data.value, data.type), trigger_metadata=metadata)


def _web_extension() -> Any:
    """The module with the app's WebApp: the one that registered itself with the base package when it was imported."""
    name = base.ModuleTrackerMeta.get_module()
    if name is None:
        raise StartError("the app imports no web extension (a subclass of azurefunctions.extensions.base.WebApp)")
    return sys.modules[name]
