"""A JWKS over HTTP, read with limits: whoever serves it may be slow, wrong or not there."""

MAX_BYTES = 64 * 1024
"""Several RSA keys with their certificates are under 20 KiB."""
CONNECT_SECONDS, TOTAL_SECONDS = 3.0, 5.0


class HttpJwks:
    def __init__(self, url: str) -> None:
        self._url = url

    async def fetch(self) -> bytes:
        """The document; raises ValueError for an answer that is none, OSError or TimeoutError when there is no answer."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS)
        # Nothing is unpacked, so that what is counted is what arrives; a redirect could lead anywhere.
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False, headers={"Accept-Encoding": "identity"}) as session,
            session.get(self._url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"answers {answer.status}")
            document = b""
            async for piece in answer.content.iter_any():
                document += piece
                if len(document) > MAX_BYTES:
                    raise ValueError(f"is larger than {MAX_BYTES} bytes")
            return document
