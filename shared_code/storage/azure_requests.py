"""What our own requests of storage share: an answer, when a request is tried again, and how a large body is sent."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from io import BytesIO
from random import uniform
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import ClientConnectorError, ClientError, ConnectionTimeoutError

from .. import telemetry
from ..errors import StorageUnavailable

if TYPE_CHECKING:
    from .azure_table_codec import Part

PAUSES = (0.1, 0.4)
"""Seconds between the three tries, each ± a half."""
PATIENCE = 5.0
"""Seconds after which no further try begins."""
_TRIED_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_LARGE = 1024 * 1024


class Answer(NamedTuple):
    """``parts`` are a batch's, one for each operation that succeeded."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    parts: Sequence["Part"] = ()


async def tried(service: str, once: Callable[[], Awaitable[Answer]], *, repeatable: bool, method: str = "", place: str = "") -> Answer:
    """The service's answer, whatever its status, once it is none of passing trouble (408, 429, 5xx).

    Tried up to three times. What reached no server, and what a server refused for now, is always tried again; an answer
    lost on its way only if the request is ``repeatable`` (though aiohttp by itself repeats GET, PUT and DELETE once); a
    silent server (read timeout) never, since that would hold the caller for minutes.
    ``StorageUnavailable`` when nothing helped: never with the URL in it, which may hold a signature or a person's name.
    ``place``: the table or the container, for traces; never more of the path.
    """
    with telemetry.dependency(service, method) as span:
        answer, tries = await _tried(service, once, repeatable)
        span.set({"http.response.status_code": answer.status, "lydian.place": place, "http.request.resend_count": tries - 1})
        return answer


async def _tried(service: str, once: Callable[[], Awaitable[Answer]], repeatable: bool) -> tuple[Answer, int]:
    deadline, reason = monotonic() + PATIENCE, ""
    for number, pause in enumerate((*PAUSES, None), 1):
        try:
            answer = await once()
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            reason = type(error).__name__
        except TimeoutError as error:
            reason = type(error).__name__
            break
        except ClientError as error:
            reason = type(error).__name__
            if not repeatable:
                break
        else:
            if answer.status not in _TRIED_AGAIN:
                return answer, number
            reason = f"status {answer.status}"
        if pause is None or monotonic() > deadline:
            break
        await asyncio.sleep(pause * uniform(0.5, 1.5))
    raise StorageUnavailable(f"The {service} storage does not answer.") from ConnectionError(reason)


def body_data(body: bytes) -> bytes | BytesIO | None:
    """What aiohttp is given: a large body is written piece by piece, since all at once it would block the loop."""
    return BytesIO(body) if len(body) > _LARGE else body or None
