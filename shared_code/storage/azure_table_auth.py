"""Who signs our own requests of the Table service, and where they go.

Sources: Microsoft, "Authorize with Shared Key" (Table service), "Configure Azure Storage connection strings".
No exception and no representation of these classes holds a key, a signature or a token.
"""

import asyncio
import re
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hmac import digest
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from ..errors import StorageUnavailable

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.core.credentials_async import AsyncTokenCredential

SCOPE = "https://storage.azure.com/.default"
RENEW_BEFORE = 300
"""Seconds before its expiry from which on a token is renewed."""
_RENEWAL_PAUSE = 15
"""Seconds between attempts to renew a token that is still good."""
_TOKEN_TIMEOUT = 30

# Every Azurite's account, published by Microsoft ("Use the Azurite emulator"): what UseDevelopmentStorage=true stands for.
_DEVELOPMENT = {
    "accountname": "devstoreaccount1",
    "accountkey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "tableendpoint": "http://127.0.0.1:10002/devstoreaccount1",
}
_SIGNATURE = re.compile(r"[!-~]+")


class Authorization(Protocol):
    """``query`` goes behind every request's own."""

    query: str

    async def header(self, method: str, path: str, content_type: str, date: str) -> str | None:
        """The Authorization header of one request; ``path`` as it is sent, ``date`` as in x-ms-date."""

    def refused(self) -> None:
        """The service answered 401."""


class SharedKey:
    query = ""

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        try:
            self._key = b64decode(key, validate=True)
        except ValueError:
            raise ValueError("the account key is not base64") from None

    async def header(self, method: str, path: str, content_type: str, date: str) -> str:
        # The second line stands for Content-MD5, which is not sent.
        text = f"{method}\n\n{content_type}\n{date}\n/{self._account}{path}"
        return f"SharedKey {self._account}:{b64encode(digest(self._key, text.encode(), 'sha256')).decode()}"

    def refused(self) -> None: ...


class SharedAccessSignature:
    """The signature travels in the URL."""

    def __init__(self, signature: str) -> None:
        self.query = signature.removeprefix("?")
        if not _SIGNATURE.fullmatch(self.query) or "#" in self.query:
            raise ValueError("the shared access signature is malformed")

    async def header(self, method: str, path: str, content_type: str, date: str) -> None: ...

    def refused(self) -> None: ...


class BearerToken:
    """A token of an azure-identity credential, kept until 5 minutes before its expiry.

    It is asked for once for all who need it; meanwhile they go on with the old one, or wait when that is no longer good.
    """

    query = ""

    def __init__(self, credential: "AsyncTokenCredential") -> None:
        self._credential = credential
        self._token: AccessToken | None = None
        self._renewal: asyncio.Task[AccessToken] | None = None
        self._not_before = 0.0

    async def header(self, method: str, path: str, content_type: str, date: str) -> str:
        token = self._token
        if token is None or token.expires_on - time.time() < RENEW_BEFORE:
            token = await self._renewed(token)
        return f"Bearer {token.token}"

    def refused(self) -> None:
        """The next request asks for a new one."""
        self._token = None

    async def _renewed(self, old: "AccessToken | None") -> "AccessToken":
        still_good = old is not None and old.expires_on > time.time()
        if old is not None and still_good and (self._renewal is not None or time.monotonic() < self._not_before):
            return old
        if self._renewal is None:
            self._not_before = time.monotonic() + _RENEWAL_PAUSE
            self._renewal = asyncio.create_task(self._ask())
            self._renewal.add_done_callback(self._done)
        try:
            # Shielded: whoever began it may be cancelled, and the others still want the token.
            return await asyncio.shield(self._renewal)
        except Exception as error:  # a credential's exceptions are its own affair
            if old is not None and still_good:
                return old
            raise StorageUnavailable("The table storage cannot be signed in to.") from error

    async def _ask(self) -> "AccessToken":
        async with asyncio.timeout(_TOKEN_TIMEOUT):
            return await self._credential.get_token(SCOPE)

    def _done(self, renewal: "asyncio.Task[AccessToken]") -> None:
        self._renewal = None
        if not renewal.cancelled() and renewal.exception() is None:
            self._token = renewal.result()


@dataclass(frozen=True, slots=True)
class TableAccount:
    """``origin`` is scheme, host and port; ``path`` the account's own when that is not in the host (Azurite)."""

    origin: str
    path: str
    authorization: Authorization


def from_connection_string(text: str) -> TableAccount:
    """``ValueError`` when it is malformed or names neither an account key nor a shared access signature."""
    values = _values(text)
    if values.get("usedevelopmentstorage", "").lower() == "true":
        values = _DEVELOPMENT
    name, key = values.get("accountname"), values.get("accountkey")
    signature = values.get("sharedaccesssignature")
    authorization: Authorization
    if name and key:
        authorization = SharedKey(name, key)
    elif signature:
        authorization = SharedAccessSignature(signature)
    else:
        raise ValueError("the connection string holds neither an account key nor a shared access signature")
    url = values.get("tableendpoint")
    if not url:
        if not name:
            raise ValueError("the connection string names neither an account nor a table endpoint")
        protocol, suffix = values.get("defaultendpointsprotocol", "https"), values.get("endpointsuffix", "core.windows.net")
        url = f"{protocol}://{name}.table.{suffix}"
    return _account(url, authorization)


def from_credential(url: str, credential: "AsyncTokenCredential") -> TableAccount:
    """``ValueError`` when the URL is not https: a token never goes out in the clear."""
    if urlsplit(url).scheme != "https":
        raise ValueError("signing in by token needs https")
    return _account(url, BearerToken(credential))


def _account(url: str, authorization: Authorization) -> TableAccount:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("the table endpoint is not a plain http or https URL")
    return TableAccount(f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/"), authorization)


def _values(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for item in text.strip().split(";"):
        name, equals, value = item.partition("=")
        if item and not (name and equals):
            raise ValueError("the connection string is malformed")
        values[name.strip().lower()] = value.strip()
    return values
