"""What the SDK raises → what the ports promise. Nothing of the SDK leaves the adapters."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from azure.core.exceptions import AzureError, HttpResponseError

from .azure_faults import BEING_DELETED, NOT_CREATED, fault

T = TypeVar("T")

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
    if not isinstance(error, HttpResponseError):
        return fault(service, None)
    return fault(service, error.status_code, code_of(error))


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
        if code_of(error) not in NOT_CREATED | BEING_DELETED:
            raise
    await create(create_it)
    return await attempt()


async def create(create_it: Callable[[], Awaitable[object]]) -> None:
    for pause in (*_PAUSES, None):
        try:
            await create_it()
            return
        except HttpResponseError as error:
            # Of a queue that is there the service says 204, which its SDK raises as an error all the same.
            if error.status_code not in (204, 409):
                raise
            if code_of(error) not in BEING_DELETED:
                return  # another caller created it
            if pause is None:
                raise
            await asyncio.sleep(pause)
