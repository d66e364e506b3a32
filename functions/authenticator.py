"""From a bearer token to a Caller: the signature, then whether the session still lives."""

from shared_code.container import Container
from shared_code.errors import Unauthenticated
from shared_code.web.callers import Caller


class TokenAuthenticator:
    def __init__(self, container: Container) -> None:
        self._container = container

    async def authenticate(self, credentials: str) -> Caller:
        """The caller; with a warm session no storage is asked. Raises Unauthenticated."""
        claims = await self._container.verifier.verify(credentials)
        if not await self._container.sessions.is_live(claims.user_id, claims.session_id):
            raise Unauthenticated("This session has ended.", code="session_ended")
        return Caller(claims.user_id, claims.role, session_id=claims.session_id)
