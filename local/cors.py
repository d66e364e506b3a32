"""Host.CORS of local.settings.json: answered by the host before any function, as Core Tools does."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALLOW_ORIGIN = b"access-control-allow-origin"


class Cors:
    """ASGI middleware. `origins` are exact, or `*`; an origin that is not listed is passed on untouched."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...], credentials: bool) -> None:
        self._app = app
        self._any = "*" in origins
        self._origins = {origin.encode() for origin in origins}
        self._credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is None or not (self._any or origin in self._origins):
            await self._app(scope, receive, send)
            return
        granted = self._granted(origin)
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            granted += [
                (b"access-control-allow-methods", headers[b"access-control-request-method"]),
                (b"access-control-allow-headers", headers.get(b"access-control-request-headers", b"*")),
            ]
            await send({"type": "http.response.start", "status": 204, "headers": granted})
            await send({"type": "http.response.body", "body": b""})
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The app's own word on an origin counts: a second header of that name would make browsers refuse both.
                own = {name.lower() for name, _ in message.get("headers", ())}
                if _ALLOW_ORIGIN not in own:
                    message = {**message, "headers": [*message.get("headers", ()), *granted]}
            await send(message)

        await self._app(scope, receive, with_headers)

    def _granted(self, origin: bytes) -> list[tuple[bytes, bytes]]:
        if self._any and not self._credentials:
            return [(_ALLOW_ORIGIN, b"*")]
        granted = [(_ALLOW_ORIGIN, origin), (b"vary", b"Origin")]
        if self._credentials:
            granted.append((b"access-control-allow-credentials", b"true"))
        return granted
