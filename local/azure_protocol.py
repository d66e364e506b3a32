"""The messages between the Functions host and Microsoft's Python worker, as far as the worker's library needs them.

The library (PyPI `azure-functions-runtime`) takes the generated protobuf classes as a parameter and only makes objects,
reads attributes and asks for the set member of a oneof. Plain classes do that, so no gRPC is needed. Names and numbers
are those of azure-functions-language-worker-protobuf (FunctionRpc.proto).
"""

from types import SimpleNamespace
from typing import Any


class Message:
    """A message that holds just the fields it was made with: an unset field is no attribute."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update({name: value for name, value in fields.items() if value is not None})

    def WhichOneof(self, _group: str) -> str | None:  # protobuf's own name
        """The one field that is set; used on messages that consist of one oneof (TypedData)."""
        return next(iter(self.__dict__), None)


class ParameterBinding(Message):
    def WhichOneof(self, _group: str) -> str | None:  # protobuf's own name
        return "data"


class TypedData(Message):
    """A value with its type: json, string, http or model_binding_data."""


class StatusResult(Message):
    Failure, Success, Cancelled = 0, 1, 2


class BindingInfo(Message):
    out, inout = 1, 2  # `in` (0) is a keyword and never asked for
    undefined, string, binary, stream = 0, 1, 2, 3


class RpcRetryOptions(Message):
    exponential_backoff, fixed_delay = 0, 1


_PLAIN = (
    "FunctionEnvironmentReloadResponse FunctionLoadResponse FunctionMetadataResponse InvocationResponse RpcException"
    " RpcFunctionMetadata RpcHttp WorkerInitResponse WorkerMetadata"
)

protos = SimpleNamespace(
    ParameterBinding=ParameterBinding,
    TypedData=TypedData,
    StatusResult=StatusResult,
    BindingInfo=BindingInfo,
    RpcRetryOptions=RpcRetryOptions,
    **{name: type(name, (Message,), {}) for name in _PLAIN.split()},
)


def streaming_message(host: str, **request: Message) -> SimpleNamespace:
    """The envelope that the worker's coroutines take: one request, and what the worker's proxy adds to it."""
    return SimpleNamespace(request=SimpleNamespace(**request), properties={"host": host, "protos": protos})


def explain(result: Any) -> str:
    """The message and, if there is one, the stack of a result that is no success."""
    exception = getattr(result, "exception", None)
    message = getattr(exception, "message", "no reason given")
    stack = getattr(exception, "stack_trace", "")
    return f"{message}\n{stack}".rstrip()
