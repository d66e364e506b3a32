"""Our own requests of the Table service: why not the SDK's, see ``docs/decisions/0004-lean-table-requests.md``."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from io import BytesIO
from random import uniform
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import ClientConnectorError, ClientError, ClientTimeout, ConnectionTimeoutError
from yarl import URL

from ..errors import StorageUnavailable
from .azure_table_codec import ACCEPT, Part

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from .azure_table_auth import TableAccount

VERSION = "2019-02-02"
"""As azure-data-tables sends it; what came later adds nothing to these requests."""
PAUSES = (0.1, 0.4)
"""Seconds between the three tries, each ± a half."""
PATIENCE = 5.0
"""Seconds after which no further try begins."""
_TRIED_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class Answer(NamedTuple):
    """``parts`` are a batch's, one for each operation that succeeded."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    parts: Sequence[Part] = ()


def _as_it_is(answer: Answer) -> Answer:
    return answer


class TableRequests:
    """Requests over one session. ``connect`` and ``read`` are timeouts in seconds."""

    def __init__(self, session: "ClientSession", account: "TableAccount", *, connect: float, read: float) -> None:
        self._session = session
        self._account = account
        self._timeout = ClientTimeout(total=None, sock_connect=connect, sock_read=read)
        self.url = account.origin + account.path

    async def send(
        self,
        method: str,
        path: str,
        query: str = "",
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        unwrap: Callable[[Answer], Answer] = _as_it_is,
    ) -> Answer:
        """The service's answer, whatever its status, once it is none of passing trouble (408, 429, 5xx).

        Tried up to three times. What reached no server, and what a server refused for now, is always tried again; an answer
        lost on its way only if the request is ``repeatable`` (though aiohttp by itself repeats GET, PUT and DELETE once); a
        silent server (read timeout) never, since that would hold the caller for minutes. ``unwrap`` finds the answer that
        counts within the answer. A redirect is not followed.
        ``StorageUnavailable`` when nothing helped: never with the URL in it, which may hold a signature or a person's name.
        """
        deadline, reason = monotonic() + PATIENCE, ""
        for pause in (*PAUSES, None):
            try:
                answer = unwrap(await self._once(method, path, query, body, headers or {}))
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
                    return answer
                reason = f"status {answer.status}"
            if pause is None or monotonic() > deadline:
                break
            await asyncio.sleep(pause * uniform(0.5, 1.5))
        raise StorageUnavailable("The table storage does not answer.") from ConnectionError(reason)

    async def _once(self, method: str, path: str, query: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        account = self._account
        authorization = account.authorization
        path, date = account.path + path, formatdate(usegmt=True)
        signature = await authorization.header(method, path, headers.get("Content-Type", ""), date)
        sent = {**_ALWAYS, **headers, "x-ms-date": date}
        if signature is not None:
            sent["Authorization"] = signature
        whole = "&".join(filter(None, (query, authorization.query)))
        url = URL(f"{account.origin}{path}?{whole}" if whole else account.origin + path, encoded=True)
        async with self._session.request(
            method, url, data=_data(body), headers=sent, timeout=self._timeout, allow_redirects=False
        ) as response:
            answer = Answer(response.status, response.headers, await response.read())
        if answer.status == 401:
            authorization.refused()
        return answer


def _data(body: bytes) -> bytes | BytesIO | None:
    # A large body is written piece by piece: all at once it would block the loop.
    return BytesIO(body) if len(body) > _LARGE else body or None


_LARGE = 1024 * 1024
_ALWAYS = {
    "Accept": ACCEPT,
    "Accept-Encoding": "identity",  # the session does not unpack
    "DataServiceVersion": "3.0",
    "User-Agent": "lydian",
    "x-ms-version": VERSION,
}
