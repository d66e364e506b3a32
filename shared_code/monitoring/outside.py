"""Other people's servers: whether one answers, and one that is told something."""

import asyncio
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared_code.errors import UpstreamFailed, UpstreamTimeout

SECONDS = 5.0


async def answers(url: str, *, headers: Mapping[str, str] | None = None) -> None:
    """A GET that must succeed. Raises UpstreamFailed or UpstreamTimeout, in whose messages there is no URL and no secret."""
    await _request("GET", url, headers=headers)


async def post(url: str, body: Any) -> None:
    """Post JSON, following no redirect. Raises as ``answers`` does."""
    await _request("POST", url, json=body)


async def _request(method: str, url: str, **options: Any) -> None:
    import httpx  # 60 ms that only who needs it pays

    try:
        async with httpx.AsyncClient(timeout=SECONDS, follow_redirects=False) as client, client.stream(method, url, **options) as answer:
            status = answer.status_code
    except httpx.TimeoutException:
        raise UpstreamTimeout(f"no answer within {SECONDS:.0f} s") from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise UpstreamFailed("it cannot be reached") from None
    if status in (401, 403):
        raise UpstreamFailed("our key is refused")
    if not 200 <= status < 300:
        raise UpstreamFailed(f"it answers {status}")


async def certificate_expiry(host: str, port: int) -> datetime:
    """When a server's certificate expires. Raises UpstreamFailed when it is not valid, UpstreamTimeout when no TLS comes about."""
    context = await asyncio.to_thread(ssl.create_default_context)
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLCertVerificationError as error:
        raise UpstreamFailed(error.verify_message) from None
    except (OSError, TimeoutError):
        raise UpstreamTimeout("nobody answers there") from None
    try:
        found = writer.get_extra_info("peercert")
    finally:
        writer.close()
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)
