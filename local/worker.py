"""The one interface behind which both workers stand: functions as the host sees them, and how to call them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from starlette.types import ASGIApp

ParamsOf = Callable[[str], dict[str, str]]
"""Reads the route parameters out of a path."""


@dataclass(frozen=True)
class Function:
    """A function as the host knows it: its name and its trigger's binding, in the camelCase of function.json."""

    name: str
    trigger: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """`httptrigger`, `timertrigger`, `queuetrigger`, `blobtrigger`, …"""
        return str(self.trigger["type"]).lower()


@dataclass(frozen=True)
class ModelBindingData:
    """A reference in place of content (the protocol's message of that name)."""

    content: bytes
    version: str = "1.0"
    source: str = "AzureStorageBlobs"
    content_type: str = "application/json"


@dataclass(frozen=True)
class TriggerData:
    """What fires a function: a value of one of the protocol's types, and metadata whose values are JSON texts."""

    type: Literal["json", "string", "model_binding_data"]
    value: str | ModelBindingData
    metadata: Mapping[str, str] = field(default_factory=dict)


class InvocationFailed(Exception):
    """The function raised. It is logged already; the host needs to know only that."""


class Worker(Protocol):
    """Runs the functions of one app."""

    async def start(self) -> list[Function]:
        """Index the app. Raises StartError, with the reason, if it can't be indexed."""

    def http_app(self, function: Function, params: ParamsOf) -> ASGIApp:
        """The ASGI app that answers requests of an HTTP function, streaming both ways."""

    async def invoke(self, function: Function, data: TriggerData) -> None:
        """Run a function that is not HTTP. Raises InvocationFailed."""

    async def stop(self) -> None:
        """Let go of everything; called once."""


def trigger_of(name: str, raw_bindings: list[str]) -> Function:
    """Find the trigger among a function's bindings. Raises ValueError for bindings that the stand-in does not speak."""
    bindings = [json.loads(raw) for raw in raw_bindings]
    triggers = [binding for binding in bindings if str(binding["type"]).lower().endswith("trigger")]
    others = [binding["type"] for binding in bindings if binding not in triggers and binding.get("name") != "$return"]
    if len(triggers) != 1:
        raise ValueError(f"{name} has {len(triggers)} triggers")
    if others:
        raise ValueError(f"{name}: the local host has triggers only, no {', '.join(others)} binding")
    return Function(name, triggers[0])
