"""The deployment that is looked at, and how checks talk to it."""

import http.client
import ipaddress
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

T = TypeVar("T")


class Broken(Exception):
    """The deployment does something wrong; the message says what, and where to look."""


class CannotTell(Exception):
    """This check says nothing about the deployment; the message says what it would need."""


@dataclass(frozen=True)
class Options:
    long: bool = False
    """Also what takes minutes or hundreds of megabytes."""
    streams: int = 30
    """How many at once."""
    origin: str = ""
    """An origin that ``CORS_ORIGINS`` names."""
    webhook_secret: str = ""
    """Stripe's, to send one signed event of an unknown type, which is stored and marked ignored."""
    mail_domain: str = ""
    mail_subdomain: str = ""
    """What SendGrid's domain authentication has made, such as ``em1234``."""
    resolver: tuple[str, int] | None = None
    """Address and port of the DNS server that is asked; None: the system's first."""
    body_limit: int = 125829120
    """``FUNCTIONS_REQUEST_BODY_SIZE_LIMIT`` of the deployment, in bytes."""
    stream_seconds: float = 300
    patience: float = 60
    """Seconds that a trigger, a timer or a queue may take."""


@dataclass
class Target:
    url: str
    """Without a slash at its end."""
    token: str = ""
    """An access token, or an API key; of an administrator for the checks that say so."""
    options: Options = field(default_factory=Options)
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        secure = self.url.startswith("https:")  # else the system's certificates, 30 ms of them, are for nothing
        self.client = httpx.Client(
            base_url=self.url,
            verify=secure or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            timeout=httpx.Timeout(30, read=60),
            trust_env=False,  # proxies and .netrc of this machine would be looked at in the deployment's place
            limits=httpx.Limits(max_connections=200),
        )

    @property
    def local(self) -> bool:
        """Whether it is on this machine, where there is no TLS, no identity and no DNS to look at."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def connect(self) -> http.client.HTTPConnection:
        """A bare connection, for what no well-behaved client does."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            return http.client.HTTPSConnection(host, parts.port, timeout=30, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, parts.port, timeout=30)

    @property
    def bearer(self) -> dict[str, str]:
        """Raises ``CannotTell`` without a token."""
        if not self.token:
            raise CannotTell("needs TOKEN, an access token or an API key")
        return {"Authorization": f"Bearer {self.token}"}

    def ask(self, method: str, path: str, want: int = 200, **options: Any) -> Any:
        """The JSON that the caller of the token gets. Raises ``CannotTell`` where the token or the deployment lacks what it takes, and
        ``Broken`` for any other status than ``want``."""
        response = self.client.request(method, path, headers={**self.bearer, **options.pop("headers", {})}, **options)
        return self.judged(response, want)

    def judged(self, response: httpx.Response, want: int = 200) -> Any:
        asked = f"{response.request.method} {response.request.url.path}"
        code = _code(response)
        if response.status_code == want:
            return json_of(response) if response.content else None
        if response.status_code == 403:
            raise CannotTell(f"this token may not {asked}: it takes an administrator's, or the scope ({code})")
        if (response.status_code, code) == (404, "not_found") or (response.status_code == 503 and code.endswith("_not_configured")):
            raise CannotTell(f"{asked} is not served here ({code})")
        raise Broken(f"{asked} answered {response.status_code} {code}, not {want}")

    def eventually(self, look: Callable[[], T | None], what: str, pause: float = 0.25, *, part: float = 1.0) -> T:
        """What ``look`` finds within the patience, or a ``part`` of it. Raises ``Broken``."""
        patience = self.options.patience * part
        deadline = time.monotonic() + patience
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise Broken(f"{what}: not within {patience:.0f} s")
            time.sleep(min(pause, patience))
        return found


def json_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise Broken(f"{response.request.url.path} answered {response.status_code} and no JSON: {response.text[:80]!r}") from None


def part(data: Any, *names: str) -> Any:
    """A part of an answer by its names. Raises ``Broken`` where it is missing."""
    for name in names:
        if not isinstance(data, dict) or name not in data:
            raise Broken(f"the answer has no {name!r}: {json.dumps(data)[:80]}")
        data = data[name]
    return data


def _code(response: httpx.Response) -> str:
    """The problem's slug, ours or OpenAI's."""
    try:
        data = response.json()
        found = data.get("code") or data.get("error", {}).get("code") or ""
    except (ValueError, AttributeError, httpx.ResponseNotRead):
        return ""
    return str(found)
