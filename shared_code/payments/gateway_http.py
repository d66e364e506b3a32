"""HTTP for Stripe's SDK, over httpx. The SDK's own client sends bodies in a way that httpx has deprecated, and knows one time-out only."""

from collections.abc import Mapping
from typing import Any, NoReturn

import anyio
import httpx
import stripe

from shared_code import telemetry


class StripeHttp(stripe.HTTPClient):
    """The SDK's interface to whoever sends its requests. A request that has no answer may be sent again: see its idempotency key."""

    name = "httpx"

    def __init__(self, timeout: httpx.Timeout, transport: httpx.AsyncBaseTransport | None) -> None:
        super().__init__()
        self._http = httpx.AsyncClient(timeout=timeout, follow_redirects=False, transport=transport)

    def sleep_async(self, secs: float) -> Any:
        return anyio.sleep(secs)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            with telemetry.dependency("stripe", method.upper()) as span:
                response = await self._http.request(method, url, headers=headers, content=post_data or None)
                span.set({"http.response.status_code": response.status_code})
        except httpx.HTTPError as error:
            self._no_answer(error)
        return response.content, response.status_code, response.headers

    async def close_async(self) -> None:
        await self._http.aclose()

    def _no_answer(self, error: httpx.HTTPError) -> NoReturn:
        raise stripe.APIConnectionError("no answer", should_retry=True) from error  # type: ignore[no-untyped-call]  # the SDK's
