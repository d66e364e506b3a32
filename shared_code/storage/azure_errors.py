"""What the SDK raises → what the ports promise. Nothing of the SDK leaves the adapters."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from azure.core.exceptions import AzureError, HttpResponseError

from ..errors import StorageUnavailable
from .ports import AlreadyExists, EtagMismatch, Missing, StorageError

T = TypeVar("T")

_NOT_CREATED = frozenset({"ContainerNotFound", "TableNotFound", "QueueNotFound"})
_BEING_DELETED = frozenset({"ContainerBeingDeleted", "TableBeingDeleted", "QueueBeingDeleted"})
_REFUSED = frozenset({401, 403})
_OVERLOADED = frozenset({408, 429})
_PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds between tries to create what is still being deleted (Azure takes 30 s or more; a caller doesn't wait so long)."""


def code_of(error: HttpResponseError) -> str:
    """The service's error code; from the header when the SDK found none in the body (tables under Azurite)."""
    code = getattr(error, "error_code", None)
    if code is None and error.response is not None:
        code = error.response.headers.get("x-ms-error-code")  # type: ignore[attr-defined]  # every transport's response has headers
    return str(getattr(code, "value", code) or "")


def translate(error: AzureError, service: str) -> Exception:
    """The port's exception for the SDK's."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status in _REFUSED:
        # An operator's matter: to a caller, storage is away.
        return StorageUnavailable(f"The {service} storage refuses this app's credentials.")
    if status is None or status >= 500 or status in _OVERLOADED:
        return StorageUnavailable(f"The {service} storage does not answer.")
    assert isinstance(error, HttpResponseError)
    code, index = code_of(error), int(getattr(error, "index", 0) or 0)
    if code in _BEING_DELETED:
        return StorageUnavailable(f"The {service} storage is still deleting what was there.", retry_after=30)
    if code == "ConditionNotMet" or status == 412:
        return EtagMismatch(index)
    if status == 404 or code == "InvalidBlockList":
        return Missing(index)
    if status == 409:
        return AlreadyExists(index)
    return StorageError(f"{service} storage answered {status} {code}")


class Translating:
    """``with Translating("blob"): …``: a class, since a generator would cost five times as much on every call."""

    __slots__ = ("_service",)

    def __init__(self, service: str) -> None:
        self._service = service

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, AzureError):
            raise translate(error, self._service) from error


async def creating(attempt: Callable[[], Awaitable[T]], create_it: Callable[[], Awaitable[object]]) -> T:
    """Carry out a write; when its container, table or queue is not there, create that and carry it out again.

    Raises the SDK's exceptions: use within ``Translating``.
    """
    try:
        return await attempt()
    except HttpResponseError as error:
        if code_of(error) not in _NOT_CREATED | _BEING_DELETED:
            raise
    await create(create_it)
    return await attempt()


async def create(create_it: Callable[[], Awaitable[object]]) -> None:
    for pause in (*_PAUSES, None):
        try:
            await create_it()
            return
        except HttpResponseError as error:
            if error.status_code != 409:
                raise
            if code_of(error) not in _BEING_DELETED:
                return  # another caller created it
            if pause is None:
                raise
            await asyncio.sleep(pause)
