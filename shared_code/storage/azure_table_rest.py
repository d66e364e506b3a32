"""Our own requests of the Table service: why not the SDK's, see ``docs/decisions/0004-lean-table-requests.md``."""

from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import ClientTimeout
from yarl import URL

from .azure_requests import Answer, body_data, tried
from .azure_table_codec import ACCEPT

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from .azure_table_auth import TableAccount

VERSION = "2019-02-02"
"""As azure-data-tables sends it; what came later adds nothing to these requests."""


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
        """The service's answer, tried for as ``azure_requests.tried`` says; a redirect is not followed.

        ``unwrap`` finds the answer that counts within the answer.
        """

        async def once() -> Answer:
            return unwrap(await self._once(method, path, query, body, headers or {}))

        return await tried("table", once, repeatable=repeatable, method=method, place=path.lstrip("/").partition("(")[0])

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
            method, url, data=body_data(body), headers=sent, timeout=self._timeout, allow_redirects=False
        ) as response:
            answer = Answer(response.status, response.headers, await response.read())
        if answer.status == 401:
            authorization.refused()
        return answer


_ALWAYS = {
    "Accept": ACCEPT,
    "Accept-Encoding": "identity",  # the session does not unpack
    "DataServiceVersion": "3.0",
    "User-Agent": "lydian",
    "x-ms-version": VERSION,
}
